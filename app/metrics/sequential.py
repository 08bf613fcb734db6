"""Intervals that hold however often one looks: for canaries, which are looked at all the time.

An ordinary interval is right once, on a day that was fixed before; whoever looks at it every hour
and stops when it pleases is wrong far more often than 5 % of the time. A confidence sequence covers
the true mean at all times together with 95 %.

There are two here, each of which may be wrong half as often, and what both leave is the interval.
The first is narrow where values are yes or no, the second where they vary less than that:

- the likelihood of the values under a mean, against that of a mixture of all means (Jeffreys'
  beta): H. Robbins, "Statistical Methods Related to the Law of the Iterated Logarithm", Annals of
  Mathematical Statistics 41 (1970). It holds for all values in [0, 1], as the ratio is convex in
  the value: S. R. Howard, A. Ramdas, J. McAuliffe and J. Sekhon, "Time-uniform, Nonparametric,
  Nonasymptotic Confidence Sequences", Annals of Statistics 49 (2021).
- the empirical Bernstein sequence: I. Waudby-Smith and A. Ramdas, "Estimating Means of Bounded
  Random Variables by Betting", Journal of the Royal Statistical Society B 86 (2024), theorem 2.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Self

from app.metrics.intervals import CONFIDENCE

_LARGEST_BET = 0.5
_LEVEL = 1 - CONFIDENCE
_STEPS = 40
"""Halvings, until an end is known to twelve decimals."""


@dataclass(frozen=True, slots=True)
class ConfidenceSequence:
    """The mean of values in [0, 1], however many have come. All of it is numbers: keep it as JSON.

    Values must come in an order that says nothing of them, each from the same mean given those
    before; a session is one value, not one for each of its requests.
    """

    level: float = _LEVEL
    """How often it may be wrong, over all times together."""
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    """Of how far each value was from the mean before and with it."""
    bets: float = 0.0
    bet_total: float = 0.0
    """Values times their bets."""
    wander: float = 0.0
    """What the bets could lose by chance."""
    low: float = 0.0
    high: float = 1.0
    """What the second sequence has left so far: what was once excluded stays excluded."""

    @property
    def point(self) -> float:
        """The mean so far; half where nothing has come."""
        return self.total / self.count if self.count else 0.5

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true mean lies."""
        allowed = math.log(2 / self.level)
        return _both(
            (self.low, self.high),
            (
                _edge(lambda mean: self.against(mean) <= allowed, self.point, 0.0),
                _edge(lambda mean: self.against(mean) <= allowed, self.point, 1.0),
            ),
        )

    def against(self, mean: float) -> float:
        """The logarithm of how much likelier the values are under some mean than under this one."""
        missed = self.count - self.total
        if (mean <= 0 and self.total > 0) or (mean >= 1 and missed > 0):
            return math.inf
        mixture = (
            math.lgamma(self.total + 0.5)
            + math.lgamma(missed + 0.5)
            - math.lgamma(self.count + 1)
            - math.log(math.pi)
        )
        hits = self.total * math.log(mean) if self.total else 0.0
        return mixture - hits - (missed * math.log1p(-mean) if missed else 0.0)

    def after(self, value: float) -> Self:
        """With one more value.

        Raises:
            ValueError: It is not in [0, 1].
        """
        if not 0 <= value <= 1:
            raise ValueError("a value must be in [0, 1]")
        count, allowed = self.count + 1, math.log(4 / self.level)  # two sides of half the level
        expected = (0.5 + self.total) / count
        variance = (0.25 + self.squares) / count
        bet = min(math.sqrt(2 * allowed / (variance * count * math.log(count + 1))), _LARGEST_BET)
        total = self.total + value
        mean = (0.5 + total) / (count + 1)
        bets = self.bets + bet
        bet_total = self.bet_total + bet * value
        wander = self.wander + (value - expected) ** 2 * (-math.log(1 - bet) - bet)
        reach = (allowed + wander) / bets
        return replace(
            self,
            count=count,
            total=total,
            squares=self.squares + (value - mean) ** 2,
            bets=bets,
            bet_total=bet_total,
            wander=wander,
            low=max(self.low, bet_total / bets - reach),
            high=min(self.high, bet_total / bets + reach),
        )

    def after_all(self, values: Iterable[float]) -> Self:
        """With more values, in order."""
        state = self
        for value in values:
            state = state.after(value)
        return state


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of one arm less that of another, both of values in [0, 1], at any time.

    It may be wrong as often as both arms together may. The likelihoods of both arms are looked at
    as one, which leaves much less than an interval of each would.
    """

    control: ConfidenceSequence = ConfidenceSequence(_LEVEL / 2)
    treated: ConfidenceSequence = ConfidenceSequence(_LEVEL / 2)

    @property
    def point(self) -> float:
        """What the treated arm has more than the control."""
        return self.treated.point - self.control.point

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true difference lies."""
        allowed = math.log(2 / (self.control.level + self.treated.level))
        low, high = self.treated.low - self.control.high, self.treated.high - self.control.low
        return _both(
            (low, high),
            (
                _edge(lambda more: self.against(more) <= allowed, self.point, -1.0),
                _edge(lambda more: self.against(more) <= allowed, self.point, 1.0),
            ),
        )

    def against(self, more: float) -> float:
        """The logarithm of how much likelier the values are than under any two means so far apart.

        Args:
            more: What the treated arm's mean has more, in [-1, 1].
        """
        least, most = max(0.0, -more), min(1.0, 1 - more)
        # Convex in the control's mean: where it falls, the best one is further on.
        for _ in range(_STEPS):
            middle = (least + most) / 2
            slope = _slope(self.control, middle) + _slope(self.treated, middle + more)
            least, most = (middle, most) if slope < 0 else (least, middle)
        middle = (least + most) / 2
        return self.control.against(middle) + self.treated.against(middle + more)


def _slope(of: ConfidenceSequence, mean: float) -> float:
    missed = of.count - of.total
    up = math.inf if missed and mean >= 1 else missed / (1 - mean) if missed else 0.0
    down = math.inf if of.total and mean <= 0 else of.total / mean if of.total else 0.0
    return up - down


def _edge(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """How far from a place inside it holds, towards the outside; the outer side of the edge."""
    if holds(outside):
        return outside
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return outside


def _both(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """What both leave. Where they exclude one another, one is wrong, which is rare: the middle."""
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low <= high else ((low + high) / 2,) * 2
