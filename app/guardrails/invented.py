"""Names that were made up, in parts that are put together: no list of people was used.

Words stand between blanks; of Chinese, every character is a part.
"""

FIRST = (
    "Alder Briony Caspian Delphine Elowen Fenwick Galen Hesper Isaura Jorunn Kestrel Linnea "
    "Marlow Nerys Orsino Perrin Quillon Rowena Soren Tamsin Ulric Verity Wystan Xanthe Yarrow "
    "Zephyra Amabel Bertran Corisande Drusilla Evander Florian Gwendal Hyacinth Ismene Jocasta "
    "Lysander Melisande Niamh Octavian Philippa Rosalind Seraphin Thaddea Ursel Viola Winifred"
)
"""Given names that few people have."""

FAMILY = (
    "Amber Barley Bramble Candle Copper Damson Ember Fallow Garland Heather Juniper Kettle Lantern "
    "Mallow Nettle Ostler Pebble Quince Russet Saffron Tansy Umber Velvet Willow"
)
FAMILY_ENDS = "bourne croft dale feather garth hollow ridge shaw thorpe wick worth yard"

PLACE = (
    "Alber Bracken Cinder Dapple Elm Fother Gorse Hazel Iver Kelp Larks Mistle Nether Otter Plover "
    "Rushy Sedge Thrum Upper Wether"
)
PLACE_ENDS = "brook bury cove fell field ham haven mere moor stead"

STREETS = "Lane Row Walk Close Rise Green Terrace Court"
FIRMS = "Works Foundry Traders Partners Mills Press Outfitters Instruments"

SURNAMES_HAN = "亓仉佴逄禚璩帛狄鞠邸衡臧"
"""Family names that few people have; all of one character, so that no name begins another."""
GIVEN_HAN = "砚棠禾屿笙澜芷珩霁窈鹭岑苓汀晞桁"
PLACE_HAN = "柳枫鹤苇石云霜杏松鹿"
PLACE_ENDS_HAN = "溪湾坡渡岭洲"
