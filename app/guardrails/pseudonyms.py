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

from app.domain.protocols import Original, PseudonymScope
from app.guardrails.places import Span

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: no I, L, O, U
_DIGITS = 9
_TAIL = _DIGITS + 2
"""The underscore, the digits and the check character."""
_LONGEST_NAME = 40

_NOT_IN_NAME = re.compile(r"[^A-Z0-9]+")
_STANDS_ALONE = re.compile(
    rf"(?<![A-Z0-9_])[A-Z](?:[A-Z0-9]|\\{{0,2}}_){{0,{_LONGEST_NAME - 1}}}"
    rf"\\{{0,2}}_[{_ALPHABET}]{{{_DIGITS + 1}}}(?![A-Z0-9_])",
    re.IGNORECASE | re.ASCII,
)
"""A token as it was minted, or without case and with its underscores escaped for Markdown."""


class Minter:
    """Gives values their tokens, the same ones in every turn of a scope."""

    def __init__(
        self, key: bytes, scope: PseudonymScope, known: Mapping[str, Original] | None = None
    ) -> None:
        """Begin a request.

        Args:
            key: Secret; whoever has it can test guesses of a value against its token.
            scope: Within which a pseudonym means one value.
            known: What the vault has for the scope, by pseudonym.
        """
        self.scope = scope
        self._key = key
        self._known = dict(known or {})
        self._tokens = {
            (token_name(original.category), original.value): token
            for token, original in self._known.items()
        }
        self._minted: dict[str, Original] = {}

    @property
    def known(self) -> Mapping[str, Original]:
        """Every pseudonym that may be restored, with what it stands for."""
        return self._known

    @property
    def minted(self) -> Mapping[str, Original]:
        """What the vault has not got yet."""
        return self._minted

    def mint(self, category: str, value: str) -> str:
        """The token for a value that came from the client: it will be restored."""
        token = self.name(category, value)
        if token not in self._known:
            self._known[token] = self._minted[token] = Original(category, value)
            self._tokens[token_name(category), value] = token
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
            if token not in self._known:  # else the name of another value
                return token
            attempt += 1

    def _derived(self, name: str, value: str, attempt: int) -> str:
        scope = self.scope
        of = [
            scope.tenant,
            scope.key_id,
            scope.session,
            scope.request_id,
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


def is_token(pseudonym: str) -> bool:
    """Whether it has the shape of our tokens, and a check character that fits."""
    found = _STANDS_ALONE.fullmatch(pseudonym)
    return found is not None and pseudonym.isupper() and _check(pseudonym[:-1]) == pseudonym[-1]


def token_like(text: str) -> Iterator[Span]:
    """Where a text has tokens of our shape, with a fitting check character, whoever minted them."""
    if "_" not in text:
        return
    for match in _STANDS_ALONE.finditer(text):
        written = match.group()
        token = written.replace("\\", "").upper()
        # In small letters a name of code is of our shape too, so there a digit has to be in it.
        is_ours = token == written or any(map(str.isdigit, token[1 - _TAIL :]))
        if is_ours and _check(token[:-1]) == token[-1]:
            yield match.span()
