"""Recognizers for numbers that one country gives."""

from presidio_analyzer import predefined_recognizers as predefined

from app.guardrails.recognizers import checks, shapes
from app.guardrails.recognizers.recognizer import Recognizer, bound, forms, own

_CN_ID = r"\b[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]\b"
_CN_ID_OLD = r"\b[1-9]\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}\b"
_PESEL = r"\b\d{2}(?:[02468][1-9]|[13579][012])(?:0[1-9]|[12]\d|3[01])\d{5}\b"
_NOT_IN_GROUPS, _NOT_BEFORE_GROUPS = r"(?<!\b\d{1,6}[- ])\b", r"\b(?![- ]\d+\b)"
"""Not a part of a longer number in groups, such as a card."""
_WEAK = 0.35
"""Below what policies act on: the check digit alone would take every tenth order number."""


def _american() -> tuple[Recognizer, ...]:
    licences = forms(
        (r"\b[A-Z]{1,2}\d{6,13}[A-Z]?\b|\b[A-Z]\d{3}-\d{4}-\d{4}\b", 0.1), (r"\b\d{7,12}\b", 0.01)
    )
    # With spaces it reads as well as a number in the hundreds of millions.
    hyphened = rf"{_NOT_IN_GROUPS}[1-79]\d{{2}}(?:-\d{{3}}){{2}}{_NOT_BEFORE_GROUPS}"
    sin = forms((r"\b[1-79]\d{2} \d{3} \d{3}\b", 0.5), (r"\b[1-79]\d{8}\b", 0.05))
    dea = forms((r"\b[A-HJ-MPR-UX][A-Z9]\d{7}\b", 0.4))
    return (
        bound(predefined.UsSsnRecognizer(), "number"),
        bound(predefined.UsItinRecognizer(), "number"),
        bound(predefined.UsPassportRecognizer(), "number", "token"),
        bound(predefined.UsBankRecognizer(), "number"),
        bound(predefined.UsLicenseRecognizer(patterns=licences), "number", "token"),
        bound(predefined.UsMbiRecognizer(), "token"),
        bound(predefined.MedicalLicenseRecognizer(patterns=dea), "token", alone=_WEAK),
        bound(own("MEDICAL_RECORD_NUMBER", (r"\b\d{7,10}\b", 0.05)), "number"),
        bound(predefined.CaSinRecognizer(patterns=forms((hyphened, 0.5))), "number"),
        bound(predefined.CaSinRecognizer(patterns=sin), "number", alone=_WEAK),
        bound(
            own("BR_CPF", (r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b", 0.5), check=checks.br_cpf), "number"
        ),
        bound(own("BR_CPF", (r"\b\d{11}\b", 0.1), check=checks.br_cpf), "number", alone=_WEAK),
    )


def _british() -> tuple[Recognizer, ...]:
    return (
        bound(predefined.NhsRecognizer(), "number", alone=_WEAK),
        bound(predefined.UkNinoRecognizer(), "token"),
        bound(predefined.UkPassportRecognizer(), "token"),
        bound(predefined.UkDrivingLicenceRecognizer(), "token"),
    )


def _european() -> tuple[Recognizer, ...]:
    hetu = forms((r"\b\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]\b", 0.5))
    fiscal = forms((rf"\b{shapes.FISCAL_CODE}\b", 0.3))
    swedish = forms((r"\b(?:19|20)?\d{6}[-+]\d{4}\b", 0.5), (r"\b(?:19|20)\d{10}\b", 0.5))
    return (
        bound(predefined.DeTaxIdRecognizer(), "number", alone=_WEAK),
        bound(predefined.DeHealthInsuranceRecognizer(), "token", alone=_WEAK),
        bound(predefined.DeSocialSecurityRecognizer(), "token"),
        bound(own("DE_PASSPORT", (rf"\b(?=\w*\d){shapes.DE_DOCUMENT}\b", 0.1)), "token"),
        bound(predefined.EsNifRecognizer(), "token"),
        bound(predefined.EsNieRecognizer(), "token"),
        bound(predefined.FiPersonalIdentityCodeRecognizer(patterns=hetu), "token"),
        bound(own("FR_NIR", (rf"\b{shapes.NIR}\b", 0.3), check=checks.fr_nir), "number", "token"),
        bound(predefined.ItFiscalCodeRecognizer(patterns=fiscal), "token"),
        bound(predefined.PlPeselRecognizer(patterns=forms((_PESEL, 0.4))), "number", alone=_WEAK),
        bound(predefined.SePersonnummerRecognizer(patterns=swedish), "number", "token"),
        bound(predefined.TrNationalIdRecognizer(), "number"),
    )


def _asian() -> tuple[Recognizer, ...]:
    aadhaar = predefined.InAadhaarRecognizer
    aadhaar_grouped = rf"{_NOT_IN_GROUPS}\d{{4}}(?:[- ]\d{{4}}){{2}}{_NOT_BEFORE_GROUPS}"
    pan = forms((r"\b[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]\b", 0.5))
    return (
        bound(
            own("CN_ID", (_CN_ID, 0.5), (_CN_ID_OLD, 0.2), check=checks.cn_id), "number", "token"
        ),
        bound(own("CN_PASSPORT", (r"\b[EGDSPHM]\d{8}\b", 0.1), (r"\bE[A-Z]\d{7}\b", 0.1)), "token"),
        bound(aadhaar(patterns=forms((aadhaar_grouped, 0.01))), "number", alone=0.5),
        bound(aadhaar(patterns=forms((r"\b\d{12}\b", 0.01))), "number", alone=_WEAK),
        bound(predefined.InPanRecognizer(patterns=pan), "token"),
        bound(own("SG_NRIC_FIN", (r"\b[STFGM]\d{7}[A-Z]\b", 0.5), check=checks.sg_nric), "token"),
        bound(predefined.ThTninRecognizer(), "number", alone=_WEAK),
    )


def _australian() -> tuple[Recognizer, ...]:
    tfn = forms((r"\b\d{3} ?\d{3} ?\d{3}\b", 0.1))
    medicare = forms((r"\b[2-6]\d{3} ?\d{5} ?\d\b", 0.1))
    return (
        bound(predefined.AuTfnRecognizer(patterns=tfn), "number", alone=_WEAK),
        bound(predefined.AuMedicareRecognizer(patterns=medicare), "number", alone=_WEAK),
    )


def national_recognizers() -> tuple[Recognizer, ...]:
    """Identity, tax, health, licence and passport numbers."""
    return (*_american(), *_british(), *_european(), *_asian(), *_australian())
