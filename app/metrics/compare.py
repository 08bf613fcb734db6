"""How metrics move between two samples of tasks, and whether that is more than noise."""

from dataclasses import dataclass
from enum import StrEnum

from app.metrics.definitions import Measurement, Metric

LEVEL = 0.05
"""How often a comparison may call noise a movement, over all its metrics together."""


class Verdict(StrEnum):
    """What a movement says."""

    BETTER = "better"
    WORSE = "worse"
    NOISE = "noise"
    """What was seen is what chance does, too. It does not prove that nothing moved."""
    TOO_FEW = "too_few"
    """So small a sample could show no movement, however large."""
    NOT_SCORED = "not_scored"
    """One of the samples says nothing of it."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A metric before and after."""

    metric: Metric
    before: Measurement
    after: Measurement
    difference: float | None
    """After less before, over the cases that are compared; none where it was not scored."""
    interval: tuple[float, float] | None
    """Where the true difference lies with 95 % confidence, of this metric alone."""
    p: float | None
    """How often chance alone would give a difference at least as large."""
    p_adjusted: float | None
    """The same, corrected for looking at many metrics."""
    of: int
    """How many cases were compared, or in unpaired samples how many the smaller one has."""
    detectable: float | None
    """The smallest difference that a sample like this shows four times in five; none where nobody
    can tell."""
    verdict: Verdict
