"""How streets, flats and postcodes are written, as bounded RE2 patterns.

A street address here is a street with a house number, a post office box, or a unit of a house, with
what follows of a town and a postcode on the same line. Each form needs the number and a word that
names a street, or a form that only addresses have; what else could be one counts only after a word
that says so. No address goes over the end of a line: each line of one is found by itself.
"""

import re

from app.guardrails.countries import CERTAIN

_BEYOND = "\u00c0-\u04ff"
"""Letters with accents, Greek and Cyrillic; of these any will do as a capital."""
_WORD = f"[A-Z{_BEYOND}][A-Za-z{_BEYOND}'’.-]{{0,15}}"
_NAME = f"(?:{_WORD}|[0-9]{{1,3}}(?:st|nd|rd|th))"
_LINK = (
    "(?:de|del|della|dei|degli|delle|di|da|do|dos|das|du|des|la|le|les|los|las|of|the|van|von|der"
    "|den|am|an|zu|zum|zur|y|e|et|en|sur)"
)
"""Small words inside names."""
_NAMES = f"(?:{_LINK} ){{0,2}}(?:[dlDL]['’])?{_WORD}(?: (?:{_LINK} ){{0,2}}{_WORD}){{0,3}}"
_NUMBER = "[0-9]{1,6}[A-Za-z]?(?:[-/][0-9]{1,4}[A-Za-z]?)?"

# United States Postal Service, Publication 28, appendix C1: the suffixes that streets have there,
# in two parts: those that name little else, and those that name other things as often.
_STREET_CERTAIN = (
    "Alley|Ave(?:nue)?|Boulevard|Blvd|Causeway|Crescent|Cres|Expressway|Freeway|Highway|Hwy|Lane|Ln"
    "|Mews|Motorway|Parkway|Pkwy|Road|Rd|Street|Str?|Terrace|Ter|Throughway|Trafficway|Turnpike"
    "|Drive|Dr"
    "|Stravenue|Cul-de-Sac"
)
_STREET_OTHER = (
    "Annex|Arcade|Bayou|Beach|Bend|Bluffs?|Bottom|Branch|Bridge|Brooks?|Burgs?|Bypass|Camp|Canyon"
    "|Cape|Centers?|Circles?|Cir|Cliffs?|Close|Club|Commons?|Corners?|Courts?|Ct|Coves?|Creek|Crest"
    "|Crossing|Crossroads?|Curve|Dale|Dam|Divide|Estates?|Extensions?|Falls?|Ferry|Fields?|Flats?"
    "|Fords?|Forest|Forges?|Forks?|Fort|Gardens?|Gateway|Glens?|Greens?|Groves?|Harbors?|Haven"
    "|Heights|Hills?|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?|Knolls?|Lakes?|Land|Landing|Lights?"
    "|Loaf|Locks?|Lodge|Loop|Mall|Manors?|Meadows?|Mills?|Mission|Mount|Mountains?|Neck|Orchard|Oval"
    "|Overpass|Parks?|Pass|Passage|Path|Pike|Pines?|Place|Pl|Plains?|Plaza|Points?|Ports?|Prairie"
    "|Quay|Radial|Ramp|Ranch|Rapids?|Rest|Ridges?|River|Roads|Route|Row|Rue|Run|Shoals?|Shores?|Skyway"
    "|Springs?|Spurs?|Squares?|Sq|Station|Stream|Streets|Summit|Trace|Track|Trail|Trl|Tunnel"
    "|Underpass|Unions?|Valleys?|Viaduct|Views?|Villages?|Ville|Vista|Walks?|Wall|Ways?|Wells?|Wharf"
)
_ENGLISH_CERTAIN = rf"(?:{_NAME} ){{1,4}}(?:{_STREET_CERTAIN})\b\.?"
_ENGLISH_OTHER = rf"(?:{_NAME} ){{1,3}}(?:{_STREET_OTHER})\b"

# The word for street ends the name or follows it, and the number comes last: German, Dutch, the
# Nordic languages, Hungarian, Lithuanian, Estonian.
_ENDING = (
    "straße|strasse|str\\.|weg|platz|allee|gasse|ufer|steig|graben|chaussee"
    "|promenade|stieg|pfad|straat|laan|plein|gracht|kade|dijk|singel|dreef|steenweg|gatan|vägen"
    "|gränd|torget|veien|vegen|vei|gata|gaten|vej|vænget|allé|stræde|katu"
    "|kuja|polku|vegur|stígur|utca|útja|-[Rr]ing|-[Dd]amm|-[Mm]arkt|-[Pp]ark"
)
_COMPOUND = rf"(?:{_WORD}[ -]){{0,3}}[A-Z{_BEYOND}][a-z{_BEYOND}'-]{{1,20}}(?:{_ENDING})"
_SEPARATE = rf"(?:{_WORD}[ -]){{1,3}}(?i:{_ENDING}|út|tér|u\.|g\.|pst|tn|mnt)"

# The word for street comes first: Romance and Slavic languages.


def _either_case(words: str) -> str:
    """Alternatives whose first letter may be a capital."""
    return "|".join(f"[{word[0].upper()}{word[0]}]{word[1:]}" for word in words.split())


_FIRST_NUMBERED = _either_case(
    "rue avenue boulevard bd place chemin allées? impasse quai route cours square passage ruelle"
    " sentier faubourg villa esplanade montée voie"
)
_FIRST = "CALLE|Via|" + _either_case(
    r"calle c/ avenida avda\.? av\. plaza plza\.? pza\.? paseo camino carretera ctra\.? ronda"
    r" travesía glorieta alameda callejón urbanización pasaje cañada cuesta vía rambla viale piazza"
    r" piazzale corso vicolo strada largo contrada borgo lungomare rotonda stretto canale salita"
    r" traversa rua travessa praça estrada rodovia ladeira carrer plaça passeig avinguda ulica ul\."
    r" aleja al\. plac os\. náměstí nám\. třída bulevardul"
)
_ROMANCE = rf"(?:{_FIRST}) {{0,2}}{_NAMES}"
_FRENCH = rf"(?:{_FIRST_NUMBERED}) {_NAMES}"

_UNIT = (
    r"(?i:apt|apartment|suite|ste|unit|flat|studio|room|rm|floor|fl|appartement|appartamento|piano"
    r"|piso|puerta|esc|wohnung|whg|top|lgh|interno|int|bâtiment|bat|étage|box|lot|apto|bloco|depto)"
    r"\.? ?#?[0-9]{1,5}[A-Za-z]?\b"
)
_UK_POSTCODE = "(?:GIR ?0AA|[A-PR-UWYZ][A-HK-Y]?[0-9][0-9A-HJKPSTUW]? ?[0-9][ABD-HJLNP-UW-Z]{2})"
_CA_POSTCODE = "[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z] [0-9][ABCEGHJ-NPRSTV-Z][0-9]"
_DIGITS = (
    "(?:[A-Z]{1,2}-)?"
    "(?:[0-9]{5}(?:-[0-9]{3,4})?|[0-9]{3} [0-9]{2}|[0-9]{4}(?:-[0-9]{3}| [A-Z]{2})?)"
)
POSTCODE = rf"\b(?:{_UK_POSTCODE}|{_CA_POSTCODE})\b"
"""Those that hardly anything else looks like: of the United Kingdom and of Canada."""
_ZIP = rf"(?:{_UK_POSTCODE}|{_CA_POSTCODE}|{_DIGITS})\b"
_BREAK = "(?:, ?| )"
_TOWN = rf"{_WORD}(?:[ -](?:{_LINK} )?{_WORD}){{0,3}}"
_PROVINCE = r"(?: \([A-Z]{2}\))"
_TAIL = (
    rf"(?:{_BREAK}{_UNIT}){{0,2}}"
    rf"(?:(?:{_BREAK}{_TOWN}){{0,2}}{_BREAK}(?:[A-Z]{{2}},? )?{_ZIP}"
    rf"(?:,? {_TOWN}{_PROVINCE}?)?)?"
)
_NUMBER_LAST = rf"(?:,? (?:n[ºo°]?\.? ?)?|, ){_NUMBER}\b"
_HOUSE = rf"\b{_NUMBER}(?: ?(?:bis|ter))?,? "
_BOX = (
    r"(?i:p\.? ?o\.? ?box|post office box|postfach|postbus|apartado(?: de correos)?|casella postale"
    r"|boîte postale|caixa postal|skrytka pocztowa)\.? #?[0-9]{1,6}\b"
)
_MILITARY = (
    r"(?i:(?:(?:PSC|CMR|Unit) [0-9]{1,5},? Box [0-9]{1,5}|(?:USN?[SV]|USNS|USCGC) " + _WORD + ")"
    r"(?:,? ?\n ?|, ?| )(?:APO|FPO|DPO),? A[AEP] [0-9]{5})\b"
)
"""Of armed forces. The only form that goes over the end of a line: both halves are certain."""
_LABEL = (
    r"\b(?i:addresse?s?|adresse|dirección|indirizzo|endereço|morada|anschrift|wohnhaft(?: in)?"
    r"|wohne(?: in)?|adres|osoite|lím|cím|residence|domicile|domicilio|demeurant(?: au)?|vivo en"
    r"|habite(?: au)?|abito in|located (?:at|on|in)|liv(?:e|es|ed|ing) (?:at|on|in)|moved to"
    r"|resid(?:e|es|ed|ing) (?:at|in)|ship(?:ped)?(?: it| them)? to|deliver(?:ed)?(?: it| them)? to"
    r"|(?:return|send|sent)(?: it| them)? to|drop(?:s|ped)? (?:me|you|us|it) off at|taxi to"
    r"|pick (?:me|you|us|it) up at|meet (?:me|you|us|them) at|offices? (?:is|are) (?:at|in|on))"
)
_AFTER_LABEL = r"(?: is| es| est| è| ist| to| with| lautet)?[\"']?(?: ?[:：=] ?| )[\"']? {0,6}"
_HEADS = (
    rf"{_HOUSE}{_ENGLISH_CERTAIN}",
    rf"\b{_COMPOUND} {_NUMBER}\b",
    rf"\b{_SEPARATE} {_NUMBER}\b",
    rf"{_HOUSE}{_FRENCH}",
    rf"(?:{_HOUSE})?\b{_ROMANCE}{_NUMBER_LAST}",
    rf"\b(?:{_ROMANCE}|{_FRENCH}),? {_ZIP} {_TOWN}",
    rf"(?:{_HOUSE})?\b{_BOX}",
    r"\b(?:[Aa]pt\.?|[Aa]partment|[Ss]uite) #?[0-9]{1,5}[A-Za-z]?\b",
    rf"\b{_TOWN}, [A-Z]{{2}} [0-9]{{5}}(?:-[0-9]{{4}})?\b",
    rf"{_HOUSE}(?:{_NUMBER} )?(?:{_NAME} ){{0,3}}{_WORD}(?: {_NUMBER})?{_BREAK}{_UNIT}",
    rf"\b{_UNIT},? {_WORD}(?: {_WORD}){{0,2}} (?:{_STREET_CERTAIN}|{_STREET_OTHER})\b",
)
_WITH_ZIP = rf"{_HOUSE}{_ENGLISH_OTHER}(?:, {_TOWN})?, (?:[A-Z]{{2}} )?{_ZIP}"
_PLAIN = (
    rf"(?:{_HOUSE}(?:{_NUMBER} )?(?:(?:{_NAME} ){{0,3}}{_WORD}|{_ROMANCE}|{_FRENCH})(?: {_NUMBER})?"
    rf"|(?:{_NAME} ){{1,3}}{_NUMBER}|{_ROMANCE}|{_FRENCH})\b"
)
COUNTRY = r"\b(?:" + "|".join(CERTAIN) + ") "
"""What the last line of an address begins with."""
LAST_LINE = rf"{COUNTRY}[0-9]{{5}}\b"
"""A country and a postcode; numbers of four digits are years."""
LABEL = _LABEL + _AFTER_LABEL
"""Words that say address, and what stands between them and one."""
_LABELLED = f"{LABEL}(?:{_PLAIN}|{_UNIT}|{_MILITARY})"
STREET = rf"(?:(?:{'|'.join(_HEADS)}|{_LABELLED}){_TAIL}|{_WITH_ZIP}|\b{_MILITARY})"
"""What hardly anything but an address reads like, and, after a word that says address, what reads
like other things too."""
LONGEST = 600
GOES_ON = re.compile(rf"\A(?=[^\n]{{{LONGEST}}})(?!.*(?:\b[a-z]+ ){{5}}[a-z]+)", re.DOTALL)
"""A line, longer than any address, that never reads like a sentence: a chain of addresses."""
