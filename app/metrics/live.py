"""Metrics of live traffic: by persona, variant and catalog over time, and when they changed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from app.metrics.chance import holm
from app.metrics.change_point import change_point
from app.metrics.definitions import Better, Measurement, Metric, measure, metrics_of, tallies
from app.metrics.observed import ObservedTask

FEWEST_TASKS = 20
"""For a change to be looked for. Fewer, and only a break of everything could be told from noise."""

_DRAWS = 49_999
"""So many that a change stands out among hundreds of series that are looked at together."""


class By(StrEnum):
    """What tasks are told apart by."""

    PERSONA = "persona"
    VARIANT = "variant"
    CATALOG = "catalog"


class Period(StrEnum):
    """How long a time is looked at as one, in UTC."""

    ALL = "all"
    DAY = "day"
    WEEK = "week"
    """From Monday."""


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks that are measured together; ``None`` where they are not told apart by it."""

    persona: str | None = None
    variant: str | None = None
    """Empty for tasks of no variant."""
    catalog: str | None = None
    since: datetime | None = None
    """When the period begins."""


@dataclass(frozen=True, slots=True)
class Line:
    """A metric of a group."""

    group: Group
    measurement: Measurement


@dataclass(frozen=True, slots=True)
class Drift:
    """Where a metric of a persona changed most, and how likely that is by chance."""

    persona: str
    metric: Metric
    at: datetime
    """When the first task after the change began."""
    catalog: str
    """That served this task."""
    before: float
    after: float
    p: float
    """As if nothing but this metric of this persona were looked at."""
    tasks: int
    p_adjusted: float = 1.0
    """Corrected for all that were looked at; as if nothing were known until that is done."""

    @property
    def is_worse(self) -> bool:
        """Whether the metric moved the way it should not."""
        is_higher = self.after > self.before
        return is_higher if self.metric.better is Better.LOWER else not is_higher


def started(task: ObservedTask) -> datetime:
    """When its first exchange was opened."""
    return task.exchanges[0].at


def grouped(
    tasks: Iterable[ObservedTask], by: Iterable[By], period: Period = Period.ALL
) -> Mapping[Group, Sequence[ObservedTask]]:
    """Tasks by group, ordered by persona, variant, period and catalog."""
    ways, found = frozenset(by), dict[Group, list[ObservedTask]]()
    for task in tasks:
        group = Group(
            persona=task.persona if By.PERSONA in ways else None,
            variant=(task.variant or "") if By.VARIANT in ways else None,
            catalog=task.catalog if By.CATALOG in ways else None,
            since=_began(started(task), period),
        )
        found.setdefault(group, []).append(task)
    return {group: found[group] for group in sorted(found, key=_order)}


def lines(
    groups: Mapping[Group, Sequence[ObservedTask]], wanted: frozenset[str] = frozenset()
) -> Iterator[Line]:
    """Every metric of every group that any of its tasks could have; only those wanted, if any."""
    for group, tasks in groups.items():
        for metric in metrics_of(tasks):
            if not wanted or metric.id in wanted:
                found = measure(metric, tasks)
                if found.estimate is not None or found.missed:
                    yield Line(group, found)


def changes(
    tasks: Sequence[ObservedTask], wanted: frozenset[str] = frozenset(), *, draws: int = _DRAWS
) -> Iterator[Drift]:
    """For each metric of each persona, where it changed most; none where there is too little.

    Personas with many tasks come first. Whoever looks at more than one must have them ``adjusted``.

    Args:
        tasks: In any order.
        wanted: Metrics by id; none at all asks for all of them.
        draws: How finely chance is told; fewer are enough where few series are looked at together.
    """
    groups = grouped(tasks, [By.PERSONA])
    for group in sorted(groups, key=lambda group: -len(groups[group])):
        by_time = sorted(groups[group], key=lambda task: (started(task), task.id))
        for metric in metrics_of(by_time):
            if not wanted or metric.id in wanted:
                drift = _drift(group.persona or "", metric, by_time, draws)
                if drift is not None:
                    yield drift


def adjusted(found: Sequence[Drift]) -> tuple[Drift, ...]:
    """The same, with p values corrected for how many were looked at."""
    ps = holm([each.p for each in found])
    return tuple(replace(each, p_adjusted=p) for each, p in zip(found, ps, strict=True))


def _drift(
    persona: str, metric: Metric, by_time: Sequence[ObservedTask], draws: int
) -> Drift | None:
    # By task, not by id: a session is one task of a persona, and ids are unique among these.
    by_id = tallies(metric, by_time)
    scored = [(task, by_id[task.id]) for task in by_time if by_id[task.id].bottom > 0]
    if len(scored) < FEWEST_TASKS:
        return None
    sums = [(tally.top, tally.bottom) for _, tally in scored]
    if len({top / bottom for top, bottom in sums}) == 1:
        return None  # it never moved
    change = change_point(sums, draws=draws)
    if change is None:
        return None
    first = scored[change.place][0]
    return Drift(
        persona,
        metric,
        started(first),
        first.catalog,
        change.before,
        change.after,
        change.p,
        len(scored),
    )


def _began(at: datetime, period: Period) -> datetime | None:
    if period is Period.ALL:
        return None
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day if period is Period.DAY else day - timedelta(days=day.weekday())


def _order(group: Group) -> tuple[str, str, float, str]:
    since = group.since.timestamp() if group.since is not None else 0.0
    return group.persona or "", group.variant or "", since, group.catalog or ""
