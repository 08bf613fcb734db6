"""How certain it is that a text is a credential, and not a placeholder, a name or code."""

import binascii
import math
import zlib
from collections import Counter
from collections.abc import Callable, Mapping

import re2

# RE2 alone: what is read here is anybody's, and a backtracking engine could be made to hang by it.

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_PLACEHOLDER = re2.compile(
    r"x{4}|X{4}|y{5}|Y{5}|z{5}|Z{5}|a{6}|A{6}|0{8}|1{8}|\*{3}|\.{3}|[<>{}]|(?i:example|your|"
    r"placeholder|change_?me|redacted|insert|replace|_here|here\b|1234567890|abcdefgh|dummy|todo)"
)
_LEAST_BITS = 2.6
"""Bits a code point, below which a token of twenty or more is a pattern that somebody typed."""

_SHORTEST_KEY = 40


def entropy(text: str) -> float:
    """Bits a code point, by how often each occurs in the text itself."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


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


def is_placeholder(token: str) -> bool:
    """Whether somebody typed the token to show its form: examples, fillers, patterns."""
    return _PLACEHOLDER.search(token) is not None or entropy(token) < _LEAST_BITS


def _holds(*classes: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda token: all(any(map(of_class, token)) for of_class in classes)


_is_mixed = _holds(str.isupper, str.islower, str.isdigit)
_is_mixed_upper = _holds(str.isupper, str.isdigit)
_is_mixed_case = _holds(str.isupper, str.islower)


def _decoded(base64: str) -> bytes:
    try:
        return binascii.a2b_base64(base64.replace("-", "+").replace("_", "/") + "===")
    except binascii.Error:
        return b""


def _token(token: str, score: float) -> float:
    return 0.0 if is_placeholder(token) else score


def _checksum(token: str, score: float) -> float:
    """Surer where the checksum fits; not required, for old tokens have none."""
    return 0.99 if has_checksum(token) else _token(token, score)


def _if(holds: Callable[[str], bool]) -> Callable[[str, float], float]:
    return lambda token, score: _token(token, score) if holds(token) else 0.0


def _mixed_or_hex(token: str) -> bool:
    body = token.rpartition("-")[2]
    return _is_mixed(body) or re2.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{64}", body) is not None


def _is_jwt(token: str) -> bool:
    """The first part is a JSON object that names an algorithm, a type or a key."""
    return re2.search(rb'"(?:alg|typ|enc|kid)"', _decoded(token.split(".", 1)[0])) is not None


def _key_block(block: str, score: float) -> float:
    """A body follows. The first line alone is often quoted in prose."""
    body = re2.sub(r"-----[^-]+-----|Private-[A-Za-z]+:|[^A-Za-z0-9+/]", "", block)
    return score if len(body) >= _SHORTEST_KEY else 0.0


def _url_password(address: str, score: float) -> float:
    """As any password, but that a word in this place is meant as one too, except in an example.

    ``postgres://user:password@localhost`` is in every manual.
    """
    password = address.partition("://")[2].partition(":")[2].rpartition("@")[0]
    if not is_stand_in(password):
        return max(password_certainty(password, score), 0.6 * score)
    is_example = _EXAMPLE_HOST.search(address) is not None
    return 0.0 if is_example else _configured(password, 0.6 * score)


_EXAMPLE_HOST = re2.compile(
    r"(?i)@(?:localhost|127(?:\.\d+){3}|0\.0\.0\.0|host|hostname|server|db|database|postgres|mysql|mongo|redis|"
    r"[\w.\-]*example|domain|your|my|site|test|proxy|url)(?:[_.\-][\w.\-]*)?\z"
)


def _configured(value: str, score: float) -> float:
    """Score of a value that stands where settings have a password: any word will do as one."""
    if _INDIRECT.search(value) or _PLACEHOLDER.search(value) or _NO_VALUE.fullmatch(value):
        return 0.0
    if _UNLIKELY.fullmatch(value):
        return 0.0
    return score if len(set(value)) > _FEWEST_CHARS else 0.0


_NO_VALUE = re2.compile(
    r"(?i)[\W_]*(?:none|null|nil|undefined|true|false|string|str|int|bool|boolean|required|optional|"
    r"hidden|empty|unset|disabled|enabled|yes|no|prompt|ask|env|varchar|text|char|input|field|object|"
    r"any|name|username|value|default|invalid|incorrect|wrong|expired|policy|reset|hash|hashed|"
    r"encrypted|here|and|for|with|from|the|is|are|was|has|must|should|will|not|or|to|in|of)[\W_]*"
)
_UNLIKELY = re2.compile(r"[0-9a-fA-F]{1,4}|[\W_]+|.*[({\[].*")


def _wordless(token: str, score: float) -> float:
    return 0.0 if is_wordy(token) else _token(token, score)


def is_wordy(token: str) -> bool:
    """Whether much of a token are words, as in what somebody typed to try out a form."""
    return sum(len(row) for row in _ROW.findall(token)) > _MOST_WORDY * len(token)


_ROW = re2.compile(r"[a-z]{5,}")
_MOST_WORDY = 0.4


def _form(_token: str, score: float) -> float:
    """The form alone says it."""
    return score


def _strict(token: str, score: float) -> float:
    """Long and without a pattern, with digits among letters; neither an id nor a name."""
    is_mixed = any(map(str.isdigit, token)) and any(map(str.isalpha, token))
    if not is_mixed or is_stand_in(token) or is_wordy(token) or _UUID.fullmatch(token):
        return 0.0
    return score if entropy(token) >= _STRICT_BITS else score / 2


_STRICT_BITS = 3.2
_FEWEST_CHARS = 2


def _header(token: str, score: float) -> float:
    name, colon, password = _decoded(token).partition(b":")
    if name and colon and password and (name + password).isascii():
        return password_certainty(password.decode(), score)
    if _UUID.fullmatch(token):
        return 0.8 * score
    return token_certainty(token, score)


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
    "command": _command,
    "configured": _configured,
    "form": _form,
    "strict": _strict,
    "wordless": _wordless,
    "with_digit": _if(lambda token: any(map(str.isdigit, token))),
}
"""By name: the score of a credential, given its text and how sure its form makes us."""

WHOLE = frozenset({"url_password"})
"""Checks that are given all that matched, not the credential alone."""

# Not values but where they come from, or what stands in for them.
_INDIRECT = re2.compile(
    r"(?i)^(?:\$[a-z_(]|%[a-z_]*%?$|%[a-z]\b|&[a-z]+|@[a-z]+|![a-z]+\b|[/~.]*/[\w.\-]+/)|[$#%]\{|"
    r"\{\{|%\(|environ|getenv|env\.|env\[|secrets?[.\[]|vault:|"
    r"^(?:data|file|https?|arn|sha\d+|md5|urn|ref|env|ssm|kms|base|self|this|uuid|process|config|"
    r"props?|options?|settings?|args|params?|request|req|user|data|ctx|var|local|vars)[.:\[\-]|"
    r"\.(?:pem|key|txt|json|ya?ml|crt|cert?|p12|jks|keystore|env|com|org|net|io)$|::|=>|->|&&|\|\|"
)
_STAND_IN = re2.compile(
    r"(?i)^[\W_]*(?:(?:your|my|the|a|some|new|old|user|db|root|admin|test|api|app|secret|super|top|"
    r"our|any|access|auth|client|this|is|in|here|real|actual|plain|text|enter|type|service|default|"
    r"name|bot|private|public|key|token|id|value|val|pass|password|passwd|pwd|passphrase|passcode|"
    r"username|login|none|null|nil|undefined|true|false|string|str|int|bool|required|optional|hidden|"
    r"empty|unset|disabled|enabled|invalid|incorrect|wrong|valid|missing|example|sample|foo|bar|baz|"
    r"mysecret|geheim|passwort|credentials?|email|env|prod|dev|staging|var|input|field|object|any|"
    r"varchar|char|x|to|for|not|no|yes|and|or|of|by|with)[\W_]{0,3})+$"
)
_IDENTIFIER = re2.compile(r"[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*\(?\)?")
_UUID = re2.compile(r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")

_LONG_TOKEN = 16
_TOKEN_BITS = 2.8
_SHORT_PASSWORD = 6


def is_stand_in(value: str) -> bool:
    """Whether a value only says where the real one comes from, or stands in for it."""
    return (
        _INDIRECT.search(value) is not None
        or _STAND_IN.search(value) is not None
        or _PLACEHOLDER.search(value) is not None
        or len(set(value)) <= 3  # noqa: PLR2004  # "aaaa", "-----", "1212"
    )


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
    if is_stand_in(value) or entropy(value) < _LEAST_BITS:
        return 0.0
    if _UUID.fullmatch(value):
        return score * 0.6
    is_random = entropy(value) >= _TOKEN_BITS and any(map(str.isdigit, value))
    if is_random and len(value) >= _LONG_TOKEN:
        return score
    return score / 2 if is_random else 0.0


def is_code(value: str) -> bool:
    """Whether an unquoted value reads as a name or a call in source text."""
    return _IDENTIFIER.fullmatch(value) is not None and not any(map(str.isdigit, value))
