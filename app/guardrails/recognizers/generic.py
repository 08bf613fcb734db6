"""Recognizers for what is the same in every country."""

import ipaddress
import re

import tldextract
from presidio_analyzer import predefined_recognizers as predefined
from typing_extensions import override

from app.guardrails.recognizers import checks, shapes
from app.guardrails.recognizers.phone import RunPhoneRecognizer
from app.guardrails.recognizers.recognizer import Recognizer, bound, forms, own

_INTERNAL = frozenset(
    (
        "local",
        "localhost",
        "internal",
        "intranet",
        "lan",
        "corp",
        "home",
        "private",
        "test",
        "example",
        "invalid",
        "onion",
    )
)
"""Last labels of names that mean something inside one network or in examples (RFC 6762, 6761)."""
_LEAST_GROUPS, _LEAST_HEX = 3, 5
_CARD = (
    r"\b(?:"
    r"(?:4\d{3}|5[0-8]\d{2}|2[2-7]\d{2}|6\d{3}|35\d{2})[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}"
    r"|(?:4\d{3}|6[013-9]\d{2})(?:[ -]?\d{4}){3}[ -]?\d{3}"
    r"|3[04-9]\d{2}[ -]?\d{6}[ -]?\d{4,5}"
    r"|4\d{12}|(?:1800|2131)\d{11}|(?:5018|5020|5038|5893|6304|6759|676[1-3]|6390)\d{8,11}"
    r")\b"
)
"""Visa, Mastercard, American Express, Discover, Diners, JCB, UnionPay of 16 digits, Maestro."""
_CN_CARD = r"\b(?:62\d{2}|9558|9559|6014)(?:[ -]?\d{4}){3}[ -]?\d{1,3}\b"
"""UnionPay of 17 digits and more, and the older prefixes of ICBC, ABC and BoCom."""


class _MailRecognizer(predefined.EmailRecognizer):
    """Presidio's, with the public suffix list that ships inside ``tldextract``: no network."""

    _suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    @override
    def validate_result(self, pattern_text: str) -> bool | None:
        domain = pattern_text.rpartition("@")[2].lower()
        if domain.rpartition(".")[2] in _INTERNAL:
            return None
        return bool(self._suffixes(domain).fqdn)


class _IpRecognizer(predefined.IpRecognizer):
    """Presidio's, without what code and prose write with colons: ``a::b``, ``x[::2]``."""

    @override
    def invalidate_result(self, pattern_text: str) -> bool:
        if "::" in pattern_text and "." not in pattern_text:
            groups = re.findall("[0-9A-Fa-f]+", re.split("[/%]", pattern_text)[0])
            is_long = len(groups) >= _LEAST_GROUPS or len("".join(groups)) >= _LEAST_HEX
            if not is_long or pattern_text.replace(":", "").isalpha():
                return True
        try:
            ipaddress.ip_interface(pattern_text)
        except ValueError:
            return True
        return False


def _contact() -> tuple[Recognizer, ...]:
    # With fewer labels too: in "a@b.com.Thanks" the whole is no address, its beginning is one.
    addresses = forms(
        *((shapes.NOT_AFTER_AT + shapes.mail(labels), 0.5) for labels in ("{1,5}", "{2}", "{1}"))
    )
    return (
        bound(_MailRecognizer(patterns=addresses), "mail"),
        bound(RunPhoneRecognizer(), "number"),
    )


def _payment() -> tuple[Recognizer, ...]:
    iban = predefined.IbanRecognizer(
        patterns=forms((f"({shapes.IBAN})", 0.5)),  # type: ignore[arg-type]  # Presidio's slip
        regex_flags=re.IGNORECASE,
    )
    return (
        bound(predefined.CreditCardRecognizer(patterns=forms((_CARD, 0.3))), "number"),
        bound(own("CN_BANK_CARD", (_CN_CARD, 0.3), check=checks.luhn), "number"),
        bound(iban, "iban"),
        bound(
            predefined.CryptoRecognizer(patterns=forms((rf"\b{shapes.BITCOIN_OLD}\b", 0.5))),
            "token",
        ),
        bound(
            own("CRYPTO", (rf"\b{shapes.BITCOIN}\b", 0.5), (rf"\b{shapes.ETHEREUM}\b", 0.5)),
            "token",
        ),
    )


def _network() -> tuple[Recognizer, ...]:
    ip_patterns = forms(
        (rf"(?<![\w:./]){shapes.IP_V6}(?![\w:])", 0.6),
        (
            r"(?<![\w:.])(?!(?:\d\.){3}\d\b)(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?(?!\w|\.\d{1,3}\b)",
            0.6,
        ),
        # Four single digits number a section more often than a host.
        (r"(?<![\w:.])(?:\d\.){3}\d(?:/\d{1,2})?(?!\w|\.\d{1,3}\b)", 0.2),
    )
    pair, four = "[0-9A-Fa-f]{2}", "[0-9A-Fa-f]{4}"
    # Not a part of a longer chain of bytes, such as the fingerprint of a key.
    mac_patterns = forms(
        (rf"(?<!\b{pair}[:-])\b{pair}([:-])(?:{pair}\1){{4}}{pair}\b(?![:-]{pair}\b)", 0.6),
        (rf"(?<!\b{four}\.)\b{four}\.{four}\.{four}\b(?!\.{four}\b)", 0.6),
    )
    return (
        bound(_IpRecognizer(patterns=ip_patterns), "ip_v4", "ip_v6"),
        bound(predefined.MacAddressRecognizer(patterns=mac_patterns), "mac"),
        bound(
            predefined.UrlRecognizer(patterns=forms((shapes.NOT_IN_URL + shapes.URL, 0.5))), "url"
        ),
    )


def generic_recognizers() -> tuple[Recognizer, ...]:
    """Addresses, telephone numbers, payment, network and dates."""
    return (
        *_contact(),
        *_payment(),
        *_network(),
        bound(
            own("DATE_TIME", (shapes.NOT_IN_DATE + shapes.DATE, 0.6), check=checks.calendar), "date"
        ),
        bound(
            own("DATE_OF_BIRTH", (shapes.NOT_IN_DATE + shapes.DATE, 0.3), check=checks.calendar),
            "date",
        ),
    )
