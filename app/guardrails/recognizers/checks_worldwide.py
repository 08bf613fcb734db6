"""Check digits of numbers of countries for which Presidio has no recognizer, and of vehicles."""

from collections.abc import Sequence
from datetime import date

_CURP = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
_VIN = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_TEN = 10


def _digits(value: str) -> list[int]:
    return [int(sign) for sign in value if sign.isdigit()]


def _weighed(digits: Sequence[int], weights: Sequence[int]) -> int:
    """The weighted sum of as many digits as there are weights."""
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))


def _from_eleven(digits: Sequence[int], weights: Sequence[int]) -> int:
    """11 minus the remainder of the weighted sum; 0 for 11."""
    return -_weighed(digits, weights) % 11


def nl_bsn(value: str) -> bool:
    """Whether a Dutch citizen service number holds. Source: Wet BSN, elfproef with weight -1."""
    digits = _digits(value)
    return any(digits) and _weighed(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def be_national(value: str) -> bool:
    """Whether the key of a Belgian national number fits: 97 minus the number modulo 97.

    Source: Royal Decree of 3 April 1984; since 2000 a 2 is put before the number.
    """
    digits = "".join(map(str, _digits(value)))
    return int(digits[9:]) in (97 - int(f"{century}{digits[:9]}") % 97 for century in ("", "2"))


def ch_ahv(value: str) -> bool:
    """Whether the check digit of a Swiss AHV number fits. Source: GS1, EAN-13."""
    return _weighed(_digits(value), (1, 3) * 6 + (1,)) % 10 == 0


def no_birth(value: str) -> bool:
    """Whether both check digits of a Norwegian birth number fit. Source: Skatteetaten."""
    digits = _digits(value)
    first = _from_eleven(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2))
    second = _from_eleven(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
    return digits[9:] == [first, second]


def dk_cpr(value: str) -> bool:
    """Whether a Danish CPR number begins with a date; the check digit went out of use in 2007.

    Source: CPR-kontoret.
    """
    day, month = int(value[:2]), int(value[2:4])
    try:
        date(2000, month, day)
    except ValueError:
        return False
    return True


def pt_nif(value: str) -> bool:
    """Whether the check digit of a Portuguese taxpayer number fits. Source: Decreto-Lei 14/2013."""
    digits = _digits(value)
    return digits[8] == _from_eleven(digits, (9, 8, 7, 6, 5, 4, 3, 2)) % 10


def ro_cnp(value: str) -> bool:
    """Whether the check digit of a Romanian CNP fits. Source: Legea 105/1996."""
    digits = _digits(value)
    left = _weighed(digits, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return digits[12] == (1 if left == _TEN else left)


def br_cnpj(value: str) -> bool:
    """Whether both check digits of a Brazilian company number fit. Source: Receita Federal."""
    digits = _digits(value)
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    return digits[12:] == [
        _from_eleven(digits, weights[1:]) % _TEN,
        _from_eleven(digits, weights) % _TEN,
    ]


def mx_curp(value: str) -> bool:
    """Whether the check digit of a Mexican CURP fits. Source: SEGOB, Instructivo normativo."""
    numbers = [_CURP.index(sign) for sign in value.upper()[:17]]
    total = sum(number * (18 - place) for place, number in enumerate(numbers))
    return value[17] == str(-total % 10)


def cl_rut(value: str) -> bool:
    """Whether the last sign of a Chilean RUT fits. Source: Registro Civil, modulo 11."""
    signs = [sign for sign in value.upper() if sign.isalnum()]
    digits = [int(sign) for sign in reversed(signs[:-1])]
    left = _from_eleven(digits, (2, 3, 4, 5, 6, 7, 2, 3))
    return signs[-1] == "0123456789K"[left]


def ar_cuit(value: str) -> bool:
    """Whether the check digit of an Argentine CUIT or CUIL fits. Source: AFIP, modulo 11."""
    digits = _digits(value)
    return digits[10] == _from_eleven(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))


def ru_snils(value: str) -> bool:
    """Whether the key of a Russian SNILS fits. Source: Pension Fund of Russia, modulo 101."""
    digits = _digits(value)
    left = _weighed(digits, (9, 8, 7, 6, 5, 4, 3, 2, 1)) % 101
    return digits[9] * 10 + digits[10] == left % 100


def my_nric(value: str) -> bool:
    """Whether a Malaysian NRIC begins with a date. Source: Jabatan Pendaftaran Negara."""
    try:
        date(2000, int(value[2:4]), int(value[4:6]))
    except ValueError:
        return False
    return True


def vin(value: str) -> bool | None:
    """Whether a vehicle's number has the check digit that some countries require.

    Letters alone and digits alone are no such number. One that does not fit gives ``None``: the
    check digit is required in North America and China only.

    Source: ISO 3779, 49 CFR 565.15.
    """
    text = value.upper()
    if text.isalpha() or text.isdigit():
        return False
    total = _weighed([int(_VIN.get(sign, sign)) for sign in text], _VIN_WEIGHTS)
    return True if text[8] == "0123456789X"[total % 11] else None
