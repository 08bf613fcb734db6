"""Check digits and dates of numbers for which Presidio has no recognizer."""

import re
from datetime import date

_CN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CN_REGIONS = frozenset(
    region
    for first, last in (
        (11, 15),
        (21, 23),
        (31, 37),
        (41, 46),
        (50, 54),
        (61, 65),
        (71, 71),
        (81, 83),
    )
    for region in range(first, last + 1)
)
_CN_OLD_LENGTH = 15
_SG_WEIGHTS = (2, 7, 6, 5, 4, 3, 2)
_SG_LETTERS = {
    "S": (0, "JZIHGFEDCBA"),
    "T": (4, "JZIHGFEDCBA"),
    "F": (0, "XWUTRQPNMLK"),
    "G": (4, "XWUTRQPNMLK"),
    "M": (3, "XWUTRQPNJLK"),
}


def _digits(value: str) -> str:
    return "".join(sign for sign in value if sign.isdigit())


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


_DAYS, _MONTHS = 31, 12
_ALL_DIGITS = 3


def calendar(value: str) -> bool | None:
    """Whether three numbers can be a day, a month and a year; a date in words always can."""
    numbers = [int(part) for part in re.findall("[0-9]+", value.partition("T")[0])]
    if len(numbers) < _ALL_DIGITS:
        return None
    first, second, third = numbers[:_ALL_DIGITS]
    one, other = (second, third) if first > _DAYS else (first, second)
    fits = 0 < one <= _DAYS and 0 < other <= _DAYS and min(one, other) <= _MONTHS
    return None if fits else False


def luhn(value: str) -> bool:
    """Whether the last digit fits; separators are skipped. One random number in ten fits.

    Source: ISO/IEC 7812-1, Annex B.
    """
    total = 0
    for place, digit in enumerate(reversed(_digits(value))):
        total += sum(divmod(int(digit) * (1 + place % 2), 10))
    return total % 10 == 0


def cn_id(value: str) -> bool | None:
    """Whether a Chinese identity number holds: region, date and, with 18 signs, check digit.

    The old form of 15 digits has no check digit: a valid one gives ``None``, neither way.

    Source: GB 11643-1999.
    """
    if int(value[:2]) not in _CN_REGIONS:
        return False
    if len(value) == _CN_OLD_LENGTH:
        is_date = _is_date(1900 + int(value[6:8]), int(value[8:10]), int(value[10:12]))
        return None if is_date else False
    if not _is_date(int(value[6:10]), int(value[10:12]), int(value[12:14])):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(value[:17], _CN_WEIGHTS, strict=True))
    return "10X98765432"[total % 11] == value[17].upper()


def sg_nric(value: str) -> bool:
    """Whether the last letter of a Singaporean NRIC or FIN fits.

    Source: the checksum that the Immigration and Checkpoints Authority uses, as published in
    implementations such as ``python-stdnum``; the M series since 2022.
    """
    first, number, last = value[0].upper(), value[1:8], value[8].upper()
    offset, letters = _SG_LETTERS[first]
    total = offset + sum(
        int(digit) * weight for digit, weight in zip(number, _SG_WEIGHTS, strict=True)
    )
    return letters[total % 11] == last


def fr_nir(value: str) -> bool:
    """Whether the key of a French social security number fits (97 minus the number modulo 97).

    Source: INSEE, numéro d'inscription au répertoire; Corsica's 2A and 2B count as 19 and 18.
    """
    text = value.replace(" ", "").upper().replace("2A", "19", 1).replace("2B", "18", 1)
    return 97 - int(text[:13]) % 97 == int(text[13:])


def br_cpf(value: str) -> bool:
    """Whether both check digits of a Brazilian CPF fit.

    Source: Receita Federal, Instrução Normativa RFB 1548/2015.
    """
    digits = [int(digit) for digit in _digits(value)]
    if len(set(digits)) == 1:
        return False
    for length in (9, 10):
        total = sum(digit * (length + 1 - place) for place, digit in enumerate(digits[:length]))
        if total * 10 % 11 % 10 != digits[length]:
            return False
    return True
