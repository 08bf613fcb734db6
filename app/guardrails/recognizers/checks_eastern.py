"""Check digits of numbers that Taiwan, Hong Kong and Japan give."""

_TW_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
"""In the order of their values, which begin at 10."""
_TW_WEIGHTS = (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)
_TW_BUSINESS_WEIGHTS = (1, 2, 1, 2, 1, 2, 4, 1)
_TW_SEVENTH = 6


def tw_id(value: str) -> bool:
    """Whether an identity number of Taiwan holds, or a resident certificate, new or old.

    The new certificate has 8 or 9 after the letter, the old one a second letter, of whose value
    only the last digit counts.

    Source: Ministry of the Interior and National Immigration Agency, unified numbers of identity
    cards and, since 2 January 2021, of resident certificates.
    """
    text = value.upper()
    first = _TW_LETTERS.index(text[0]) + 10
    second = text[1] if text[1].isdigit() else str(_TW_LETTERS.index(text[1]) % 10)
    digits = [*divmod(first, 10), int(second), *map(int, text[2:])]
    weighed = zip(digits, _TW_WEIGHTS, strict=True)
    return sum(digit * weight for digit, weight in weighed) % 10 == 0


def tw_business(value: str) -> bool:
    """Whether the check digit of a business number of Taiwan fits; one random number in five does.

    Source: Ministry of Finance, unified business numbers; divisible by 5 instead of 10 since
    1 April 2023. A 7 in the seventh place counts as 1 or as 0.
    """
    digits = list(map(int, value))
    weighed = zip(digits, _TW_BUSINESS_WEIGHTS, strict=True)
    total = sum(sum(divmod(digit * weight, 10)) for digit, weight in weighed)
    other = digits[_TW_SEVENTH] == 7 and (total + 1) % 5 == 0  # noqa: PLR2004  # as said above
    return total % 5 == 0 or other


def hk_id(value: str) -> bool:
    """Whether the check digit of a Hong Kong identity card fits; one random number in eleven does.

    Source: Immigration Department; letters count from A as 10, no second letter as 36.
    """
    signs = [sign for sign in value.upper() if sign.isalnum()]
    numbers = [int(sign, 36) for sign in signs]
    if signs[1].isdigit():
        numbers.insert(0, 36)
    return sum(number * (9 - place) for place, number in enumerate(numbers)) % 11 == 0


def jp_my_number(value: str) -> bool:
    """Whether the check digit of a Japanese individual number fits; one in eleven does.

    Source: Ministry of Internal Affairs and Communications, Ordinance No. 85 of 2014, article 5.
    """
    digits = [int(sign) for sign in value if sign.isdigit()]
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    left = sum(digit * weight for digit, weight in zip(digits, weights, strict=False)) % 11
    return digits[-1] == (0 if left <= 1 else 11 - left)


def jp_corporate(value: str) -> bool:
    """Whether the check digit, the first, of a Japanese corporate number fits; one in nine does.

    Source: National Tax Agency, Ordinance of the Ministry of Finance No. 70 of 2014.
    """
    digits = list(map(int, value))
    total = sum(digit * (2 - place % 2) for place, digit in enumerate(reversed(digits[1:]), 1))
    return digits[0] == 9 - total % 9
