"""How alike two texts are: measures that run here, take no model's word, and are published."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from app.catalog.check_file import Measure
from app.domain.errors import DetectorError
from app.guardrails.detectors.length import words_of
from app.guardrails.topic_space import space

_ORDER = 6
_BETA = 2


def likeness(measure: Measure, text: str, good: Sequence[str]) -> float:
    """In [0, 1]: with the most alike of the good texts.

    Raises:
        DetectorError: What the measure needs is not installed.
    """
    return max(_MEASURES[measure](text, each) for each in good)


def chrf(text: str, good: str) -> float:
    """Shared runs of 1 to 6 characters, blanks left out: the F2 of mean precision and mean recall.

    Orders for which a text is too short are left out of the means. As with chrF++'s
    reference implementation, a very short text is therefore judged by its short runs alone.

    Source: M. Popovic, "chrF: character n-gram F-score for automatic MT evaluation", WMT 2015.
    """
    precisions, recalls = [], []
    ours, theirs = "".join(text.split()), "".join(good.split())
    for order in range(1, _ORDER + 1):
        said, wanted = _runs(ours, order), _runs(theirs, order)
        if not said or not wanted:
            continue
        shared = (said & wanted).total()
        precisions.append(shared / said.total())
        recalls.append(shared / wanted.total())
    if not precisions:
        return float(ours == theirs)
    precision, recall = (sum(each) / len(each) for each in (precisions, recalls))
    if not precision + recall:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)


def _runs(text: str, order: int) -> Counter[str]:
    return Counter(text[start : start + order] for start in range(len(text) - order + 1))


def rouge_l(text: str, good: str) -> float:
    """The longest common subsequence of words, as an F1. Chinese characters are words.

    Source: C.-Y. Lin, "ROUGE: a package for automatic evaluation of summaries", 2004.
    """
    said, wanted = (words_of(each.casefold()) for each in (text, good))
    if not said or not wanted:
        return float(said == wanted)
    shared = _longest_common(said, wanted)
    return 2 * shared / (len(said) + len(wanted))


def _longest_common(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Length of the longest common subsequence, one bit for each word of ``ours``.

    Source: H. Hyyro, "Bit-parallel LCS-length computation revisited", 2004.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(ours):
        places[word] = places.get(word, 0) | 1 << place
    every = (1 << len(ours)) - 1
    row = every
    for word in theirs:
        matched = row & places.get(word, 0)
        row = (row + matched | row - matched) & every
    return len(ours) - row.bit_count()


def meaning(text: str, good: str) -> float:
    """The cosine of two places in the space that topics are told apart in; never below 0.

    Raises:
        DetectorError: The extra is not installed.
    """
    try:
        (ours, theirs) = space("meaning").vectors([text, good])
    except DetectorError as exc:
        raise DetectorError(f"similar: {exc}") from None
    return min(max(float(ours @ theirs), 0.0), 1.0)


_MEASURES: Mapping[Measure, Callable[[str, str], float]] = {
    Measure.CHRF: chrf,
    Measure.ROUGE_L: rouge_l,
    Measure.MEANING: meaning,
}
