"""Words that say what the name beside them is."""

import re

_CAP = "[A-Z\u00c0-\u00de\u0100-\u017f]"
WORD = rf"{_CAP}[\w'’.-]*\w"
"""A hyphen is a part of a word, so it must not part words too: matching would take forever."""
TITLE = re.compile(
    r"(?:the|a|an|mr|mrs|ms|miss|mx|dr|prof|professor|sir|dame|lord|lady|rev|hon|capt|lt|sgt|herr|frau"
    r"|señora?|sra?|don|doña|mme|mlle|monsieur|madame|signora?|sig|dear|hi|hello|hey)\.?[ ]+",
    re.IGNORECASE,
)
"""What stands before a name and is no part of it."""
_SAID = (
    r"my name is|my name['’]s|name['’]?s|(?:first |last |maiden |full |middle )?name(?: is)?[:=]?"
    r"|call(?:s|ed)? me|i['’]?m|i am|this is|it['’]s|dear|hi|hello|hey|regards,|sincerely,|thanks,"
    r"|signed|nurse|patient|named|boss is|manager is|contact|attn:?|employee|customer|client"
    r"|student|teacher|doctor|wife|husband|son|daughter|brother|sister|mother|father|friend|aunt|uncle|cousin"
    r"|colleague|holder|belongs to"
)
_SAID_ELSEWHERE = (
    r"ich heiße|mein name ist|name ist|ich bin|sehr geehrter herr|sehr geehrte frau|liebe[r]?|herr"
    r"|frau|ging an|von herrn|je m['’]appelle|mon nom est|cher|chère|monsieur|madame|mme|mi chiamo"
    r"|il mio nome è|gentile|signora?|me llamo|mi nombre es|soy|estimad[oa]|señora?|sra?\."
    r"|correo de|meu nome é|chamo-me|me chamo|ik heet|mijn naam is|jag heter|jeg heter|nazywam się"
    r"|mam na imię"
)
BEFORE_PERSON = re.compile(
    rf"(?:^|[^\w])(?:{_SAID}|mr|mrs|ms|miss|dr|prof|sir|lady)\.?[ \"“:]+$", re.IGNORECASE
)
_EMPLOYED = (
    r"(?:work(?:s|ed|ing)?|career|job|internship|position) (?:for|at|with)"
    r"|(?:employed|hired|fired|acquired|founded|published|funded) (?:by|at)|laid off (?:by|from)"
    r"|(?:ceo|cfo|cto|president|(?:co-?)?founder|director|chair(?:man|woman)?|head|manager|employee"
    r"|customer|client|subsidiary|shareholder|office)s? (?:of|at)|shares (?:of|in)"
    r"|invest(?:ed|ing) in"
)
_WHERE = (
    r"(?:liv(?:e|es|ed|ing)|based|born|grew up|raised|stay(?:s|ed|ing)?|reside[sd]?|residing"
    r"|located|headquartered|arrived|vacation|holidays?) (?:in|at|near)"
    r"|moved (?:here |back )?(?:to|from)|(?:city|town|capital|university|village|native|mayor) of"
    r"|home ?(?:city|town)|(?:travel(?:l?ed|l?ing)?|flights?|trip|fl(?:y|ew|ying)|drove"
    r"|return(?:ed)?|relocat(?:e|ed|ing)|mov(?:e|ing)|train|bus) to|originally from"
)
BEFORE_ORGANIZATION = re.compile(
    rf"\b(?:{_EMPLOYED}|company|firm)[ ]+$",
    re.IGNORECASE,
)
BEFORE_PLACE = re.compile(
    rf"\b(?:{_WHERE}|weather in|i['’]?m in|i am in)[ ]+(?:the )?$",
    re.IGNORECASE,
)
_FORM = (
    r"(?:Inc|Ltd|Limited|LLC|LLP|PLC|Corp|Corporation|Incorporated|Co|GmbH|AG|KG|SARL|S\.p\.A|SpA|BV"
    r"|NV|ApS|Oy|Pty|Kft|s\.r\.o)\b"
)
ORGANIZATION_END = re.compile(
    rf"\b(?:{_FORM}|Company|Group|Bank|University|Institute|Association|Foundation|Ministry"
    r"|Department|Agency|Hospital|and Sons)\.?$"
)
WITH_FORM = re.compile(rf"((?:{WORD}[ ,&]{{1,3}}){{1,4}}{_FORM})")
"""A company with its legal form."""
NAMED = re.compile(
    rf"(?:^|[^\w])(?i:{_SAID_ELSEWHERE})[ ,:]+"
    rf"({WORD}(?: (?:de |von |van |del |della |da |di |la |le )?{WORD}){{0,3}})"
)
"""A person in languages for which there is no model."""
FIELD = re.compile(
    r"[\"']?\b(?i:(?:full|first|last|customer|user|patient|contact|display)?[ _-]?name|customer"
    r"|patient|employee|姓名|nombre|nom|nome)[\"']?[ ]*[:=：][ ]*[\"']?"
    rf"({WORD}(?: {WORD}){{0,3}})"
)
"""``"name": "Ann Lee"`` and ``Patient: Ann Lee``."""
BEFORE_CONTACT = re.compile(rf"({WORD}(?: {WORD}){{1,3}})[ ]?[,;|<(\t][ ]?$")
"""Words with capitals right before an e-mail address, a telephone number or a date of birth."""
_FULL = rf"{WORD}(?: (?:(?:de|von|van|del|della|da|di|la|le|der|den|bin|al|el) )?{WORD}){{0,3}}"
_RELATIVE = (
    r"wife|husband|daughter|son|mother|father|mom|dad|sister|brother|cousin|girlfriend|boyfriend"
    r"|friend|boss|address|birthday|phone|e-?mail|passport"
)
_DONE = (
    r"shouted|replied|whispered|smiled|laughed|sighed|nodded|giggled|can (?:i|you)|could (?:i|you)"
    r"|would you|lives? (?:at|in)|had given|spent (?:a|the)|began (?:\w+ing|to)"
)
_INTRODUCED = (
    r"call(?:s|ed|ing)? (?:me|him|her|them)|nam(?:ed|ing) (?:me|him|her|them)"
    r"|(?:directed|written|painted|composed|photographed|sung|narrated|hosted) by:?"
    r"|(?:my|his|her|your|maiden|last|first|full|middle) name(?: is|['’]s|:)"
    r"|starring|follow(?:ed)? up with|introduce you to|married to"
)
PEOPLE = (
    re.compile(rf"\b(?i:{_INTRODUCED}) {{1,4}}({_FULL})"),
    re.compile(rf"^[>?\s\"“]*({_FULL}),? (?i:{_DONE})\b"),
    re.compile(rf"^[>?\s]*({_FULL}): ?\\?[\"“]"),
    re.compile(rf"\b({_FULL})['’]s (?i:{_RELATIVE})\b"),
    re.compile(rf"\b(?:gave|given|told|asked|showed|sent|handed) ({_FULL}) (?:his|her|my|their)\b"),
    re.compile(rf"[\"”,!?] (?:said|says|asked|replied|cried|shouted) ({_FULL})(?=[.,!?]|$| to\b)"),
)
"""People, in English, by what they do, what is done to them and what is theirs."""
_END = r"(?=[.,;!?)\"]|$| (?:and|as|by|in|on|for|with|from|since|last|to|who|where)\b)"
PLACES = re.compile(rf"\b(?i:{_WHERE}) (?:the )?({_FULL}){_END}")
"""Places, in English, by who lives there and goes there."""
FIRMS = (
    re.compile(rf"\b(?i:{_EMPLOYED}) ({_FULL}){_END}"),
    re.compile(rf"\b[Tt]he ({_FULL}) (?:office|headquarters|orchestra|Orchestra|shareholder)s?\b"),
    re.compile(
        rf"\b({_FULL}) (?:is headquartered|was founded|is the brainchild|announced|acquired)\b"
    ),
)
"""Organisations, in English, by who works there and what becomes of them."""
LISTED = re.compile(rf"{_FULL}(?:, {_FULL})*,? (?:and|or|&) {_FULL}")
"""Names side by side, which are of one kind."""
