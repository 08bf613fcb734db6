"""Which language a piece of text is in, as far as it decides who reads it."""

import re

HAN = re.compile("[\u4e00-\u9fff]")
_KANA_OR_HANGUL = re.compile("[\u3040-\u30ff\uac00-\ud7a3]")
_WORD = re.compile(r"[a-zà-ÿ]+(?:['’][a-z]+)?")
_ENGLISH = frozenset(
    """
    the of and to is was for that it with as his on be at by i this had not are but from or
    have an they which you were her she he there their we him been has when who will more no if
    out so said what up its about into than them can only other new some could time these two
    may then do first any my now such like our over me even most made after did many before
    must through your where much should how please would does because here's i'm what's don't
    can't it's let's who's hi hello dear name
    """.split()  # noqa: SIM905  # a list of words reads better than a list of strings
)
NO_NAMES = _ENGLISH | frozenset(
    """
    everyone everybody someone somebody nobody people who whoever god mom dad mother father teacher
    students experts scientists officials researchers doctors users critics fans here there yes no
    well then when where while although because if since however finally later today tomorrow
    yesterday another each every both its it's that's what which why how let once upon after before
    during under please thanks dear sir madam mr mrs ms dr prof chapter part figure table
    """.split()  # noqa: SIM905  # as above
)
"""English words that begin sentences and are never the first of a name."""
_OTHER = frozenset(
    """
    de numéro número numero sociale seguridad der die das und ist nicht ich sie mit den dem ein
    eine zu von auf für im bei aus wie le la les des et est une dans pour que qui sur pas au
    avec el los las y es en por con una del il che di per non sono della gli het een van niet
    dat op och att det är som på jag og er ikke til af o os um uma não com ve bir bu için ja
    nie się że je jsem bitte mein meine guten votre mon mes mi su sus
    """.split()  # noqa: SIM905  # a list of words reads better than a list of strings
)


def is_chinese(piece: str) -> bool:
    """Whether a Chinese model should read it: Han characters without kana or hangul."""
    return HAN.search(piece) is not None and _KANA_OR_HANGUL.search(piece) is None


def is_english(piece: str) -> bool:
    """Whether an English model should read it: Latin words, and those of other languages no more.

    A few words that tell nothing, such as a name alone on its line, count as English.
    """
    words = _WORD.findall(piece.lower())
    english = sum(word in _ENGLISH for word in words)
    other = sum(word in _OTHER for word in words)
    return bool(words) and english >= other
