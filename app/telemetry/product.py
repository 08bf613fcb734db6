"""Product metrics as Prometheus reads them: what the last look at live traffic found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

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


@dataclass(frozen=True, slots=True, eq=False)
class Looked(Collector):
    """A look at live traffic that went well."""

    at: datetime
    exchanges: int
    is_whole: bool
    """Nothing was left out for lack of bounds."""
    estimates: Sequence[Estimate]
    changes: Sequence[Change]

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All numbers of the look."""
        yield from _families(
            _METRIC,
            [each.labels for each in self.estimates],
            {
                ("metric", "A product metric over the window."): [
                    each.point for each in self.estimates
                ],
                ("metric_lower", "Lower end of its 95 % interval."): [
                    each.low for each in self.estimates
                ],
                ("metric_upper", "Upper end of its 95 % interval."): [
                    each.high for each in self.estimates
                ],
                ("metric_scored", "Sessions that it was measured on."): [
                    each.scored for each in self.estimates
                ],
                ("metric_not_scored", "What it could not be measured on."): [
                    each.missed for each in self.estimates
                ],
            },
        )
        yield from _families(
            _DRIFT,
            [each.labels for each in self.changes],
            {
                (
                    "drift_p_value",
                    "How likely so large a change is by chance, corrected for all looked at.",
                ): [each.p for each in self.changes],
                (
                    "drift_timestamp_seconds",
                    "When the first session after the likeliest change began.",
                ): [each.at.timestamp() for each in self.changes],
                ("drift_before", "The metric until the change."): [
                    each.before for each in self.changes
                ],
                ("drift_after", "The metric since the change."): [
                    each.after for each in self.changes
                ],
                ("drift_is_worse", "1 where the metric moved the way it should not."): [
                    each.is_worse for each in self.changes
                ],
                ("drift_scored", "Sessions that were looked at for it."): [
                    each.scored for each in self.changes
                ],
            },
        )
        yield from _families(
            (),
            [()],
            {
                ("look_timestamp_seconds", "When live metrics were last made."): [
                    self.at.timestamp()
                ],
                ("look_exchanges", "Exchanges that they were made from."): [self.exchanges],
                ("look_is_whole", "1 where nothing was left out for lack of bounds."): [
                    self.is_whole
                ],
            },
        )


def _families(
    names: Sequence[str],
    labels: Sequence[Sequence[str]],
    values: Mapping[tuple[str, str], Sequence[float]],
) -> Iterator[GaugeMetricFamily]:
    for (name, what), found in values.items():
        family = GaugeMetricFamily(f"banneton_{name}", what, labels=names)
        for each, value in zip(labels, found, strict=True):
            family.add_metric(each, value)
        yield family


def written(looked: Looked) -> bytes:
    """A look as text, written once: there are many numbers, and scrapes come often."""
    registry = CollectorRegistry()
    registry.register(looked)
    return generate_latest(registry)
