"""Whether a judge may be believed: how often it says what people said, beyond chance."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from app.metrics.intervals import Share

LEAST_KAPPA = 0.6
"""What is above this is called substantial by J. R. Landis and G. G. Koch, "The Measurement of
Observer Agreement for Categorical Data", Biometrics 33 (1977)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of a judge with labels of people, over answers that both judged."""

    share: Share
    """How often both said the same."""
    expected: float
    """How often they would by chance, each saying what it says as often as it does."""
    missed: int = 0
    """Answers that the judge gave no verdict on."""

    @property
    def kappa(self) -> float | None:
        """Agreement beyond chance: 1 is full, 0 is chance; none where chance alone explains all.

        Source: J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and
        Psychological Measurement 20 (1960).
        """
        return self._beyond_chance(self.share.point)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true kappa lies with 95 % confidence, taking the chance agreement as known."""
        low, high = (self._beyond_chance(bound) for bound in self.share.interval)
        return (-1.0 if low is None else max(low, -1.0)), (1.0 if high is None else high)

    @property
    def may_gate(self) -> bool:
        """Whether a metric of this judge may stop a merge.

        The whole interval of kappa must lie above ``LEAST_KAPPA``, so that a judge that was tried
        on few answers may not; and answers on which it said nothing count as disagreement.
        """
        if self.missed:
            whole = Share(self.share.hits, self.share.of + self.missed)
            return Agreement(whole, self.expected).may_gate
        return self.interval[0] >= LEAST_KAPPA

    def _beyond_chance(self, share: float) -> float | None:
        if self.expected >= 1 or not self.share.of:
            return None
        return (share - self.expected) / (1 - self.expected)


def agreement(pairs: Iterable[tuple[Hashable, Hashable | None]]) -> Agreement:
    """How a judge agrees with people.

    Args:
        pairs: What people said, and what the judge said; none where it gave no verdict.
    """
    listed = list(pairs)
    both = [(label, verdict) for label, verdict in listed if verdict is not None]
    said, judged = (Counter(each[side] for each in both) for side in (0, 1))
    by_chance = sum(said[label] * judged[label] for label in said) / max(len(both), 1) ** 2
    same = sum(label == verdict for label, verdict in both)
    return Agreement(Share(same, len(both)), by_chance, len(listed) - len(both))
