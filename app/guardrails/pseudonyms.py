"""Names that stand for values: the model sees these, the user never does.

A token is ``EMAIL_ADDRESS_7F3K2M9QXT``: the category, nine characters of an HMAC over the value and
the scope, and a check character, so that a token that nobody minted can be told from a constant in
code (one in 32 of those fits by chance). A surrogate is an invented value of the same kind.
"""

import hmac
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping

import orjson

from app.domain.policy import PseudonymForm
from app.domain.protocols import Original, PseudonymScope
from app.guardrails.places import Span
from app.guardrails.surrogates import Draw, surrogate

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: no I, L, O, U
_DIGITS = 9
_TAIL = _DIGITS + 2
"""The underscore, the digits and the check character."""
_LONGEST_NAME = 40
_MANY = 50
_ATTEMPTS = 64
"""How many surrogates are tried that something in the scope could be taken for."""

_NOT_COUNTED = re.compile(r"[\W_]+")
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
            key: Secret; whoever has it can test guesses of a value against its pseudonym.
            scope: Within which a pseudonym means one value.
            known: What the vault has for the scope, by pseudonym.
        """
        self.scope = scope
        self._key = key
        self._known = dict(known or {})
        self._pseudonyms = {
            (token_name(original.category), original.value, _form(pseudonym)): pseudonym
            for pseudonym, original in self._known.items()
        }
        self._minted: dict[str, Original] = {}
        self._avoided: list[str] = []
        self._taken: _Taken | None = None

    @property
    def known(self) -> Mapping[str, Original]:
        """Every pseudonym that may be restored, with what it stands for."""
        return self._known

    @property
    def surrogates(self) -> Mapping[str, str]:
        """The invented values among the pseudonyms, each with the kind of value it stands for."""
        return {
            pseudonym: original.category
            for pseudonym, original in self._known.items()
            if _form(pseudonym) is PseudonymForm.SURROGATE
        }

    @property
    def knows_many(self) -> bool:
        """Whether getting ready to find them all has no place on the event loop."""
        return len(self._known) > _MANY

    @property
    def minted(self) -> Mapping[str, Original]:
        """What the vault has not got yet."""
        return self._minted

    def avoid(self, texts: Iterable[str]) -> None:
        """Make no surrogate that already stands in one of these."""
        self._avoided += texts
        self._taken = None

    def mint(self, category: str, value: str, form: PseudonymForm = PseudonymForm.TOKEN) -> str:
        """The pseudonym for a value that came from the client: it will be restored.

        Where there is no surrogate for a value, it gets a token.
        """
        key = (token_name(category), value, form)
        pseudonym = self._pseudonyms.get(key)
        if pseudonym is None and form is PseudonymForm.SURROGATE:
            pseudonym = self._surrogate(category, value)
        if pseudonym is None:
            pseudonym = self.name(category, value)
        if pseudonym not in self._known:
            self._known[pseudonym] = self._minted[pseudonym] = Original(category, value)
            self._pseudonyms[(*key[:2], _form(pseudonym))] = pseudonym
            if self._taken is not None:
                self._taken.add(pseudonym, value)
        return pseudonym

    def name(self, category: str, value: str, _form: PseudonymForm = PseudonymForm.TOKEN) -> str:
        """The token for a value that the model brought up: restored only where it was minted."""
        name = token_name(category)
        token = self._pseudonyms.get((name, value, PseudonymForm.TOKEN))
        return token if token is not None else self._new(name, value)

    def _surrogate(self, category: str, value: str) -> str | None:
        """One that nothing said in the scope could be taken for; none where there is none."""
        if self._taken is None:
            self._taken = _Taken(self._avoided)
            for pseudonym, original in self._known.items():
                self._taken.add(pseudonym, original.value)
        for attempt in range(_ATTEMPTS):
            draw = Draw(self._digest("surrogate", token_name(category), value, attempt))
            made = surrogate(category, value, draw)
            if made is None or self._taken.leaves(made):
                return made
        return None

    def _new(self, name: str, value: str) -> str:
        attempt = 0
        while True:
            token = self._derived(name, value, attempt)
            if token not in self._known:  # else the name of another value
                return token
            attempt += 1

    def _derived(self, name: str, value: str, attempt: int) -> str:
        number = int.from_bytes(self._digest("token", name, value, attempt)[:8], "big")
        digits = "".join(_ALPHABET[number >> (5 * place) & 31] for place in range(_DIGITS))
        return f"{name}_{digits}{_check(f'{name}_{digits}')}"

    def _digest(self, what: str, name: str, value: str, attempt: int) -> bytes:
        scope = self.scope
        of = [scope.tenant, scope.key_id, scope.session, scope.request_id, what, name]
        told = [*of, value.encode("utf-8", "replace").hex(), attempt]
        return hmac.digest(self._key, orjson.dumps(told), "sha256")


class _Taken:
    """What surrogates must not be, as they are found: avoided texts, pseudonyms, values."""

    def __init__(self, avoided: Iterable[str]) -> None:
        self._texts = "\n".join(map(_bare, avoided))
        self._pseudonyms: set[str] = set()

    def add(self, pseudonym: str, value: str) -> None:
        """Take one more, with what it stands for."""
        bare = _bare(pseudonym)
        self._pseudonyms.add(bare)
        self._texts += f"\n{bare}\n{_bare(value)}"

    def leaves(self, surrogate: str) -> bool:
        """Whether it neither stands in any of them nor holds a pseudonym."""
        bare = _bare(surrogate)
        parts = (bare[at:end] for at in range(len(bare)) for end in range(at + 1, len(bare) + 1))
        return bare not in self._texts and self._pseudonyms.isdisjoint(parts)


def _form(pseudonym: str) -> PseudonymForm:
    return PseudonymForm.TOKEN if is_token(pseudonym) else PseudonymForm.SURROGATE


def _bare(text: str) -> str:
    """A text by what pseudonyms are found by: its letters and digits, without case and width."""
    folded = unicodedata.normalize("NFKC", text).upper()
    return _NOT_COUNTED.sub("", folded)


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
