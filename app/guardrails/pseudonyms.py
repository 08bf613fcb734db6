"""Names that stand for values: the model sees these, the user never does.

A token is ``EMAIL_ADDRESS_7F3K2M9QXT``: the category, nine characters of an HMAC over the value and
the scope, and a check character, so that a token that nobody minted can be told from a constant in
code (one in 32 of those fits by chance).
"""

import hmac
import re
import zlib
from collections.abc import Iterator, Mapping

import orjson

from app.domain.protocols import PseudonymScope

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: no I, L, O, U
_DIGITS = 9
_TAIL = _DIGITS + 2
"""The underscore, the digits and the check character."""
_LONGEST_NAME = 40

_NOT_IN_NAME = re.compile(r"[^A-Z0-9]+")
_RUN = re.compile(rf"[A-Z0-9_]{{{_TAIL + 1},}}")
_STANDS_ALONE = re.compile(
    rf"(?<![A-Za-z0-9_])[A-Z][A-Z0-9_]{{0,{_LONGEST_NAME - 1}}}"
    rf"_[{_ALPHABET}]{{{_DIGITS + 1}}}(?![A-Za-z0-9_])"
)
_TOKEN_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Minter:
    """Gives values their tokens, the same ones in every turn of a scope."""

    def __init__(
        self, key: bytes, scope: PseudonymScope, known: Mapping[str, str] | None = None
    ) -> None:
        """Begin a request.

        Args:
            key: Secret; whoever has it can test guesses of a value against its token.
            scope: Within which a token means one value.
            known: What the vault has for the scope: token to value.
        """
        self.scope = scope
        self._key = key
        self._values = dict(known or {})
        self._tokens = {(token[:-_TAIL], value): token for token, value in self._values.items()}
        self._minted: dict[str, str] = {}

    @property
    def known(self) -> Mapping[str, str]:
        """Every token that may be restored, with its value."""
        return self._values

    @property
    def minted(self) -> Mapping[str, str]:
        """What the vault has not got yet."""
        return self._minted

    def mint(self, category: str, value: str) -> str:
        """The token for a value that came from the client: it will be restored."""
        token = self.name(category, value)
        if token not in self._values:
            self._values[token] = self._minted[token] = value
            self._tokens[token[:-_TAIL], value] = token
        return token

    def name(self, category: str, value: str) -> str:
        """The token for a value that the model brought up: restored only where it was minted."""
        name = token_name(category)
        token = self._tokens.get((name, value))
        return token if token is not None else self._new(name, value)

    def _new(self, name: str, value: str) -> str:
        attempt = 0
        while True:
            token = self._derived(name, value, attempt)
            if token not in self._values:  # else the name of another value
                return token
            attempt += 1

    def _derived(self, name: str, value: str, attempt: int) -> str:
        scope = self.scope
        of = [
            scope.tenant,
            scope.key_id,
            scope.session,
            name,
            value.encode("utf-8", "replace").hex(),
        ]
        digest = hmac.digest(self._key, orjson.dumps([*of, attempt]), "sha256")
        number = int.from_bytes(digest[:8], "big")
        digits = "".join(_ALPHABET[number >> (5 * place) & 31] for place in range(_DIGITS))
        return f"{name}_{digits}{_check(f'{name}_{digits}')}"


def token_name(category: str) -> str:
    """A category as tokens begin with it."""
    name = _NOT_IN_NAME.sub("_", category.upper())[:_LONGEST_NAME].strip("_")
    return name if name[:1].isalpha() else f"VALUE_{name}".rstrip("_")


def _check(text: str) -> str:
    return _ALPHABET[zlib.crc32(text.encode()) % 32]


def unknown_tokens(text: str, known: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """Where a text has tokens of our shape, with a fitting check character, that nobody minted."""
    if "_" in text:
        for match in _STANDS_ALONE.finditer(text):
            token = match.group()
            if token not in known and _check(token[:-1]) == token[-1]:
                yield match.span()


class KnownTokens:
    """The tokens that may be restored, looked for in a text that is still coming."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)
        self._names = {token[:-_TAIL] for token in self.values}
        self._longest = max(map(len, self.values), default=0)
        self._beginnings = {token[:n] for token in self.values for n in range(1, len(token))}

    def __bool__(self) -> bool:
        return bool(self.values)

    def may_begin(self, text: str) -> bool:
        """Whether a token may begin in the text and end after it; a guess on the safe side."""
        return text[-1:] in _TOKEN_CHARS

    def scan(self, text: str, at: int, *, is_end: bool) -> tuple[list[tuple[int, int]], int]:
        """As ``Shape.scan``: the settled tokens from ``at`` on, and the earliest open place."""
        open_at = len(text) if is_end else self._open_at(text, at)
        spans: list[tuple[int, int]] = []
        for start, end in self._all(text, at):
            if start >= open_at:
                break
            if start >= at:
                spans.append((start, end))
                at = end
                if at > open_at:
                    open_at = self._open_at(text, at)
        return spans, open_at

    def _open_at(self, text: str, at: int) -> int:
        if self.values and text[-1:] in _TOKEN_CHARS:
            for start in range(max(at, len(text) - self._longest + 1), len(text)):
                if text[start:] in self._beginnings:
                    return start
        return len(text)

    def _all(self, text: str, at: int) -> list[tuple[int, int]]:
        if not self.values or text.find("_", at) < 0:
            return []
        return sorted(self._each(text, at), key=lambda span: (span[0], -span[1]))

    def _each(self, text: str, at: int) -> Iterator[tuple[int, int]]:
        for run in _RUN.finditer(text, at):
            under = text.find("_", run.start(), run.end())
            while under >= 0:
                for name in self._names:
                    start, end = under - len(name), under + _TAIL
                    if start >= run.start() and text[start:end] in self.values:
                        yield start, end
                under = text.find("_", under + 1, run.end())
