"""Telephone numbers: Presidio's recognizer on one run of digits at a time."""

import re
from collections.abc import Iterator

import phonenumbers
from presidio_analyzer import AnalysisExplanation, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts
from presidio_analyzer.predefined_recognizers import PhoneRecognizer
from typing_extensions import override

from app.guardrails.recognizers import shapes

_REGIONS = ("US", "GB", "DE", "FR", "IL", "IN", "BR", "CN", "ES", "IT")
"""Canada shares the plan of the United States."""
_OTHER = re.compile(
    r"\d{1,3}\.\d{5,}"  # a fraction
    r"|(?:\d{1,3}\.){3}\d{1,3}"  # an address on the net
    r"|\(?(?:\d{4}[-\u2010-\u2013]\d{4}|\d+00[-\u2010-\u2013]\d+00)"  # a range
    r"|(?:19|20)\d\d([-/.])\d\d?\1\d\d?\b.*"  # a date, perhaps with the hour
    r"|\d\d?([-/.])\d\d?\2(?:19|20)\d\d"  # a date
    r"|\d{3}-\d{2}-\d{4}"  # a social security number
    r"|\d{3}-\d{7}-\d{7}"  # an order at a large shop
    r"|(?!00)\d{14,}|\d{4}([ -])\d{4}\3\d{4}\3\d{1,7}",  # a card or an account
    re.ASCII,
)
"""Runs that are something else as a whole."""
_SUM = re.compile(r"\d+\.\d+|(?=.*\.)(?=.*[ (-]).*", re.ASCII)
"""One point, or points among other separators: sums of money and columns of figures."""
_FIGURE = re.compile(r"(?<![\d.])\d+\.\d+(?![\d.])", re.ASCII)
_BARE = re.compile(r"\d{7,15}", re.ASCII)
"""Digits alone: as often an order or a time as a telephone. ``phonenumbers`` takes 0.3 ms to
say no to one, which a column of numbers in a file would multiply."""
_BARE_FORMS = (
    ("Chinese mobile", 0.4, re.compile(r"1[3-9]\d{9}", re.ASCII)),
    (
        "digits as plans have them",
        0.3,
        re.compile(r"1?[2-9]\d{2}[2-9]\d{6}|00?\d{8,12}|[6-9]\d{8,9}", re.ASCII),
    ),
    ("digits", 0.05, _BARE),
)
"""By falling score; the latter two count only after a word."""
_AMERICAN = re.compile(
    r"\b(?:(?:00)?1[-. ])?(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}"
    r"(?: ?(?:x|ext\.?) ?\d{1,6})?\b",
    re.ASCII,
)
_EASTERN = re.compile(
    r"\b(?:0[5789]0-\d{4}-\d{4}|0[1-9]-\d{4}-\d{4}|0[1-9]\d-\d{3}-\d{4}|0[1-9]\d{2}-\d{2}-\d{4}"
    r"|0120-\d{3}-\d{3}|01[016-9][- ]\d{3,4}[- ]\d{4}|0(?:2|[3-6]\d)-\d{3,4}-\d{4}"
    r"|09\d{2}[- ]\d{3}[- ]\d{3}|1[3-9]\d[- ]\d{4}[- ]\d{4})\b|\(0[2-8]\) ?\d{3,4}[- ]\d{4}\b",
    re.ASCII,
)
"""Japan, Korea, Taiwan and China."""
_GROUPS = re.compile(
    r"\b(?:\(\d{1,4}\)|\d{1,4})(?:[ -]\d{2,4}){1,4}\b|\b\d{2,4}[ -]\d{5,8}\b", re.ASCII
)
"""What people write as a telephone number although no plan knows it; counts only after a word."""
_SCORE, _GROUPS_SCORE = 0.4, 0.05
_POSSIBLE, _VALID = 0, 1
"""How strict ``phonenumbers`` is: a length that occurs, or a number that a plan has."""

Number = tuple[int, int, float, str]


class RunPhoneRecognizer(PhoneRecognizer):
    """Presidio's, region by region until nothing is left of a run.

    A number that begins with ``+`` needs no region and no more than a possible length.
    """

    _runs = re.compile(shapes.NUMBER, re.ASCII)

    def __init__(self) -> None:
        super().__init__(supported_regions=_REGIONS)

    @override
    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        del entities, nlp_artifacts  # there is one kind, and no tokens are read
        results = []
        for run in self._runs.finditer(text):
            start, end = run.span()
            if _OTHER.fullmatch(text, start, end):
                continue
            before = max(0, start - 1)
            sign = text[before:start]
            # A digit before a bracket would join the number that the bracket begins.
            around = ("_" if sign.isdigit() else sign) + text[start : end + 1]
            for at, to, score, name in self._numbers(around, run[0]):
                why = AnalysisExplanation("PhoneRecognizer", score, pattern_name=name)
                results.append(
                    RecognizerResult("PHONE_NUMBER", before + at, before + to, score, why)
                )
        return results

    def _numbers(self, text: str, run: str) -> Iterator[Number]:
        if _BARE.fullmatch(run):
            at = text.index(run)
            name, score = next(
                (name, score) for name, score, form in _BARE_FORMS if form.fullmatch(run)
            )
            yield at, at + len(run), score, name
            return
        is_international = run.lstrip("(").startswith("+")
        if not is_international:
            for found in _AMERICAN.finditer(text):
                text = _without(text, *found.span())
                yield *found.span(), _SCORE, "American form"
            for found in _EASTERN.finditer(text):
                text = _without(text, *found.span())
                yield *found.span(), _SCORE, "form of East Asia"
            text = _FIGURE.sub(lambda figure: "\n" * len(figure[0]), text)
        for region in _REGIONS[:1] if is_international else _REGIONS:
            if sum(sign.isdigit() for sign in text) < shapes.LEAST_DIGITS:
                return
            leniency = _POSSIBLE if is_international else _VALID
            for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=leniency):
                text = _without(text, match.start, match.end)
                if is_international or not _SUM.fullmatch(match.raw_string):
                    yield match.start, match.end, _SCORE, f"plan of {region}"
        for found in _GROUPS.finditer(text):
            yield *found.span(), _GROUPS_SCORE, "groups of digits"


def _without(text: str, start: int, end: int) -> str:
    return text[:start] + "\n" * (end - start) + text[end:]
