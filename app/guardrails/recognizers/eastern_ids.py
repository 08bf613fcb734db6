"""Recognizers for numbers that Taiwan, Hong Kong, Japan and Korea give."""

from presidio_analyzer import predefined_recognizers as predefined

from app.guardrails.recognizers import checks_eastern as checks
from app.guardrails.recognizers import shapes
from app.guardrails.recognizers.recognizer import Recognizer, bound, forms, own

_WEAK = 0.35
"""Below what policies act on: the check digit alone would take every tenth order number."""
_KR_BIRTH = r"\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_KR_REGIONS = "(?:1[1-9]|2[0-8])"


def _chinese() -> tuple[Recognizer, ...]:
    return (
        bound(own("TW_ID", (r"\b[A-Z][1289]\d{8}\b", 0.3), check=checks.tw_id), "token", alone=0.6),
        bound(
            own("TW_ID", (r"\b[A-Z][A-D]\d{8}\b", 0.2), check=checks.tw_id), "token", alone=_WEAK
        ),
        bound(
            own("TW_BUSINESS_NUMBER", (r"\b\d{8}\b", 0.05), check=checks.tw_business),
            "number",
            alone=0.05,
        ),
        bound(own("HK_ID", (rf"\b{shapes.HK_ID}", 0.5), check=checks.hk_id), "token"),
        bound(
            own("HK_ID", (r"\b[A-Z]{1,2}\d{6}[\dA]\b", 0.05), check=checks.hk_id),
            "token",
            alone=0.05,
        ),
    )


def _japanese() -> tuple[Recognizer, ...]:
    my_number = own(
        "JP_MY_NUMBER", (r"\b\d{4}([ -]?)\d{4}\1\d{4}\b", 0.05), check=checks.jp_my_number
    )
    licence = (r"\b(?:[1-9]\d)\d{2}([ -]?)\d{4}\1\d{4}\b", 0.05)
    return (
        bound(my_number, "number", alone=0.05),
        bound(
            own("JP_CORPORATE_NUMBER", (r"\b[1-9](?:-?\d{4}){3}\b", 0.05), check=_corporate),
            "number",
            alone=0.05,
        ),
        bound(own("JP_PASSPORT", (r"\b[A-Z]{2}\d{7}\b", 0.05)), "token"),
        bound(own("JP_DRIVER_LICENSE", licence), "number"),
        bound(
            own("POSTCODE", (r"\b\d{3}-?\d{4}\b", 0.05)),
            "number",
            words=("〒", "郵便番号", "郵便", "postal code", "zip"),
        ),
    )


def _corporate(value: str) -> bool:
    return checks.jp_corporate(value.replace("-", ""))


def _korean() -> tuple[Recognizer, ...]:
    rrn, frn, brn = (
        predefined.KrRrnRecognizer,
        predefined.KrFrnRecognizer,
        predefined.KrBrnRecognizer,
    )
    licence = rf"\b{_KR_REGIONS}-\d{{2}}-\d{{6}}-\d{{2}}\b"
    bare_licence = rf"\b{_KR_REGIONS}[ -]?\d{{2}}[ -]?\d{{6}}[ -]?\d{{2}}\b"
    passport = forms((r"\b[MSROD]\d{3}[A-Z]\d{4}\b", 0.1), (r"\b[MSROD]\d{8}\b", 0.05))
    return (
        bound(rrn(patterns=forms((rf"\b{_KR_BIRTH}-[1-4]\d{{6}}\b", 0.5))), "number"),
        bound(rrn(patterns=forms((rf"\b{_KR_BIRTH}[1-4]\d{{6}}\b", 0.5))), "number", alone=_WEAK),
        bound(frn(patterns=forms((rf"\b{_KR_BIRTH}-[5-8]\d{{6}}\b", 0.5))), "number"),
        bound(frn(patterns=forms((rf"\b{_KR_BIRTH}[5-8]\d{{6}}\b", 0.5))), "number", alone=_WEAK),
        bound(brn(patterns=forms((r"\b\d{3}-\d{2}-\d{5}\b", 0.3))), "number", alone=0.6),
        bound(brn(patterns=forms((r"\b\d{10}\b", 0.05))), "number", alone=0.05),
        bound(own("KR_DRIVER_LICENSE", (licence, 0.5)), "number"),
        bound(own("KR_DRIVER_LICENSE", (bare_licence, 0.05)), "number"),
        bound(predefined.KrPassportRecognizer(patterns=passport), "token"),
    )


def eastern_recognizers() -> tuple[Recognizer, ...]:
    """Identity, business, licence and passport numbers."""
    return (*_chinese(), *_japanese(), *_korean())
