"""How certain it is that a text is a credential, and not a placeholder, a name or code."""

import re
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256

from app.guardrails.fillers import (
    decoded,
    entropy,
    is_indirect,
    is_placeholder,
    is_stand_in,
    is_wordy,
    says_words,
)

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_SHORTEST_KEY = 40


def has_checksum(token: str) -> bool:
    """Whether the last six characters are the CRC-32 of those between prefix and them.

    Source: GitHub, "Behind GitHub's new authentication token formats" (2021). npm does the same.
    """
    body = token.partition("_")[2]
    value = zlib.crc32(body[:-6].encode())
    digits = ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        digits = _BASE62[digit] + digits
    return digits == body[-6:]


def _holds(*classes: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda token: all(any(map(of_class, token)) for of_class in classes)


_is_mixed = _holds(str.isupper, str.islower, str.isdigit)
_is_mixed_upper = _holds(str.isupper, str.isdigit)
_is_mixed_case = _holds(str.isupper, str.islower)


def _token(token: str, score: float) -> float:
    return 0.0 if is_placeholder(token) else score


def _checksum(token: str, score: float) -> float:
    """Surer where the checksum fits; not required, for old tokens have none."""
    return 0.99 if has_checksum(token) else _token(token, score)


def _if(holds: Callable[[str], bool]) -> Callable[[str, float], float]:
    return lambda token, score: _token(token, score) if holds(token) else 0.0


_SIGNED = re.compile(r"sk-(?:proj|svcacct|admin|None|ant)-")
"""Keys of issuers who put a signature into them: without it they are none."""


def _mixed_or_hex(token: str) -> bool:
    if _SIGNED.match(token):
        return False
    body = token.rpartition("-")[2]
    return _is_mixed(body) or re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{64}", body) is not None


def _is_jwt(token: str) -> bool:
    """The first part is a JSON object that names an algorithm, a type or a key."""
    return re.search(rb'"(?:alg|typ|enc|kid)"', decoded(token.split(".", 1)[0])) is not None


def _key_block(block: str, score: float) -> float:
    """A body follows. The first line alone is often quoted in prose."""
    body = re.sub(r"-----[^-]+-----|Private-[A-Za-z]+:|[^A-Za-z0-9+/]", "", block)
    return score if len(body) >= _SHORTEST_KEY else 0.0


def _url_password(address: str, score: float) -> float:
    """As any password, but that a word in this place is meant as one too, except in an example.

    ``postgres://user:password@localhost`` is in every manual.
    """
    password = address.partition("://")[2].partition(":")[2].rpartition("@")[0]
    user = address.partition("://")[2].partition(":")[0]
    if not is_stand_in(password) and user != password:
        return max(password_certainty(password, score), 0.6 * score)
    is_example = _EXAMPLE_HOST.search(address) is not None
    return 0.0 if is_example else _configured(password, 0.6 * score)


_EXAMPLE_HOST = re.compile(
    r"(?i)@(?:localhost|127\.|0\.0\.0\.0|host|hostname|server|db|database|postgres|mysql|mongo|redis|"
    r"[\w.\-]*example|domain|your|my|site|test|proxy|url)(?![a-z0-9])[\w.\-]*\Z"
)


def _configured(value: str, score: float) -> float:
    """Score of a value that stands where settings have a password: any word will do as one."""
    if is_indirect(value) or _NO_VALUE.fullmatch(value) or _UNLIKELY.fullmatch(value):
        return 0.0
    return score if len(set(value)) > _FEWEST_CHARS else 0.0


_NO_VALUE = re.compile(
    r"(?i)[\W_]*(?:none|null|nil|undefined|true|false|string|str|int|bool|boolean|required|optional|"
    r"hidden|empty|unset|disabled|enabled|yes|no|prompt|ask|env|varchar|text|char|input|field|object|"
    r"any|name|username|value|default|invalid|incorrect|wrong|expired|policy|reset|hash|hashed|"
    r"encrypted|here|and|for|with|from|the|is|are|was|has|must|should|will|not|or|to|in|of)[\W_]*"
)
_UNLIKELY = re.compile(r"[0-9a-fA-F]{1,4}|[\W_]+|.*[({\[].*")


def _wordless(token: str, score: float) -> float:
    """Not typed to try out a form: words alone, without a digit."""
    is_typed = is_wordy(token) and not any(map(str.isdigit, token))
    return 0.0 if is_typed else _token(token, score)


def _runner(token: str, score: float) -> float:
    """Twenty characters or more after the prefix, but no more than fifty."""
    return _token(token, score) if len(token) <= _LONGEST_RUNNER else 0.0


_LONGEST_RUNNER = 59


def _entra(secret: str, score: float) -> float:
    """Of one length; what goes on is the middle of another thing."""
    return _token(secret, score) if len(secret.rstrip(".-")) <= _LONGEST_ENTRA else 0.0


_LONGEST_ENTRA = 37


def _padded(token: str, score: float) -> float:
    """Judged without the zeros that this issuer's tokens have in base64."""
    return _token(_ZEROS.sub("", token), score)


_ZEROS = re.compile(r"A{4,}|/{3,}")


def _base58(key: str, score: float) -> float:
    """Ends with a checksum of what comes before. Source: Bitcoin, ``Base58Check``."""
    number = 0
    for char in key:
        number = number * 58 + _BASE58.index(char)
    raw = number.to_bytes((number.bit_length() + 7) // 8)
    body, checksum = raw[:-4], raw[-4:]
    return score if sha256(sha256(body).digest()).digest()[:4] == checksum else 0.0


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def _told(sentence: str, score: float) -> float:
    """In a sentence only what nobody would take for a word or an id.

    A key that is only called a key may be a digest.
    """
    name, token = _TOLD.split(sentence, maxsplit=1)
    is_hex = _SECRET_KEY.search(name) is not None and _HEX.fullmatch(token) is not None
    return _strict(token, score) if is_hex or _is_mixed(token) else 0.0


_TOLD = re.compile(r"(?=\b[\w\-]+\Z)")
_SECRET_KEY = re.compile(r"(?i)(?:api|access|secret|auth|private)[ _\-]?(?:key|token)")
_HEX = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}")


def _login(password: str, score: float) -> float:
    """In code: what examples call a password is none."""
    return 0.0 if is_stand_in(password) else _configured(password, score)


def _phrase(words: str, score: float) -> float:
    """Words that were drawn: hardly one of them twice, and none that only joins others."""
    drawn = words.lower().split()
    is_prose = not _JOINING.isdisjoint(drawn) or len(set(drawn)) < len(drawn) - 1
    return 0.0 if is_prose else score


_JOINING = frozenset(
    ("the", "and", "for", "are", "was", "not", "has", "had", "its", "our", "from", "with", "your")
)
"""Words of English that are in no list of words for recovery phrases."""


def _pair(stated: str, score: float) -> float:
    """A password beside a user; neither prose about both nor the pair of an example."""
    user, password = _USER.search(stated), _LAST.search(stated)
    if user is None or password is None or user[1].lower() in _NO_USER:
        return 0.0
    value = password[1] or password[2]
    if _EXAMPLE.fullmatch(user[1]) and _EXAMPLE.fullmatch(value):
        return 0.0
    return _configured(value, score)


_USER = re.compile(
    r"""(?i)(?:^user_?(?:name)?["']?[ \t]{0,4}[:= \t]>?[ \t]{0,4}["']?|["'])([^\s"'<>,]+)"""
)
_LAST = re.compile(
    r"""(?i)(?:password|passwd|passphrase|pass|pwd)["']?[ \t]*[:= \t]>?[ \t]*["']?"""
    r"""([^\s"'<>,;)\]]+)\Z"""
    r"""|["']([^"'\s]+)["']\Z"""
)
_NO_USER = frozenset({"and", "or", "name", "names", "id", "the", "a", "your", "their", "und", "et"})
_EXAMPLE = re.compile(
    r"(?i)(?:my|your|the|some)[_-]?(?:db|database)?[_-]?(?:user(?:_?name)?|login|pass(?:word|wd|phrase)?)|"
    r"user_?name|pass(?:word|wd|phrase)"
)


def _form(_token: str, score: float) -> float:
    """The form alone says it."""
    return score


def _strict(token: str, score: float) -> float:
    """Long and without a pattern, with digits among letters; neither an id nor a name."""
    is_mixed = any(map(str.isdigit, token)) and any(map(str.isalpha, token))
    if not is_mixed or is_stand_in(token) or is_wordy(token) or _UUID.fullmatch(token):
        return 0.0
    if is_placeholder(token):
        return 0.0
    return score if entropy(token) >= _STRICT_BITS else score / 2


_STRICT_BITS = 3.2
_FEWEST_CHARS = 2


def _header(token: str, score: float) -> float:
    name, colon, password = decoded(token).partition(b":")
    if name and colon and password and (name + password).isascii():
        return password_certainty(password.decode(), score)
    if _UUID.fullmatch(token):
        return 0.8 * score
    return token_certainty(token, score)


def _named_header(header: str, score: float) -> float:
    """What a header holds whose name has a word for secrets, whatever else it says."""
    name, _, value = header.rstrip("\"'").partition(":")
    if _PUBLIC_HEADER.search(name):
        return 0.0
    value = value.strip()
    return max(_header(value, score), password_certainty(value, score))


_PUBLIC_HEADER = re.compile(
    r"(?i)idempotency|csrf|xsrf|cache|partition|public|content|author\b|continuation"
)


def _command(password: str, score: float) -> float:
    return password_certainty(password, score)


CHECKS: Mapping[str, Callable[[str, float], float]] = {
    "token": _token,
    "checksum": _checksum,
    "mixed": _if(_is_mixed),
    "mixed_upper": _if(_is_mixed_upper),
    "mixed_case": _if(_is_mixed_case),
    "mixed_or_hex": _if(_mixed_or_hex),
    "jwt": lambda token, score: score if _is_jwt(token) else 0.0,
    "key_block": _key_block,
    "url_password": _url_password,
    "header": _header,
    "named_header": _named_header,
    "command": _command,
    "configured": _configured,
    "form": _form,
    "strict": _strict,
    "wordless": _wordless,
    "runner": _runner,
    "entra": _entra,
    "padded": _padded,
    "base58": _base58,
    "told": _told,
    "pair": _pair,
    "login": _login,
    "phrase": _phrase,
    "with_digit": _if(lambda token: any(map(str.isdigit, token))),
}
"""By name: the score of a credential, given its text and how sure its form makes us."""

WHOLE = frozenset({"url_password", "pair", "named_header", "told"})
"""Checks that are given all that matched, not the credential alone."""

_UUID = re.compile(r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")

_LONG_TOKEN = 16
_TOKEN_BITS = 2.8
_SHORT_PASSWORD = 6


def password_certainty(value: str, score: float) -> float:
    """Score of what people choose as passwords: short, with a digit or a sign."""
    if is_stand_in(value):
        return 0.0
    has_letter = any(map(str.isalpha, value))
    has_other = any(not char.isalpha() and char not in "-_." for char in value)
    if has_letter and has_other and len(value) >= _SHORT_PASSWORD:
        return score
    return score / 2


def token_certainty(value: str, score: float) -> float:
    """Score of what machines choose: long, without a pattern."""
    if is_stand_in(value.rstrip("0123456789")) or is_placeholder(value) or says_words(value):
        return 0.0
    if _UUID.fullmatch(value):
        return score * 0.6
    is_random = entropy(value) >= _TOKEN_BITS and any(map(str.isdigit, value))
    if is_random and len(value) >= _LONG_TOKEN:
        return score
    return score / 2 if is_random else 0.0
