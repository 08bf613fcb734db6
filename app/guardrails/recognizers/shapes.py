"""The shapes that personal data has, each a bounded RE2 pattern over ASCII classes.

Recognizers look only inside leftmost-longest matches of these, so a shape must cover every pattern
of the recognizers that are bound to it, and none may reach from one match into the next. The
patterns are also read by ``regex``, so they use only what both engines read alike.
"""

import re
from dataclasses import dataclass

from app.guardrails.recognizers import addresses, eastern
from app.guardrails.recognizers.labelled import LABELLED

LATIN = "\u00c0-\u024f"
"""Letters with accents, for names in addresses such as ``josé@example.com``."""
_LOCAL = f"0-9A-Za-z{LATIN}_"
_LOCAL_INNER = f"{_LOCAL}.+%&'~-"
_LABEL = f"[0-9A-Za-z{LATIN}](?:[0-9A-Za-z{LATIN}-]{{0,61}}[0-9A-Za-z{LATIN}])?"
_TOP = r"(?:xn--[0-9A-Za-z-]{2,40}|[A-Za-z]{2,24})\b"


def mail(labels: str) -> str:
    """An e-mail address whose domain has so many labels before the last, as in ``{1,5}``."""
    return rf"[{_LOCAL}](?:[{_LOCAL_INNER}]{{0,62}}[{_LOCAL}+-])?@(?:{_LABEL}\.){labels}{_TOP}"


NOT_AFTER_AT = f"(?<!@[{_LOCAL_INNER}]{{0,128}})"
"""In ``a@b.com@c.org`` the end of the first address begins no second one."""

LEAST_DIGITS, _MOST_DIGITS = 7, 128
_SPACE = "[ \u00a0\u202f]"
_MARK = "[()/\u2010-\u2013-]"
SEPARATOR = rf"(?:{_SPACE}?{_MARK}{{1,2}}{_SPACE}?|{_SPACE}|\.)?"
"""What may stand between the digits of one number; two spaces may not."""
NUMBER = (
    rf"(?:\b|[+(]{{1,2}} ?)[0-9](?:{SEPARATOR}[0-9]){{{LEAST_DIGITS - 1},{_MOST_DIGITS - 1}}}"
    r"(?: ?(?:x|#|ext\.? ?)[0-9]{1,6})?\b"
)
"""Digits with separators: one number, or several that nothing else parts."""
UNDIVIDED = r"\b[0-9]{7,19}\b"
"""What is still read of numbers that follow one another beyond the most digits of a match."""

_HEX = "[0-9A-Fa-f]"
IP_V4 = r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3,7}(?:/[0-9]{1,2})?\b"
IP_V6 = (
    rf"(?:(?:\b{_HEX}{{1,4}}(?::{_HEX}{{0,4}}){{1,7}}|:(?::{_HEX}{{0,4}}){{0,7}})"
    rf":{_HEX}{{1,4}}(?:(?:\.[0-9]{{1,3}}){{3}})?"
    rf"|\b{_HEX}{{1,4}}(?::{_HEX}{{1,4}}){{0,6}}::)"
    r"(?:%[0-9A-Za-z]{1,16}\b)?(?:/[0-9]{1,3}\b)?"
)
_PAIR, _FOUR = f"{_HEX}{{2}}", f"{_HEX}{{4}}"
MAC = rf"\b(?:{_PAIR}(?:[:-]{_PAIR}){{5,63}}|{_FOUR}(?:\.{_FOUR}){{2,31}})\b"
"""Bytes in pairs or fours. More than six are no address, so they must be seen to the end."""

_IBAN_LETTERS = {
    11: "NO",
    12: "BE",
    14: "DK|FI|FO|GL|NL",
    15: "MK|SI",
    16: "AT|BA|EE|KZ|LT|LU|XK",
    17: "CH|CR|HR|LI|LV",
    18: "BG|BH|DE|GB|GE|IE|ME|RS|VA",
    19: "AE|GI|IL|IQ|TL",
    20: "AD|CZ|ES|MD|PK|RO|SA|SE|SK|TN|VG",
    21: "LY|PT",
    22: "IS|TR",
    23: "FR|GR|IT|MC|MR|SM",
    24: "AL|AZ|BY|CY|DO|GT|HU|LB|PL|SV",
    25: "BR|EG|PS|QA|UA",
    26: "JO|KW|MU",
    27: "MT|SC",
    28: "LC",
}
"""Countries by how many letters and digits follow the two check digits (SWIFT IBAN registry)."""
IBAN = (
    r"(?i:\b(?:"
    + "|".join(
        rf"(?:{countries})[0-9]{{2}}(?:[ -]?[0-9A-Z]){{{length}}}"
        for length, countries in _IBAN_LETTERS.items()
    )
    + r")\b)"
)

_OMOCODE = "[0-9L-NP-Vl-np-v]"
FISCAL_CODE = rf"[A-Za-z]{{6}}{_OMOCODE}{{2}}[A-Za-z]{_OMOCODE}{{2}}[A-Za-z]{_OMOCODE}{{3}}[A-Za-z]"
_NINO = "[A-Za-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-Da-d]"
NIR = "[12] ?[0-9]{2} ?(?:0[1-9]|[1-9][0-9]) ?(?:[0-9]{2}|2[ABab]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}"
"""Sex, year and month of birth, place, order and key of a French social security number."""
DE_DOCUMENT = "[CFGHJ-NPRTV-Z][0-9CFGHJ-NPRTV-Z]{8}"
"""German documents use no letter that could be read as a vowel or a digit: hardly a word fits."""
BITCOIN = "bc1[02-9ac-hj-np-z]{11,71}"
BITCOIN_OLD = "[13][1-9A-HJ-NP-Za-km-z]{25,34}"
ETHEREUM = "0x[0-9A-Fa-f]{40}"
VIN = "[0-9A-HJ-NPR-Z]{17}"
CURP = "[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]"
_TOKENS = (
    "[A-Za-z]{1,3}[0-9]{6,14}[A-Za-z]?",
    "[A-Za-z][0-9]{7}-[A-Za-z]",
    "[0-9]{7,9}-?[A-Za-z]",
    VIN,
    CURP,
    "[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]",
    "[RST][0-9]{2}[A-Z]{2}[0-9]{4}[A-Z]",
    r"[0-9]{1,2}(?:\.[0-9]{3}){2}-[0-9Kk]",
    "[A-Z]{2}[0-9]{2} ?[A-Z]{1,3} ?[0-9]{4}",
    "[A-Z]{2}[0-9]{2} ?[A-Z]{3}",
    "[A-Z]{3}-[0-9]{3}[A-Z]{2}",
    addresses.POSTCODE,
    "[A-Za-z]{5}[0-9]{4}[A-Za-z]",
    "[0-9]{6}[+A-FU-Ya-fu-y-][0-9]{3}[0-9A-Za-z]",
    "[0-9]{6,8}[+-][0-9]{4}",
    "[0-9]{8}[A-Za-z][0-9]{3}",
    "[0-9]{17}[Xx]",
    "[A-Za-z][0-9]{3}-[0-9]{4}-[0-9]{4}",
    "[A-Za-z][0-9]{3}[A-Za-z][0-9]{4}",
    "[0-9][A-Za-z][0-9A-Za-z][0-9]-?[A-Za-z][0-9A-Za-z][0-9]-?[A-Za-z]{2}[0-9]{2}",
    "[A-Za-z9]{5}[0-9]{6}[A-Za-z9]{2}[0-9A-Za-z][A-Za-z]{2}",
    DE_DOCUMENT,
    BITCOIN,
    BITCOIN_OLD,
    ETHEREUM,
    NIR,
    FISCAL_CODE,
    _NINO,
)
HK_ID = r"[A-Za-z]{1,2}[0-9]{6} ?\([0-9Aa]\)"
TOKEN = rf"\b(?:(?:{'|'.join(_TOKENS)})\b|{HK_ID})"
"""Letters and digits run together, as in licences, passports and tax numbers."""

_MONTH = (
    "[Jj]an(?:uary|uar|vier)?|[Ff]eb(?:ruary|ruar)?|[Ff]évr(?:ier)?|[Mm]ar(?:ch|s|zo)?|[Mm]ärz"
    "|[Aa]pr(?:il|ile)?|[Aa]vril|[Mm]ay|[Mm]ai|[Jj]une?|[Jj]uni|[Jj]uin|[Jj]uly?|[Jj]uli"
    "|[Jj]uillet|[Aa]ug(?:ust)?|[Aa]oût|[Ss]ep(?:t|tember|tembre)?"
    "|[Oo]ct(?:ober|obre)?|[Oo]kt(?:ober)?|[Nn]ov(?:ember|embre)?|[Dd]ec(?:ember)?|[Dd]ez(?:ember)?|[Dd]éc(?:embre)?"
    "|[Ee]nero|[Ff]ebrero|[Aa]bril|[Mm]ayo|[Jj]unio|[Jj]ulio|[Aa]gosto|[Ss]eptiembre|[Oo]ctubre"
    "|[Nn]oviembre|[Dd]iciembre|[Gg]ennaio|[Ff]ebbraio|[Aa]prile|[Mm]aggio|[Gg]iugno|[Ll]uglio"
    "|[Ss]ettembre|[Oo]ttobre|[Dd]icembre|[Jj]aneiro|[Ff]evereiro|[Mm]arço|[Mm]aio|[Jj]unho|[Jj]ulho"
    "|[Ss]etembro|[Oo]utubro|[Nn]ovembro|[Dd]ezembro|[Jj]anuari|[Ff]ebruari|[Mm]aart|[Mm]ei"
    "|[Aa]ugustus|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
)
_CLOCK = r"T[0-2][0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?(?:Z|[+-][0-2][0-9]:?[0-5][0-9])?"
_ENDING = r"(?:st|nd|rd|th|\.)?"
DATE = (
    r"(?:\b(?:[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2})"
    rf"|[0-9]{{4}}[-/.][0-9]{{1,2}}[-/.][0-9]{{1,2}}(?:{_CLOCK})?"
    rf"|[0-9]{{1,2}}{_ENDING}[ /-](?:(?:of|de) )?(?:{_MONTH})"
    r"\.?,?[ /-](?:(?:de|del) )?[0-9]{2,4}"
    rf"|(?:{_MONTH})\.? [0-9]{{1,2}}{_ENDING},? [0-9]{{4}})\b"
    r"|(?:19|20)[0-9]{2} ?[年년] ?[0-9]{1,2} ?[月월] ?[0-9]{1,2} ?[日일号號]"
    "|(?:明治|大正|昭和|平成|令和|民國|民国) ?(?:[0-9]{1,3}|元) ?年"
    " ?[0-9]{1,2} ?月 ?[0-9]{1,2} ?日)"
)
_URL_SIGN = "0-9A-Za-z_.~/?#@!$&*+,;=%-"
NOT_IN_URL = f"(?<![{_URL_SIGN}])"
NOT_IN_DATE = "(?<![-/.])"
URL = rf"\b(?:[Hh][Tt][Tt][Pp][Ss]?://|[Ww][Ww][Ww]\.)[{_URL_SIGN}:]{{3,400}}"


@dataclass(frozen=True, slots=True)
class Shape:
    """A pattern, and how its matches depend on what stands before them."""

    name: str
    pattern: str
    goes_on: re.Pattern[str] | None = None
    """Where this stands before a match (before the first digit of a number), the match only goes on
    with an earlier one. Where such a match falls depends on where the earlier one began, which a
    window of a stream may not show: of it only undivided runs of digits count."""
    lookback: int = 100
    """How many code points before a match ``goes_on`` reads."""


_MAIL_BEFORE = re.compile(f"@[{_LOCAL_INNER}]{{0,64}}\\Z")
_NUMBER_BEFORE = re.compile(rf"(?<![\w#])(?<!ext[. ])(?<!ext\. )\d+{SEPARATOR}\Z", re.ASCII)
"""Digits that would have begun or joined a match, but for those of an extension."""
_MAC_BEFORE = re.compile(rf"(?:(?:{_PAIR}[:-]){{20}}|(?:{_FOUR}\.){{16}})\Z")
SHAPES = (
    Shape("mail", mail("{1,5}"), _MAIL_BEFORE),
    Shape("number", NUMBER, _NUMBER_BEFORE),
    Shape("undivided", UNDIVIDED),
    Shape("ip_v4", IP_V4),
    Shape("ip_v6", IP_V6),
    Shape("mac", MAC, _MAC_BEFORE),
    Shape("iban", IBAN),
    Shape("token", TOKEN),
    Shape("date", DATE),
    Shape("url", URL),
    Shape("street", addresses.STREET, addresses.GOES_ON, addresses.LONGEST),
    Shape("last line", addresses.LAST_LINE),
    Shape("eastern street", eastern.STREET, eastern.GOES_ON, eastern.LONGEST),
    *(Shape(f"labelled {place}", kind.pattern) for place, kind in enumerate(LABELLED)),
)
LEFT_CONTEXT = 2000
"""Code points before a finding that may influence it: the words that name it, the rest of the
match that it lies in, a match before that which may overlap it, and what ``goes_on`` reads."""
