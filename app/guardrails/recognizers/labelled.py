"""Values that only the word before them tells: accounts, plates, passports, user names.

Each kind has labels in several languages and the form that its values have. The label is part of
the match, so a value is looked for only right after one; the finding is the value.
"""

from dataclasses import dataclass

_KIND = r"(?i:number|num|no|nr|id|code|nummer|numéro|numero|número|nº|n°)"
_AFTER_WORD = (
    rf"(?:[ _-]?{_KIND}\b\.?){{0,2}}"
    r"(?i:[ _](?:is|was|ist|lautet|est|es|è|é))?"
    r"[\"']? ?[:：=#]{0,2}[\"' ]{1,3}"
)
_AFTER_COLON = rf"(?:[ _-]?{_KIND}\.?){{0,2}}[\"']? ?[:：=#]{{1,2}}[\"' ]{{0,3}}"
_AFTER_SIGN = (
    "(?:号码|號碼|編號|编号|号|號|字號|字号|番号|번호|증번호)?"
    "(?:是|为|為|は|는|은)?[\"' ]?[:：]?[\"' ]{0,2}"
)


_CODE = r"[A-Za-z]{0,6}[0-9][0-9A-Za-z]{3,13}\b"
_NUMBER = r"[0-9](?:[ .-]?[0-9]){5,21}\b"
_MIXED = (
    r"(?:[A-Z]{1,6}[ -]?)?[0-9]{1,18}[A-Z]{0,3}"
    r"(?:(?:[ ./-]?[0-9]{1,12}|[./-][A-Z]{1,3})[A-Z]{0,3}){0,6}"
    r"(?:\([0-9A]\)|\b)"
)
"""Capitals and digits; after a blank comes a digit, so that no word in capitals belongs to it."""
_PLATE = (
    r"(?:[A-ZÄÖÜ]{1,3}[ -]?(?:[A-Z]{1,2}[ -]?)?[0-9]{1,5}[A-Z]{0,3}(?:[ -]?[0-9A-Z]{1,4})?"
    r"|[0-9]{1,4}[ -]?[A-Z]{1,4}(?:[ -]?[0-9A-Z]{1,6})?|[0-9][0-9A-Z][ -]?[0-9A-Z]{3,6})\b"
)
_CN_PLATE = (
    "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z][·. ]?[0-9A-Z]{5,6}"
)
_USER = r"@?[0-9A-Za-z_][0-9A-Za-z_.-]{2,30}"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A kind of value and the words that announce it."""

    entity: str
    words: str
    """Alternatives, in languages that part words, in any case."""
    value: str
    digits: int
    """How many the value has at least, so that no word is taken for one."""
    short: str = ""
    """Abbreviations that are words in small letters: these count in capitals alone."""
    signs: str = ""
    """Alternatives in Chinese, Japanese and Korean."""
    score: float = 0.4
    is_close: bool = False
    """A colon or the like has to stand between."""

    @property
    def label(self) -> str:
        """What stands before the value."""
        after = _AFTER_COLON if self.is_close else f"(?:{_AFTER_WORD}|{_AFTER_COLON})"
        words = f"(?:(?i:{self.words})|{self.short})" if self.short else f"(?i:{self.words})"
        spaced = rf"\b{words}{after}"
        return f"(?:{spaced}|(?:{self.signs}){_AFTER_SIGN})" if self.signs else f"(?:{spaced})"

    @property
    def pattern(self) -> str:
        """Label and value."""
        return f"{self.label}(?:{self.value})"


LABELLED = (
    Labelled(
        "PASSPORT",
        words="passport|travel document|reisepass|passnummer|passeport|pasaporte|passaporto"
        "|passaporte|paspoort|paszport|pasaport|passinumero",
        signs="护照|護照|旅券|パスポート|여권",
        value=_CODE,
        digits=2,
    ),
    Labelled(
        "DRIVER_LICENSE",
        words="driv(?:er|ing)(?:['’]?s)? (?:licen[cs]e|permit)|führerschein|fahrerlaubnis"
        "|permis de conduire|patente di guida|(?:licencia|permiso|carn[eé]t?) de conducir"
        "|carteira de motorista|carta de condução|rijbewijs|prawo jazdy|körkort|ajokortti",
        short="DL|CNH",
        signs="驾驶证|驾照|駕照|駕駛執照|運転免許証?|免許証|운전면허증?",
        value=_MIXED,
        digits=4,
    ),
    Labelled(
        "BANK_ACCOUNT",
        words="(?:bank |checking |savings )?account|acct|a/c|routing|sort code|bankleitzahl"
        "|konto(?:nummer)?|(?:numéro de )?compte|(?:número de )?cuenta|(?:numero di )?conto|conta"
        "|rekening(?:nummer)?|rachunek|rachunku|bankgiro|clabe",
        short="ABA|BSB|BLZ|RIB",
        signs="账号|账户|帐号|帳號|帳戶|口座番号|口座|계좌",
        value=_NUMBER,
        digits=6,
    ),
    Labelled(
        "VEHICLE_PLATE",
        words="(?:licen[cs]e |number |registration )?plates?|vehicle registration"
        "|(?:car|vehicle) reg|registration mark|(?:kfz-?)?kennzeichen|immatriculation"
        "|plaque(?: d['’]immatriculation)?|matrícula|targa|placa|kenteken|tablica"
        "|nr rejestracyjny|plaka(?:s\u0131)?",
        signs="车牌|車牌|ナンバープレート|차량번호|번호판",
        value=f"{_PLATE}|{_CN_PLATE}",
        digits=1,
    ),
    Labelled(
        "IMEI",
        words="imei",
        value=r"[0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{6}[ -]?[0-9]{1,2}\b",
        digits=15,
        score=0.5,
    ),
    Labelled(
        "VEHICLE_VIN",
        words="vin|chassis|vehicle identification|fahrgestell|fahrzeug-ident",
        short="FIN",
        signs="车架|車架|車台",
        value=r"[A-HJ-NPR-Z0-9]{17}\b",
        digits=3,
        score=0.5,
    ),
    Labelled(
        "MEDICAL_RECORD_NUMBER",
        words="mrn|medical record|patient|health (?:card|insurance)|member|subscriber"
        "|insurance policy"
        "|krankenversicherten|versicherten|tessera sanitaria|tarjeta sanitaria",
        signs="病历|病歷|病案|医保卡|健保卡|住院|診察券|保険証|환자",
        value=_MIXED,
        digits=5,
    ),
    Labelled(
        "NATIONAL_ID",
        words="national (?:id|identity|identification)(?: card)?|identity (?:card|document|number)"
        "|id card|citizen id|ssn|social security|social insurance|tax(?:payer)?(?: identification)?"
        "|tax id|voter(?: id)?|personal(?:ausweis|(?: identity| id)(?: code| number)?)|ausweis"
        "|steuer-?(?:id|nummer)?|(?:sozial|renten)?versicherungs|sécurité sociale|carte vitale"
        "|carte (?:nationale )?d['’]identité|registre national|cédula|cedula|documento de identidad"
        "|carta d['’]identità|codice fiscale|partita iva|cartão de cidadão|burgerservice"
        "|rijksregister|rodné číslo|fødsels|personnummer|henkilötunnus|kennitala|isikukood"
        "|asmens kodas|kimlik|снилс|инн|aadhaar|aadhar|hkid|mykad|ghana card|my number",
        short="TIN|EIN|VAT|GSTIN?|EPIC|NPI|UEN|ABN|ACN|AHV|CNI|NIR|SIREN|SIRET|DNI|NIF|NIE|CIF|CURP"
        "|RFC|NSS|RUT|RUN|CUIT|CUIL|PIVA|CPF|CNPJ|RG|BSN|PESEL|NIP|REGON|CNP|EGN|OIB|JMBG|EMŠO|AMKA"
        "|AFM|CPR|TCKN|PAN|NRIC|FIN|NIK|KTP|CMND|CCCD|UMID|SSS|NIN|BVN|RRN|FRN|BRN|LANR|NHS|NINO|IRD",
        signs="身份证|身分證|居民证|居留證|统一编号|統一編號|統編|税号|稅號|社保|マイナンバー|個人番号|法人番号"
        "|住民票|在留カード|주민등록|외국인등록|사업자등록",
        value=_MIXED,
        digits=5,
        score=0.55,
    ),
    Labelled(
        "POSTCODE",
        words="zip(?: ?code)?|post ?code|postal code|postleitzahl|code postal|c[oó]digo postal"
        "|postnummer|kod pocztowy|psč|irányítószám|postinumero|pin ?code",
        short="PLZ|CAP|CEP",
        signs="邮编|邮政编码|郵遞區號|郵政編碼|郵便番号|우편",
        value=r"[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}\b|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]\b"
        r"|[0-9]{3,6}(?:[ -][0-9]{2,4})?(?: ?[A-Z]{2})?\b",
        digits=3,
    ),
    Labelled(
        "USERNAME",
        words="user ?name|user|userid|login|handle|screen ?name|nick(?:name)?|benutzer(?:name)?"
        "|nom d['’]utilisateur|identifiant|usuario|utente|gebruikersnaam|account name",
        signs="用户名|使用者名稱|用戶名|账户名|ユーザー名|아이디",
        value=_USER,
        digits=0,
        is_close=True,
    ),
    Labelled("USERNAME", words="user|username|login", value=_USER, digits=1),
)
"""By kind."""
