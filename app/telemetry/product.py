"""Gauges of product metrics: what the last look at live traffic found."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

_METRIC = ("metric", "persona", "variant", "catalog")
_DRIFT = ("metric", "persona")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric of a group of tasks."""

    labels: tuple[str, str, str, str]
    """Metric, persona, variant (empty for none) and catalog."""
    point: float
    """Not a number where nothing was scored."""
    low: float
    high: float
    scored: int
    """Sessions, and requests without one."""
    missed: int


@dataclass(frozen=True, slots=True)
class Change:
    """Where a metric of a persona changed most."""

    labels: tuple[str, str]
    """Metric and persona."""
    at: datetime
    before: float
    after: float
    p: float
    scored: int
    is_worse: bool


class ProductGauges:
    """What the last look found. The one before it is forgotten, with its labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Begin with nothing: no look, no number."""

        def gauge(name: str, what: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(f"banneton_{name}", what, labels, registry=registry)

        self._point = gauge("metric", "A product metric over the window.", _METRIC)
        self._low = gauge("metric_lower", "Lower end of its 95 % interval.", _METRIC)
        self._high = gauge("metric_upper", "Upper end of its 95 % interval.", _METRIC)
        self._scored = gauge("metric_scored", "Sessions that it was measured on.", _METRIC)
        self._missed = gauge("metric_not_scored", "What it could not be measured on.", _METRIC)
        self._p = gauge(
            "drift_p_value",
            "How likely so large a change is by chance, corrected for all that is looked at.",
            _DRIFT,
        )
        self._at = gauge(
            "drift_timestamp_seconds", "When the first session after the change began.", _DRIFT
        )
        self._before = gauge("drift_before", "The metric until the change.", _DRIFT)
        self._after = gauge("drift_after", "The metric since the change.", _DRIFT)
        self._is_worse = gauge(
            "drift_is_worse", "1 where the metric moved the way it should not.", _DRIFT
        )
        self._sessions = gauge("drift_scored", "Sessions that were looked at for it.", _DRIFT)
        self._looked = gauge("look_timestamp_seconds", "When live metrics were last made.")
        self._exchanges = gauge("look_exchanges", "Exchanges that they were made from.")
        self._is_whole = gauge(
            "look_is_whole", "1 where nothing of the window was left out for lack of bounds."
        )
        self._failures = Counter(
            "banneton_look_failures", "Looks at live metrics that failed.", registry=registry
        )

    def set(self, estimates: Iterable[Estimate], changes: Iterable[Change]) -> None:
        """Take these for what was there."""
        for each in (self._point, self._low, self._high, self._scored, self._missed):
            each.clear()
        for one in estimates:
            self._point.labels(*one.labels).set(one.point)
            self._low.labels(*one.labels).set(one.low)
            self._high.labels(*one.labels).set(one.high)
            self._scored.labels(*one.labels).set(one.scored)
            self._missed.labels(*one.labels).set(one.missed)
        drifts = (self._p, self._at, self._before, self._after, self._is_worse, self._sessions)
        for each in drifts:
            each.clear()
        for change in changes:
            self._p.labels(*change.labels).set(change.p)
            self._at.labels(*change.labels).set(change.at.timestamp())
            self._before.labels(*change.labels).set(change.before)
            self._after.labels(*change.labels).set(change.after)
            self._is_worse.labels(*change.labels).set(change.is_worse)
            self._sessions.labels(*change.labels).set(change.scored)

    def looked(self, at: datetime, exchanges: int, *, is_whole: bool) -> None:
        """Note a look that went well."""
        self._looked.set(at.timestamp())
        self._exchanges.set(exchanges)
        self._is_whole.set(is_whole)

    def failed(self) -> None:
        """Count a look that failed."""
        self._failures.inc()
