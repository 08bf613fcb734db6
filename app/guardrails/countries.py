"""Names of countries and of parts of some, in English."""

COUNTRIES = frozenset(
    name.strip()
    for name in """
    afghanistan, albania, algeria, andorra, angola, antigua and barbuda, argentina, armenia,
    australia, austria, azerbaijan, bahamas, bahrain, bangladesh, barbados, belarus,
    belgium, belize, benin, bhutan, bolivia, bosnia and herzegovina, botswana, brazil,
    brunei, bulgaria, burkina faso, burundi, cambodia, cameroon, canada, cape verde, chad,
    chile, china, colombia, comoros, congo, costa rica, croatia, cuba, cyprus, czech
    republic, czechia, denmark, djibouti, dominica, dominican republic, ecuador, egypt, el
    salvador, equatorial guinea, eritrea, estonia, eswatini, ethiopia, fiji, finland,
    france, gabon, gambia, georgia, germany, ghana, greece, greenland, grenada, guatemala,
    guinea, guinea-bissau, guyana, haiti, honduras, hong kong, hungary, iceland, india,
    indonesia, iran, iraq, ireland, israel, italy, ivory coast, jamaica, japan, jordan,
    kazakhstan, kenya, kiribati, kosovo, kuwait, kyrgyzstan, laos, latvia, lebanon, lesotho,
    liberia, libya, liechtenstein, lithuania, luxembourg, macau, madagascar, malawi,
    malaysia, maldives, mali, malta, mauritania, mauritius, mexico, micronesia, moldova,
    monaco, mongolia, montenegro, morocco, mozambique, myanmar, namibia, nauru, nepal,
    netherlands, new zealand, nicaragua, niger, nigeria, north korea, north macedonia,
    norway, oman, pakistan, palau, palestine, panama, papua new guinea, paraguay, peru,
    philippines, poland, portugal, qatar, romania, russia, rwanda, saint lucia, samoa, san
    marino, saudi arabia, senegal, serbia, seychelles, sierra leone, singapore, slovakia,
    slovenia, solomon islands, somalia, south africa, south korea, south sudan, spain, sri
    lanka, sudan, suriname, sweden, switzerland, syria, taiwan, tajikistan, tanzania,
    thailand, togo, tonga, trinidad and tobago, tunisia, turkey, turkmenistan, tuvalu,
    uganda, ukraine, united arab emirates, united kingdom, great britain, england, scotland,
    wales, northern ireland, united states, united states of america, usa, uruguay,
    uzbekistan, vanuatu, vatican, venezuela, vietnam, yemen, zambia, zimbabwe, swaziland,
    burma, republic of ireland, people's republic of china
    """.replace("\n", " ").split(",")
)
_ALSO_SOMETHING_ELSE = frozenset(
    ("chad", "georgia", "guinea", "jordan", "mali", "niger", "turkey", "panama", "monaco", "wales")
)
CERTAIN = tuple(
    name.title().replace(" And ", " and ").replace(" Of ", " of ").replace("'S ", "'s ")
    for name in sorted(COUNTRIES - _ALSO_SOMETHING_ELSE, key=lambda name: (-len(name), name))
)
"""Those that are hardly ever anything but a country, as they are written, longest first."""
