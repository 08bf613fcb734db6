"""What stands where a credential could: placeholders, examples, variables, code."""

import binascii
import math
import re
from collections import Counter

_PLACEHOLDER = re.compile(
    r"x{4}|X{4}|y{5}|Y{5}|z{5}|Z{5}|a{6}|A{6}|0{8}|1{8}|\*{3}|\.{3}|<[^<>]*>|\{[^{}]*\}|[{<]%|"
    r"\{\{|\}\}|(?i:example|your|placeholder|change_?(?:me|it)|redacted|insert|replace|_here|here\b|"
    r"1234567890|abcdefgh|dummy|todo|fake|sample)"
)
_REPEATED = re.compile(r"(.{1,3}?)\1{5,}|(.{4,16}?)\2{2,}|\b([0-9]{3,})(?:-\3\b)+")
_RUN_LENGTH = 6
_RUNS = re.compile(
    "|".join(
        row[at : at + _RUN_LENGTH]
        for alphabet in ("abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "0123456789012345")
        for row in {alphabet, alphabet.upper(), alphabet[::-1], alphabet[::-1].upper()}
        for at in range(len(row) - _RUN_LENGTH + 1)
    )
)
"""Neighbours in an alphabet, in the digits or on a keyboard: typed, never drawn."""
_NUMBERED = re.compile(r"(?<![A-Za-z0-9])[A-Z]?[0-9]{4,}(?=[\-:|/])")
"""Numbers before the secret part of a token: whose it is. People like to make these up."""
_SECRET_PART = 16
_LEAST_BITS = 2.6
"""Bits a code point, below which a token of twenty or more is a pattern that somebody typed."""


def entropy(text: str) -> float:
    """Bits a code point, by how often each occurs in the text itself."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def is_placeholder(token: str) -> bool:
    """Whether somebody typed the token to show its form: examples, fillers, patterns."""
    if _REPEATED.search(token) is not None:
        return True
    secret = _NUMBERED.sub("", token)
    token = secret if len(secret) >= _SECRET_PART else token
    is_filler = _PLACEHOLDER.search(token) is not None or _RUNS.search(token) is not None
    return is_filler or entropy(token) < _LEAST_BITS


def is_wordy(token: str) -> bool:
    """Whether much of a token are words, as in what somebody typed to name a thing."""
    return sum(len(row) for row in _ROW.findall(token)) > _MOST_WORDY * len(token)


_ROW = re.compile(r"[a-z]{5,}")
_MOST_WORDY = 0.4


# Not values but where they come from, or what stands in for them.
_INDIRECT = re.compile(
    r"(?i)^(?:\$(?:[a-z_]\w*(?:$|[\[.\-/:(])|\()|%[a-z_]*%?$|[&@*][a-z_.]+(?:$|[(;])|"
    r"[/~.]*/[\w.\-]+/|"
    r"!(?:ref|sub|getatt|vault|env|env_var|secret|join|select|importvalue|reference|base64)\b)|[$#%]\{|"
    r"\{\{|%\(|environ|getenv|env\.|env\[|secrets?[.\[]|vault:|"
    r"^(?:data|file|https?|arn|sha\d+|md5|urn|ref|env|ssm|kms|base|self|this|uuid|process|config|"
    r"props?|options?|settings?|args|params?|request|req|user|data|ctx|var|local|vars)[.:\[\-]|"
    r"\.(?:pem|key|txt|json|ya?ml|crt|cert?|p12|jks|keystore|env|com|org|net|io)$|"
    r"^[a-z]+\|[a-z]+|\w(?:::|=>|->|&&|\|\|)[a-z_]"
)
_STAND_IN = re.compile(
    r"(?i)^[\W_]*(?:(?:your|my|the|a|some|new|old|user|db|root|admin|test|api|app|secret|super|top|"
    r"our|any|access|auth|client|this|is|in|here|real|actual|plain|text|enter|type|service|default|"
    r"name|bot|private|public|key|token|id|value|val|pass|password|passwd|pwd|passphrase|passcode|"
    r"username|login|none|null|nil|undefined|true|false|string|str|int|bool|required|optional|hidden|"
    r"empty|unset|disabled|enabled|invalid|incorrect|wrong|valid|missing|example|sample|foo|bar|baz|"
    r"mysecret|geheim|passwort|credentials?|email|env|prod|dev|staging|var|input|field|object|any|"
    r"varchar|char|x|to|for|not|no|yes|and|or|of|by|with)[\W_]{0,3})+$"
)
_IDENTIFIER = re.compile(r"[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*\(?\)?")


def is_indirect(value: str) -> bool:
    """Whether a value says where the real one comes from, or that it is an example."""
    return _INDIRECT.search(value) is not None or _PLACEHOLDER.search(value) is not None


def is_stand_in(value: str) -> bool:
    """Whether a value is indirect, or consists of words for such values."""
    return (
        is_indirect(value) or _STAND_IN.search(value) is not None or len(set(value)) <= 3  # noqa: PLR2004  # "aaaa", "-----", "1212"
    )


def decoded(base64: str) -> bytes:
    """What base64 of either alphabet says; nothing where it is none."""
    try:
        return binascii.a2b_base64(base64.replace("-", "+").replace("_", "/") + "===")
    except binascii.Error:
        return b""


def says_words(value: str) -> bool:
    """Whether it is base64 of words: ``dGVzdC1hcGkta2V5``."""
    if len(value) % 4 or not _BASE64.fullmatch(value):
        return False
    said = decoded(value)
    return _WORDS.fullmatch(said) is not None


_BASE64 = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}")
_WORDS = re.compile(rb"(?:[A-Za-z]{2,}|[aI])(?:[ _.,:;!?\-]+(?:[A-Za-z]{2,}|[aI])){1,}[.!?\n]?")


def is_code(value: str) -> bool:
    """Whether an unquoted value reads as a name or a call in source text."""
    return _IDENTIFIER.fullmatch(value) is not None and not any(map(str.isdigit, value))
