"""Recognizers for kinds that many countries have: identities, plates, postcodes, addresses."""

from collections.abc import Callable

from presidio_analyzer import predefined_recognizers as predefined

from app.guardrails.recognizers import addresses, checks, eastern, shapes
from app.guardrails.recognizers import checks_worldwide as more
from app.guardrails.recognizers.labelled import LABELLED
from app.guardrails.recognizers.recognizer import (
    LabelledRecognizer,
    Recognizer,
    StreetRecognizer,
    bound,
    own,
)

_WEAK = 0.35
_INDIAN_STATES = (
    "(?:A[NPRS]|BR|C[GH]|D[DLN]|G[AJ]|H[PR]|J[HK]|K[AL]|L[AD]|M[HLNPZ]|NL|O[DR]|P[BY]|RJ|SK|T[NRS]"
    "|U[AKP]|WB)"
)
Check = Callable[[str], bool | None]


def _national(
    form: str, score: float, check: Check, *shapes: str, alone: float = 1.0
) -> Recognizer:
    return bound(own("NATIONAL_ID", (form, score), check=check), *shapes, alone=alone)


def _identities() -> tuple[Recognizer, ...]:
    zaf, abn, uen = (
        predefined.ZaIdNumberRecognizer(),
        predefined.AuAbnRecognizer(),
        predefined.SgUenRecognizer(),
    )
    return (
        _national(r"\b\d{10}[0-2][89]\d\b", 0.2, zaf.validate_result, "number", alone=0.6),
        _national(r"\b\d{2}(?: \d{3}){3}\b", 0.1, abn.validate_result, "number", alone=0.6),
        _national(
            r"\b(?:\d{8,9}[A-Z]|[TSR]\d{2}[A-Z]{2}\d{4}[A-Z])\b",
            0.1,
            uen.validate_result,
            "token",
            alone=0.5,
        ),
        _national(r"\b\d{2}[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]\b", 0.6, _unchecked, "token"),
        _national(rf"\b{shapes.CURP}\b", 0.4, more.mx_curp, "token"),
        _national(
            r"\b\d{1,2}\.\d{3}\.\d{3}-[\dK]\b", 0.3, more.cl_rut, "token", "number", alone=0.8
        ),
        _national(r"\b\d{2}-\d{8}-\d\b", 0.3, more.ar_cuit, "number", alone=0.8),
        _national(r"\b\d{3}-\d{3}-\d{3} \d{2}\b", 0.3, more.ru_snils, "number", alone=0.8),
        _national(r"\b\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}\b", 0.3, more.br_cnpj, "number"),
        _national(r"\b756\.\d{4}\.\d{4}\.\d{2}\b", 0.3, more.ch_ahv, "number"),
        _national(r"\b\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}\b", 0.3, more.be_national, "number"),
        _national(r"\b[0-3]\d[01]\d{3} ?\d{5}\b", 0.2, more.no_birth, "number", alone=0.6),
        _national(r"\b[1-9]\d{2}[01]\d[0-3]\d{7}\b", 0.2, more.ro_cnp, "number", alone=0.5),
        _national(r"\b\d{6}-\d{2}-\d{4}\b", 0.3, _malaysian, "number"),
        _national(r"\b[1-7]\d{4}-\d{7}-\d\b", 0.4, _unchecked, "number"),
    )


def _unchecked(value: str) -> None:
    """Its form is rare enough."""
    del value


def _malaysian(value: str) -> bool | None:
    return None if more.my_nric(value) else False


def _vehicles() -> tuple[Recognizer, ...]:
    plates = (
        (rf"\b{_INDIAN_STATES}\d{{2}} ?[A-Z]{{1,3}} ?\d{{4}}\b", 0.5),
        (r"\b[A-Z]{3}-\d{3}[A-Z]{2}\b", 0.4),
        (r"\b[A-HJ-PR-Y]{2}(?:0[1-9]|[1-7]\d) ?[A-HJ-PR-Z]{3}\b", 0.3),
    )
    return (
        bound(own("VEHICLE_VIN", (rf"\b{shapes.VIN}\b", 0.05), check=more.vin), "token", alone=0.5),
        bound(own("VEHICLE_PLATE", *plates), "token"),
        bound(own("POSTCODE", (addresses.POSTCODE, 0.3)), "token"),
    )


def _labelled() -> tuple[Recognizer, ...]:
    luhn: dict[str, Check] = {"IMEI": checks.luhn}
    return tuple(
        bound(LabelledRecognizer(kind, luhn.get(kind.entity)), f"labelled {place}", words=())
        for place, kind in enumerate(LABELLED)
    )


def _addresses() -> tuple[Recognizer, ...]:
    western = StreetRecognizer("Western street recognizer", addresses.STREET, addresses.LABEL)
    eastern_ = StreetRecognizer("Eastern street recognizer", eastern.STREET, eastern.LABEL)
    last = StreetRecognizer("Last line recognizer", addresses.LAST_LINE, addresses.COUNTRY)
    return bound(western, "street"), bound(eastern_, "eastern street"), bound(last, "last line")


def worldwide_recognizers() -> tuple[Recognizer, ...]:
    """Identity numbers, vehicles, what only a label tells, and addresses."""
    return (*_identities(), *_vehicles(), *_labelled(), *_addresses())
