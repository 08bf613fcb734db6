"""What is drawn of an overview, and the same as rows of a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

import orjson

from app.metrics.definitions import METRICS, Measurement
from app.metrics.live import Drift
from app.pipeline.overview import Overview, Seen, Stretch
from app.pipeline.report import UNLIKELY

MOST_SERIES = 5
"""More personas in one chart nobody could tell apart; the table of personas has them all."""
_LEAST_SHARE = 0.02
"""Personas with less of the traffic are in the table alone."""
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Point:
    """A number at one time."""

    value: float
    low: float | None = None
    high: float | None = None
    of: int = 0
    """On how much it rests."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart."""

    name: str
    """A persona, or ``p50``, ``p95`` and ``all``, for which there are words."""
    points: Sequence[Point | None]
    """One for each stretch of time; none where nothing was scored: a gap, not a zero."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A time that stands out."""

    at: datetime
    kind: str
    """``revision`` or ``change``."""
    name: str
    """The revision's digest, or the persona."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Something over time."""

    id: str
    unit: str
    """``share``, ``ms``, ``usd``, ``score`` or ``count``."""
    times: Sequence[datetime]
    series: Sequence[Series]
    marks: Sequence[Mark] = ()

    @property
    def is_scored(self) -> bool:
        """Whether there is any number to draw."""
        return any(point is not None for each in self.series for point in each.points)

    @property
    def plain(self) -> str:
        """As the script that draws it reads it: times, lines and marks, as lists in JSON.

        A line is its values, and the lower and upper ends of their intervals where there are any; a
        mark is its time, and whether it is a change.
        """
        first, second = (int(each.timestamp()) for each in self.times[:2])
        made = [
            [first, second - first, len(self.times)],
            [_columns(each.points) for each in self.series],
            [[int(each.at.timestamp()), each.kind == "change"] for each in self.marks],
        ]
        return orjson.dumps(made).decode()

    def rows(self) -> Sequence[tuple[datetime, Sequence[Point | None]]]:
        """A row for each time at which there is a number."""
        columns = [each.points for each in self.series]
        rows = zip(self.times, zip(*columns, strict=True), strict=True)
        return [(at, points) for at, points in rows if any(each is not None for each in points)]


def charts(seen: Overview, *, has_prices: bool) -> Sequence[Chart]:
    """All charts of an overview, in the order in which they stand."""
    times = [each.since for each in seen.stretches]
    few = seen.opened * _LEAST_SHARE
    personas = [name for name in seen.personas if seen.opened_by(name) >= few][:MOST_SERIES]
    revisions = _revisions(seen)
    made = [Chart("traffic", "count", times, _traffic(seen, personas), revisions)]
    for metric in ("refusal_rate", "failure_rate", "adherence", "satisfaction"):
        unit = "score" if metric == "satisfaction" else "share"
        series = [_of_metric(seen, persona, metric) for persona in personas]
        marks = [*revisions, *_changes(seen.drifts, metric)]
        made.append(Chart(metric, unit, times, series, marks))
    made.append(Chart("took", "ms", times, _quantiles(seen, _took), revisions))
    made.append(Chart("held", "ms", times, _quantiles(seen, _held), revisions))
    if has_prices:
        made.append(
            Chart("cost", "usd", times, [_of_metric(seen, each, "cost") for each in personas])
        )
    return made


def quantiles(values: Sequence[float]) -> tuple[float, float] | None:
    """The median and the value that one in twenty exceeds; none of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) * 19 // 20, len(ordered) - 1)]


def point_of(measured: Measurement | None) -> Point | None:
    """What was measured, with its interval; none where nothing was scored."""
    if measured is None or measured.estimate is None:
        return None
    low, high = measured.estimate.interval
    return Point(
        measured.estimate.point,
        low if isfinite(low) else None,
        high if isfinite(high) else None,
        measured.estimate.of,
    )


def took_of(seen: Sequence[Seen]) -> Sequence[float]:
    """How long answers took, in milliseconds, that somebody waited for to their end."""
    return [value for each in seen if (value := _took(each)) is not None]


def held_of(seen: Sequence[Seen]) -> Sequence[float]:
    """The longest that text of each answer was held back, in milliseconds."""
    return [value for each in seen if (value := _held(each)) is not None]


def _took(each: Seen) -> float | None:
    return each.exchange.total_ms if each.is_answered and not each.exchange.is_refused else None


def _held(each: Seen) -> float | None:
    return each.held_ms if each.is_answered else None


def _traffic(seen: Overview, personas: Sequence[str]) -> Sequence[Series]:
    return [
        Series(
            persona,
            [Point(each.opened.get(persona, 0)) for each in seen.stretches],
        )
        for persona in personas
    ]


def _of_metric(seen: Overview, persona: str, metric: str) -> Series:
    by_time: Mapping[datetime | None, Measurement] = {
        line.group.since: line.measurement
        for line in seen.lines
        if line.group.persona == persona and line.measurement.metric is METRICS[metric]
    }
    return Series(persona, [point_of(by_time.get(each.since)) for each in seen.stretches])


def _quantiles(seen: Overview, value: Callable[[Seen], float | None]) -> Sequence[Series]:
    found = [_known(stretch, value) for stretch in seen.stretches]
    both = [quantiles(values) for values in found]
    return [
        Series(
            name,
            [
                None if pair is None else Point(pair[at], of=len(values))
                for pair, values in zip(both, found, strict=True)
            ],
        )
        for at, name in enumerate(("p50", "p95"))
    ]


def _known(stretch: Stretch, value: Callable[[Seen], float | None]) -> list[float]:
    return [found for each in stretch.seen if (found := value(each)) is not None]


def _revisions(seen: Overview) -> Sequence[Mark]:
    """Each revision once, where it first served anybody."""
    first: dict[str, datetime] = {}
    for each in seen.revisions:
        first.setdefault(each.catalog, each.since)
    return [Mark(at, "revision", catalog) for catalog, at in first.items()]


def _changes(drifts: Sequence[Drift], metric: str) -> Sequence[Mark]:
    return [
        Mark(each.at, "change", each.persona)
        for each in drifts
        if each.metric.id.partition(":")[0] == metric and each.p_adjusted < UNLIKELY
    ]


def _columns(points: Sequence[Point | None]) -> Sequence[Sequence[float | None]]:
    """Values and the ends of their intervals, each as a list."""
    values = [_rounded(None if each is None else each.value) for each in points]
    if not any(each is not None and each.low is not None for each in points):
        return [values]
    low = [_rounded(None if each is None else each.low) for each in points]
    return [values, low, [_rounded(None if each is None else each.high) for each in points]]


def _rounded(value: float | None) -> float | None:
    """As fine as it can be seen."""
    return None if value is None else float(f"{value:.{_DIGITS}g}")
