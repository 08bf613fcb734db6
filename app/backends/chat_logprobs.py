"""The tokens of an OpenAI chat completion, laid over the text that they are of.

A provider sends them beside the text, and what it sends may be anything: tokens of markers that are
no text, parts of a letter, later tokens than text. Of all that only numbers are taken. What leaves
here as a token's text is a piece of the answer's text, so that a token can show nothing that the
text does not.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from app.backends.strict import broken, wrong
from app.domain.conversation import Json
from app.domain.events import UNKNOWN, Token

_REPLACED: Final = "\ufffd"
"""Stands for a part of a letter where a server keeps no bytes, such as vLLM."""
_NEAR: Final = 8
"""How many code points such parts may be of, before a token is found at its place again."""


class TokenReader:
    """Lays the tokens of one choice over its text, however both come."""

    __slots__ = ("_begun", "_waiting")

    def __init__(self) -> None:
        self._begun = ""
        """Text of a token whose end has not come: words may begin in the middle of one."""
        self._waiting: deque[tuple[bytes, float]] = deque()
        """Tokens whose text has not come."""

    def read(self, logprobs: Json) -> None:
        """Take what the provider says of tokens.

        Raises:
            BackendError: It is not of the protocol's form.
        """
        where = "choices[].logprobs"
        if type(logprobs) is not dict:
            raise wrong("choices[]", "logprobs", "an object")
        content = logprobs.get("content") or []
        if type(content) is not list:
            raise wrong(where, "content", "a list")
        self._waiting.extend(map(_read, content))

    def tile(self, text: str) -> tuple[Token, ...]:
        """The tokens of more of the text; all of them, joined, are all of the text.

        A letter that several tokens are of is one with them: as likely as all of them in a row.
        What no token is found for is one of its own, of which nothing is known. The text of a token
        whose last letter is not whole waits for it.
        """
        return tuple(self._tiles(self._begun + text))

    def _tiles(self, text: str) -> Iterator[Token]:
        self._begun = ""
        at = near = 0
        part, logprob = b"", 0.0
        waiting = self._waiting
        while waiting and at < len(text):
            more, said = waiting.popleft()
            part, logprob = part + more, logprob + said
            piece = _decoded(part)
            if piece is None:
                continue
            if _REPLACED in piece and not text.startswith(piece, at):
                near, part, logprob = _NEAR, b"", 0.0
                continue
            found = text.find(piece, at, at + near + len(piece))
            if found < 0:
                waiting.clear()
                break
            if found > at:
                yield Token(text[at:found])
            if piece:
                yield Token(piece, min(max(logprob, UNKNOWN), 0.0))
            at, near, part, logprob = found + len(piece), 0, b"", 0.0
        else:
            if part:  # the rest of a letter has not come
                waiting.appendleft((part, logprob))
                self._begun = text[at:] if part.decode(errors="ignore") == text[at:] else ""
        if at + len(self._begun) < len(text):
            yield Token(text[at:])


def _decoded(part: bytes) -> str | None:
    """As text; none while the end of a letter is missing."""
    try:
        return part.decode()
    except UnicodeDecodeError as exc:
        return None if exc.reason == "unexpected end of data" else _REPLACED


def _read(said: Json) -> tuple[bytes, float]:
    where = "choices[].logprobs.content[]"
    if type(said) is not dict:
        raise broken(f"{where}: the provider sent something that is not an object")
    token, code, logprob = said.get("token"), said.get("bytes"), said.get("logprob")
    if type(logprob) is not float and type(logprob) is not int:
        raise wrong(where, "logprob", "a number")
    if code is None:
        if type(token) is not str:
            raise wrong(where, "token", "text")
        return token.encode("utf-8", "replace"), float(logprob)
    if type(code) is not list:
        raise wrong(where, "bytes", "a list")
    try:
        return bytes(code), float(logprob)
    except (TypeError, ValueError):
        raise wrong(where, "bytes[]", "a byte") from None
