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
BEFORE_ORGANIZATION = re.compile(
    r"\b(?:work(?:s|ed|ing)? (?:for|at)|employed (?:by|at)|ceo of|founder of|office of|company"
    r"|firm)[ ]+$",
    re.IGNORECASE,
)
BEFORE_PLACE = re.compile(
    r"\b(?:liv(?:e|es|ed|ing) in|based in|born in|moved (?:here )?(?:to|from)|grew up in|arrived at"
    r"|(?:city|town|capital) of|home city|travel(?:l?ed|l?ing)? to|flight to|trip to"
    r"|originally from"
    r"|fl(?:y|ew|ying) to|weather in|located in|i['’]?m in|i am in)[ ]+(?:the )?$",
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
