"""Intervals that hold however often one looks: for canaries, which are looked at all the time.

An ordinary interval is right once, on a day that was fixed before; whoever looks at it every hour
and stops when it pleases is wrong far more often than 5 % of the time. A confidence sequence covers
the true mean at all times together with 95 %.

Source: I. Waudby-Smith and A. Ramdas, "Estimating Means of Bounded Random Variables by Betting",
Journal of the Royal Statistical Society B 86 (2024), theorem 2 (the empirical Bernstein sequence
with predictable plug-in), arXiv:2010.09686.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from app.metrics.intervals import CONFIDENCE

_LARGEST_BET = 0.5
_LEVEL = 1 - CONFIDENCE


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
    """The narrowest interval so far: what was once excluded stays excluded."""

    @property
    def point(self) -> float:
        """The mean so far; half where nothing has come."""
        return self.total / self.count if self.count else 0.5

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true mean lies."""
        return self.low, self.high

    def after(self, value: float) -> Self:
        """With one more value.

        Raises:
            ValueError: It is not in [0, 1].
        """
        if not 0 <= value <= 1:
            raise ValueError("a value must be in [0, 1]")
        count = self.count + 1
        expected = (0.5 + self.total) / count
        variance = (0.25 + self.squares) / count
        bet = min(
            math.sqrt(2 * math.log(2 / self.level) / (variance * count * math.log(count + 1))),
            _LARGEST_BET,
        )
        total = self.total + value
        mean = (0.5 + total) / (count + 1)
        bets = self.bets + bet
        bet_total = self.bet_total + bet * value
        wander = self.wander + (value - expected) ** 2 * (-math.log(1 - bet) - bet)
        reach = (math.log(2 / self.level) + wander) / bets
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
    """The mean of one arm less that of another, both of values in [0, 1], at any time."""

    control: ConfidenceSequence = ConfidenceSequence(_LEVEL / 2)
    treated: ConfidenceSequence = ConfidenceSequence(_LEVEL / 2)
    """Each may be wrong half as often, so that the difference is right often enough."""

    @property
    def point(self) -> float:
        """What the treated arm has more than the control."""
        return self.treated.point - self.control.point

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true difference lies."""
        return self.treated.low - self.control.high, self.treated.high - self.control.low
