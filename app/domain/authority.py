"""Whether words go against a behaviour, as far as a rule can see it without understanding them."""

import re

_SENTENCE = re.compile(r"[.!?;:\n]+\s*")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][a-z]+)?")
_SET_ASIDE = re.compile(
    r"\b(?:ignor(?:e|es|ing)|disregard(?:s|ing)?|forget(?:s|ting)?|skip(?:s|ping)?|"
    r"overrid(?:e|es|ing)|drop(?:s|ping)?|instead of|no (?:longer|need to))\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:do not|don['\u2019]t|never|must not|need not|without|avoid|stop|not)\b", re.IGNORECASE
)
_LITTLE = frozenset(
    """
    about after again also always answer anything because before being could does doing don't every
    first from give have here into instead just know like make more must never only other over rely
    says should some such than that their them then there these they this those unless until using
    very what when where which while will with without would your
    """.split()  # noqa: SIM905  # a list of words is read more easily without quotation marks
)
_LEAST_LETTERS = 4
_ENDING = re.compile(r"(?<=...)(?:ing|es|ed|s|e)$")
"""Without it, forms of a word are the same: quote, quotes, quoting."""
_SHARED = 2
"""So many words a sentence must share with a behaviour to speak of it."""


def goes_against(text: str, instruct: str) -> bool:
    """Whether a sentence of a text tells to leave what a behaviour says.

    A sentence does that where it shares two words with one of the behaviour's sentences, and sets
    it aside (``ignore``, ``skip``) or negates it (``do not``) where the behaviour does not. It is
    English alone, and sees nothing that is said in other words.
    """
    return any(
        _is_against(said, told)
        for said in _SENTENCE.split(text)
        for told in _SENTENCE.split(instruct)
    )


def _is_against(said: str, told: str) -> bool:
    if len(_stems(said) & _stems(told)) < _SHARED:
        return False
    if _SET_ASIDE.search(said):
        return not _SET_ASIDE.search(told)
    return bool(_NEGATED.search(said)) and not _NEGATED.search(told)


def _stems(text: str) -> set[str]:
    words = (word.lower() for word in _WORD.findall(text))
    listed = (word for word in words if len(word) >= _LEAST_LETTERS and word not in _LITTLE)
    return {_ENDING.sub("", word) for word in listed}
