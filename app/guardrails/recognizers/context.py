"""Words before a number that say what it is."""

from collections.abc import Callable

import re2

from app.guardrails.recognizers.shapes import LATIN

WORDS: dict[str, tuple[str, ...]] = {
    "EMAIL_ADDRESS": (),
    "PHONE_NUMBER": (
        "phone", "telephone", "tel", "mobile", "cell", "call", "fax", "whatsapp", "sms", "dial",
        "hotline", "reach", "answering", "contact", "telefon", "handy", "mobil", "fon",
        "numéro", "téléphone", "portable", "appelez", "teléfono", "móvil", "celular",
        "llámame", "telefono", "cellulare", "numero",
        "telefone", "电话", "手机", "联系", "致电", "拨打", "號碼", "電話", "手機", "热线",
    ),
    "CREDIT_CARD": (
        "credit", "card", "visa", "mastercard", "cc", "amex", "discover", "jcb", "diners",
        "maestro", "karte", "kreditkarte", "carte", "tarjeta", "carta", "信用卡", "卡号",
    ),
    "CN_BANK_CARD": ("card", "account", "unionpay", "银行卡", "卡号", "账号", "储蓄卡", "借记卡"),
    "IBAN_CODE": ("iban", "bank", "transfer", "konto", "compte", "cuenta", "conto"),
    "CRYPTO": ("wallet", "btc", "bitcoin", "crypto", "eth", "ethereum"),
    "IP_ADDRESS": ("ip", "ipv4", "ipv6", "address"),
    "MAC_ADDRESS": ("mac", "hardware address", "physical address", "ethernet"),
    "US_SSN": ("social security", "ssn", "ssns", "ssid", "social"),
    "US_ITIN": ("individual", "taxpayer", "itin", "tax", "taxid", "tin"),
    "US_PASSPORT": (
        "passport", "travel document", "reisepass", "passeport", "pasaporte", "passaporto",
    ),
    "US_BANK_NUMBER": (
        "bank", "account", "acct", "checking", "savings", "routing", "konto", "kontonummer",
        "compte", "cuenta",
    ),
    "US_DRIVER_LICENSE": (
        "driver", "license", "licence", "permit", "lic", "dls", "cdls", "driving", "führerschein",
        "permis", "licencia", "patente",
    ),
    "UK_NHS": ("national health service", "nhs", "health authority"),
    "UK_NINO": ("national insurance", "ni number", "nino"),
    "UK_PASSPORT": ("passport", "travel document", "hmpo"),
    "UK_DRIVING_LICENCE": ("driving", "driver", "dvla", "licence", "license"),
    "DE_PASSPORT": ("passport", "reisepass", "passnummer", "pass-nr"),
    "MEDICAL_RECORD_NUMBER": ("mrn", "medical record", "patient id", "patient number"),
    "MEDICAL_LICENSE": ("medical", "certificate", "dea", "prescriber"),
    "US_MBI": ("medicare", "mbi", "beneficiary", "medicaid"),
    "CN_ID": ("身份证", "身分证", "证件", "identity", "id card", "id number", "公民"),
    "CN_PASSPORT": ("护照", "passport", "通行证"),
    "FR_NIR": ("sécurité sociale", "nir", "insee", "numéro de sécu", "carte vitale"),
    "BR_CPF": ("cpf", "contribuinte"),
    "ES_NIF": ("dni", "nif", "identidad", "identificación"),
    "ES_NIE": ("nie", "extranjero"),
    "IT_FISCAL_CODE": ("codice fiscale", "fiscale", "cf"),
    "PL_PESEL": ("pesel",),
    "SG_NRIC_FIN": ("nric", "fin", "identity"),
    "AU_TFN": ("tax file", "tfn"),
    "AU_MEDICARE": ("medicare",),
    "IN_AADHAAR": ("aadhaar", "aadhar", "uidai"),
    "IN_PAN": ("permanent account", "pan", "income tax"),
    "CA_SIN": ("sin", "social insurance", "nas", "assurance sociale"),
    "FI_PERSONAL_IDENTITY_CODE": ("hetu", "henkilötunnus", "personbeteckning", "identity code"),
    "DE_TAX_ID": ("steuer", "steuerid", "idnr", "identifikationsnummer", "tax"),
    "DE_HEALTH_INSURANCE": (
        "krankenvers", "versichert", "kvnr", "krankenkasse", "gesundheitskarte",
    ),
    "DE_SOCIAL_SECURITY": ("rentenvers", "sozialvers", "versicherungsnummer", "rvnr", "svnr"),
    "KR_PASSPORT": ("korean passport", "passport", "여권"),
    "KR_RRN": ("rrn", "resident registration", "주민등록"),
    "KR_FRN": ("frn", "foreigner registration", "외국인등록", "외국인번호"),
    "KR_BRN": ("brn", "business registration", "사업자등록", "사업자번호", "사업자"),
    "KR_DRIVER_LICENSE": ("korean driver", "driver", "면허"),
    "TW_ID": ("身分證", "身份證", "身分証", "居留證", "taiwan", "arc", "identity"),
    "TW_BUSINESS_NUMBER": ("統一編號", "統編", "taiwan", "vat number", "business number"),
    "HK_ID": ("身份證", "身份证", "hkid", "hong kong id", "identity card"),
    "JP_MY_NUMBER": ("マイナンバー", "個人番号", "my number", "mynumber"),
    "JP_CORPORATE_NUMBER": ("法人番号", "corporate number"),
    "JP_PASSPORT": ("旅券", "パスポート", "japanese passport"),
    "JP_DRIVER_LICENSE": ("免許", "japanese driver"),
    "NATIONAL_ID": (
        "national id", "identity", "identification", "citizen", "tax", "registration number",
        "company", "personal", "gstin", "uen", "abn", "curp", "rut", "cuit", "cuil", "снилс",
        "cnpj",
        "ahv", "avs", "registre", "rijksregister", "fødsels", "cnp", "mykad", "cnic",
    ),
    "VEHICLE_PLATE": (
        "plate", "registration", "vehicle", "car", "kennzeichen", "immatriculation", "targa",
        "matrícula", "rto", "vrn", "dvla",
    ),
    "VEHICLE_VIN": ("vin", "chassis", "vehicle identification", "fahrgestell"),
    "POSTCODE": (
        "postcode", "post code", "postal", "zip", "address", "delivery", "mailing", "shipping",
    ),
    "SE_PERSONNUMMER": ("personnummer", "personal identity", "samordningsnummer"),
    "TH_TNIN": ("thai", "tnin", "บัตรประชาชน", "ประจำตัวประชาชน"),
    "TR_NATIONAL_ID": ("kimlik", "tckn", "tc no", "turkish", "türk"),
    "ZA_ID_NUMBER": ("south african id", "rsa id", "identity number", "id number", "smart id"),
    "DATE_OF_BIRTH": (
        "born", "birth", "birthday", "birthdate", "dob", "d.o.b", "geboren", "geburtsdatum",
        "geburtstag", "geb", "né le", "née le", "né(e) le", "naissance", "nacido", "nacida",
        "nacimiento", "nato il", "nata il", "nascita", "nascimento", "geboorte", "född",
        "født", "syntynyt", "urodzon", "narozen", "doğum", "родился", "родилась", "рождения",
        "出生", "生日", "生于", "生於", "生年月日", "誕生日", "生まれ", "생년월일", "생일", "출생",
    ),
}  # fmt: skip
"""By entity. Presidio's own lists, without those that mean too much (``us``, ``number``,
``save``), in the languages of its recognizers."""

REACH = 80
"""How many code points before a number are read for such words."""
BOOST = 0.35
"""What a word adds to the score, as in Presidio."""
LEAST_BOOSTED = 0.4
"""What a score is at least after a word, as in Presidio."""
_WHOLE = 4
"""A word of at most so many letters counts only as a whole: ``tin`` is not in ``ting``."""
_NO_LETTER = f"[^a-z{LATIN}]"
_NO_SPACES = "\u0e00"
"""From here on (Thai, Chinese, Korean) words of these scripts stand without spaces."""


def pattern_of(words: tuple[str, ...]) -> str:
    """What matches where one of the words is in a text of lower case; empty without words.

    A longer word also counts where it begins another: ``cards``, ``telefonnummer``.
    """
    unspaced = [re2.escape(word) for word in words if word[0] >= _NO_SPACES]
    spaced = [word for word in words if word[0] < _NO_SPACES]
    short = "|".join(re2.escape(word) for word in spaced if len(word) <= _WHOLE)
    long = "|".join(re2.escape(word) for word in spaced if len(word) > _WHOLE)
    parts = [
        *([rf"(?:^|{_NO_LETTER})(?:{short})(?:{_NO_LETTER}|$)"] if short else ()),
        *([rf"(?:^|{_NO_LETTER})(?:{long})"] if long else ()),
        *unspaced,
    ]
    return "|".join(parts)


def searcher(pattern: str) -> Callable[[str], bool]:
    """Tells whether a pattern of words matches anywhere; without one nothing does."""
    if not pattern:
        return lambda _: False
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    search = re2.compile(pattern, options).search
    return lambda text: search(text) is not None
