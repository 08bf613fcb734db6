"""Invented values in the place of real ones: of the same kind and grammar, and nobody's.

Each is out of reach of real people by rule, not by chance: names under ``example`` domains, numbers
reserved for fiction, addresses reserved for documentation, check digits that do not fit. Only names
of people, places and firms are made up. Where a value's form is not known there is no surrogate.
"""

import hmac
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

from app.guardrails import invented
from app.guardrails.recognizers.checks import br_cpf, cn_id, fr_nir, luhn, sg_nric

_ATTEMPTS = 40
_CAPITALS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_DIGIT = re.compile(r"[0-9]")


class Draw:
    """Numbers that look random and are the same for the same key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._count = 0

    def below(self, bound: int) -> int:
        """A number from 0 on, below the bound."""
        self._count += 1
        digest = hmac.digest(self._key, self._count.to_bytes(4, "big"), "sha256")
        return int.from_bytes(digest[:16], "big") % bound

    def pick(self, options: Sequence[str]) -> str:
        """One of these."""
        return options[self.below(len(options))]

    def word(self, words: str) -> str:
        """One of the words of a text."""
        return self.pick(words.split())

    def digits(self, count: int) -> str:
        """So many decimal digits."""
        return str(self.below(10**count)).zfill(count)


Maker = Callable[[str, Draw], str | None]
"""Makes a surrogate of a value; none where its form is not one that the maker knows."""


def _mail(value: str, draw: Draw) -> str:
    # RFC 2606: these domains belong to nobody.
    name = f"{draw.word(invented.FIRST)}.{_family(draw)}{draw.digits(3)}".lower()
    end = value.rpartition(".")[2].lower()
    return f"{name}@example.{end if end in {'com', 'net', 'org'} else 'com'}"


def _family(draw: Draw) -> str:
    return draw.word(invented.FAMILY) + draw.word(invented.FAMILY_ENDS)


def _is_han(value: str) -> bool:
    return any("\u2e80" <= sign <= "\u9fff" or sign >= "\U00020000" for sign in value)


def _is_latin(value: str) -> bool:
    letters = [sign for sign in value if sign.isalpha()]
    return bool(letters) and all(unicodedata.name(one, "").startswith("LATIN") for one in letters)


def _named(latin: Callable[[str, Draw], str], han: Callable[[Draw], str]) -> Maker:
    def make(value: str, draw: Draw) -> str | None:
        if _is_han(value):
            return han(draw)
        if not _is_latin(value):
            return None
        name = latin(value, draw)
        return name.upper() if value.isupper() else name

    return make


def _person(value: str, draw: Draw) -> str:
    first = draw.word(invented.FIRST)
    return first if len(value.split()) == 1 else f"{first} {_family(draw)}"


def _person_han(draw: Draw) -> str:
    return draw.pick(invented.SURNAMES_HAN) + "".join(draw.pick(invented.GIVEN_HAN) for _ in "12")


def _town(draw: Draw) -> str:
    return draw.word(invented.PLACE) + draw.word(invented.PLACE_ENDS)


def _town_han(draw: Draw) -> str:
    return "".join(draw.pick(invented.PLACE_HAN) for _ in "12") + draw.pick(invented.PLACE_ENDS_HAN)


def _street(_value: str, draw: Draw) -> str:
    number, street = 101 + draw.below(899), draw.word(invented.STREETS)
    return f"{number} {draw.word(invented.FAMILY)}{draw.word(invented.PLACE_ENDS)} {street}"


def _street_han(draw: Draw) -> str:
    return f"{_town_han(draw)}路{101 + draw.below(899)}号"


_AREAS = "202 206 212 303 305 312 404 415 503 512 602 617 702 713 718 773 801 818 907 916"
_PHONES: Mapping[str, Sequence[str]] = {
    "1": [f"{area}55501xx" for area in _AREAS.split()],
    "44": ["7700900xxx", "2079460xxx", "1134960xxx", "1614960xxx", "1632960xxx"],
    "49": ["3023125xxx", "6990009xxx", "4066969xxx", "8999998xxx"],
    "33": ["19900xxxx", "26191xxxx", "35301xxxx", "46571xxxx", "53649xxxx", "63998xxxx"],
}
"""By country code, numbers that are set aside for fiction: the plans of North America, and what
Ofcom, the Bundesnetzagentur and ARCEP list."""
_NO_COUNTRY = "999"
"""A country code that the ITU has given to nobody."""
_GROUPS = re.compile(r"[0-9]+")


def _phone(value: str, draw: Draw) -> str | None:
    digits = "".join(_DIGIT.findall(value))
    gap = next((sign for sign in value.lstrip("+(0 ") if sign in "-. "), "")
    if not value.lstrip().startswith("+"):
        if re.fullmatch(r"1?[2-9][0-9]{9}", digits):
            area, middle, last = _split(_drawn(draw.pick(_PHONES["1"]), draw), 3, 3)
            return f"({area}) {middle}-{last}" if "(" in value else gap.join((area, middle, last))
        if re.fullmatch(r"07[0-9]{9}", digits):
            return gap.join(_split("0" + _drawn("7700900xxx", draw), 5))
    country = next((code for code in _PHONES if digits.startswith(code)), _NO_COUNTRY)
    number = _drawn(draw.pick(_PHONES.get(country, ["xxxxxxxxxx"])), draw)
    return gap.join((f"+{country}", *_split(number, 3, 3)))


def _drawn(form: str, draw: Draw) -> str:
    return "".join(draw.digits(1) if sign == "x" else sign for sign in form)


def _split(text: str, *lengths: int) -> list[str]:
    parts = []
    for length in lengths:
        parts.append(text[:length])
        text = text[length:]
    return [*parts, text]


def _alike(value: str, draw: Draw) -> str:
    """The same form with other letters and digits."""
    signs = []
    for sign in value:
        if _DIGIT.fullmatch(sign):
            signs.append(draw.digits(1))
        elif sign.isascii() and sign.isalpha():
            letter = draw.pick(_CAPITALS)
            signs.append(letter if sign.isupper() else letter.lower())
        else:
            signs.append(sign)
    return "".join(signs)


def _failing(fits: Callable[[str], bool | None], keeps: int = 0) -> Maker:
    """Values of the same form whose check digits do not fit; the first signs may be kept."""

    def make(value: str, draw: Draw) -> str | None:
        for _ in range(_ATTEMPTS):
            made = value[:keeps] + _alike(value[keeps:], draw)
            if fits(made) is False:
                return made
        return None

    return make


def _beginning(prefix: str) -> Maker:
    """Values of the same form that begin as none that was ever issued."""

    def make(value: str, draw: Draw) -> str:
        signs, rest = list(_alike(value, draw)), iter(prefix)
        for at, sign in enumerate(signs):
            if sign.isalnum() and (fixed := next(rest, "")):
                signs[at] = fixed
        return "".join(signs)

    return make


def _iban(value: str, draw: Draw) -> str:
    # 98 minus a remainder of 97 is never 0: no account has these check digits (ISO 13616).
    return value[:2] + "00" + _alike(value[4:], draw)


def _itin(value: str, draw: Draw) -> str:
    # The fourth and fifth digit are from 50 on (IRS).
    return _with_digit(_beginning("9")(value, draw) or value, 3, "0")


def _with_digit(text: str, place: int, digit: str) -> str:
    at = [match.start() for match in _DIGIT.finditer(text)][place]
    return text[:at] + digit + text[at + 1 :]


def _nhs(value: str) -> bool:
    """Whether the check digit of an NHS number fits (modulo 11, weights from 10 down to 2)."""
    *digits, last = map(int, _DIGIT.findall(value))
    total = sum(digit * (10 - place) for place, digit in enumerate(digits))
    return (11 - total % 11) % 11 == last


def _ip(value: str, draw: Draw) -> str:
    if ":" in value:  # RFC 3849
        return f"2001:db8:{draw.below(65536):x}:{draw.below(65536):x}::{1 + draw.below(65535):x}"
    net = draw.pick(["192.0.2", "198.51.100", "203.0.113"])  # RFC 5737
    return f"{net}.{1 + draw.below(254)}"


def _mac(value: str, draw: Draw) -> str | None:
    made = f"00005e0053{draw.below(256):02x}"  # RFC 7042
    if value.isupper() or not any(map(str.isalpha, value)):
        made = made.upper()
    groups = [len(group) for group in re.findall("[0-9A-Fa-f]+", value)]
    gap = next((sign for sign in value if not sign.isalnum()), "")
    return gap.join(_split(made, *groups[:-1])) if sum(groups) == len(made) else None


_MONTHS = "January February March April May June July August September October November December"
_DATES: Mapping[str, Callable[[date], str]] = {
    r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)": lambda day: day.isoformat(),
    r"(?P<y>\d{4})/(?P<m>\d\d)/(?P<d>\d\d)": lambda day: f"{day:%Y/%m/%d}",
    r"(?P<d>\d\d)\.(?P<m>\d\d)\.(?P<y>\d{4})": lambda day: f"{day:%d.%m.%Y}",
    r"(?P<d>\d{1,2}) (?P<n>[A-Z][a-z]+) (?P<y>\d{4})": lambda day: (
        f"{day.day} {_month(day)} {day.year}"
    ),
    r"(?P<n>[A-Z][a-z]+) (?P<d>\d{1,2}), (?P<y>\d{4})": lambda day: (
        f"{_month(day)} {day.day}, {day.year}"
    ),
    r"(?P<y>\d{4})年(?P<m>\d{1,2})月(?P<d>\d{1,2})日": lambda day: (
        f"{day.year}年{day.month}月{day.day}日"
    ),
}
"""Forms in which day and month cannot be taken for one another, and how they are written."""
_LEAST_SHIFT, _SHIFTS = 20, 160


def _month(day: date) -> str:
    return _MONTHS.split()[day.month - 1]


def _shifted(day: date, draw: Draw) -> date:
    """Some weeks or months earlier or later."""
    shift = _LEAST_SHIFT + draw.below(_SHIFTS)
    return day + timedelta(days=shift if draw.below(2) else -shift)


def _date(value: str, draw: Draw) -> str | None:
    for form, written in _DATES.items():
        if found := re.fullmatch(form, value, re.ASCII):
            named = found.groupdict()
            try:
                month = int(named["m"]) if "m" in named else 1 + _MONTHS.split().index(named["n"])
                day = date(int(named["y"]), month, int(named["d"]))
            except ValueError:
                return None
            return written(_shifted(day, draw))
    return None


def _cn_id(value: str, draw: Draw) -> str:
    """Region and date of birth as numbers have them, and a check digit that does not fit."""
    born = _shifted(date(int(value[6:10]), int(value[10:12]), int(value[12:14])), draw)
    body = f"{draw.word('11 31 44 51')}{draw.digits(4)}{born:%Y%m%d}{draw.digits(3)}"
    return next(body + last for last in "0123456789" if cn_id(body + last) is False)


_MAKERS: Mapping[str, Maker] = {
    "PERSON": _named(_person, _person_han),
    "LOCATION": _named(lambda _value, draw: _town(draw), _town_han),
    "ADDRESS": _named(_street, _street_han),
    "ORGANIZATION": _named(
        lambda _value, draw: f"{_town(draw)} {draw.word(invented.FIRMS)}",
        lambda draw: f"{_town_han(draw)}商行",
    ),
    "EMAIL_ADDRESS": _mail,
    "PHONE_NUMBER": _phone,
    "DATE_OF_BIRTH": _date,
    "DATE_TIME": _date,
    "IP_ADDRESS": _ip,
    "MAC_ADDRESS": _mac,
    "CREDIT_CARD": _failing(luhn, keeps=1),
    "CN_BANK_CARD": _failing(luhn, keeps=2),
    "IBAN_CODE": _iban,
    "CN_ID": _cn_id,
    "US_SSN": _beginning("666"),  # no area of the social security administration
    "US_ITIN": _itin,
    "UK_NHS": _failing(_nhs),
    "UK_NINO": _beginning("QQ"),  # HMRC's own example
    "CA_SIN": _beginning("0"),  # a first digit for no person
    "IN_AADHAAR": _beginning("0"),  # the first digit is from 2 on
    "DE_TAX_ID": _beginning("0"),  # the first digit is never 0
    "SG_NRIC_FIN": _failing(sg_nric, keeps=1),
    "FR_NIR": _failing(fr_nir, keeps=1),
    "BR_CPF": _failing(br_cpf),
}

SURROGATES = frozenset(_MAKERS)
"""Kinds of values for which there are surrogates."""


def surrogate(category: str, value: str, draw: Draw) -> str | None:
    """An invented value of the kind; none where there is none for it, or for how it is written."""
    maker = _MAKERS.get(category)
    if maker is None:
        return None
    try:
        return maker(value, draw)
    except (
        ValueError,
        LookupError,
        OverflowError,
    ):  # it is of the kind, and not of the form that checks read
        return None


_NUMBERS = frozenset(_MAKERS) - {
    "PERSON",
    "LOCATION",
    "ADDRESS",
    "ORGANIZATION",
    "EMAIL_ADDRESS",
    "DATE_OF_BIRTH",
    "DATE_TIME",
    "IP_ADDRESS",
    "MAC_ADDRESS",
}


def is_number(category: str) -> bool:
    """Whether values of the kind are often grouped anew: blanks and dashes in them do not count."""
    return category in _NUMBERS


def ways_to_write(category: str, made: str) -> tuple[str, ...]:
    """How a model may write a surrogate down, beside what is read past in any text."""
    if not is_number(category):
        return (made,)
    signs = "".join(sign for sign in made if sign.isalnum())
    if category != "PHONE_NUMBER":
        return (signs,)
    country = next((code for code in _PHONES if signs.startswith(code)), "")
    if not made.startswith("+"):
        return (signs, f"({signs}")
    ways = [signs, f"+{signs}"]
    if country:
        trunk = "" if country == "1" else "0"
        number = trunk + signs.removeprefix(country)
        ways += [number, f"({number}"] + ([f"+{country}{number}"] if trunk else [])
    return tuple(ways)
