"""A report of product metrics on live traffic, as people ask for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.conversation import Json
from app.domain.errors import RequestError
from app.domain.prices import Prices
from app.ledger.closed import ClosedFilter
from app.ledger.ledger import Ledger
from app.metrics.definitions import metric_named
from app.metrics.live import By, Drift, Line, Period, adjusted, changes, grouped, lines
from app.pipeline.live import AT_ONCE, Pace, traffic

DEFAULT_DAYS = 7
_BY = "persona,variant"
_QUERY = frozenset({"since", "until", "persona", "metric", "by", "period"})
UNLIKELY = 0.01
"""A change is worth a look where chance alone makes one as large less often than this."""


@dataclass(frozen=True, slots=True)
class ReportWish:
    """What a report is to be about."""

    tenant: str | None
    """No default: a caller who may see one tenant's records must say so."""
    since: datetime
    until: datetime
    persona: str | None = None
    personas: frozenset[str] | None = None
    """Those that whoever asks may see; none is all of them."""
    metrics: frozenset[str] = frozenset()
    """By id; none at all asks for all of them."""
    by: tuple[By, ...] = (By.PERSONA,)
    period: Period = Period.ALL


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured."""

    wish: ReportWish
    exchanges: int
    sessions: int
    """Requests without a session count as one each."""
    is_whole: bool
    """Nothing of the time was left out."""
    lines: tuple[Line, ...]
    drifts: tuple[Drift, ...]
    """Where each metric of each persona changed most, p values corrected for all of them."""

    @property
    def has_worsened(self) -> bool:
        """Whether a metric changed for the worse, which chance alone would hardly do."""
        return any(each.is_worse and each.p_adjusted < UNLIKELY for each in self.drifts)


def wish_of(query: Mapping[str, str], tenant: str | None, now: datetime) -> ReportWish:
    """Read a wish from text.

    Raises:
        RequestError: A name or value makes no sense; values are not echoed.
    """
    for name in query:
        if name not in _QUERY:
            known = ", ".join(sorted(_QUERY))
            raise RequestError(f"there is no such filter; there are {known}", code="invalid_query")
    try:
        until = _time(query["until"]) if "until" in query else now
        since = _time(query["since"]) if "since" in query else until - timedelta(days=DEFAULT_DAYS)
        by = tuple(By(each) for each in _list(query.get("by", _BY)))
        period = Period(query.get("period", Period.ALL))
    except (ValueError, OverflowError):
        what = (
            "since, until, by or period: not a value that it can have; times are ISO 8601 with a "
            f"zone, by is a list of {', '.join(By)}, period one of {', '.join(Period)}"
        )
        raise RequestError(what, code="invalid_query") from None
    metrics = frozenset(_list(query.get("metric", "")))
    for name in metrics:
        try:
            metric_named(name)
        except KeyError:
            what = "metric: there is no such metric; 'banneton metrics --list' names them"
            raise RequestError(what, param="metric", code="invalid_query") from None
    persona = query.get("persona")
    return ReportWish(tenant, since, until, persona, metrics=metrics, by=by, period=period)


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time needs its zone")
    return time


def _list(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


async def report(
    ledger: Ledger,
    wish: ReportWish,
    prices: Prices,
    *,
    most: int | None = None,
    pace: Pace = AT_ONCE,
) -> Report:
    """Measure what went through; at most so many exchanges, the newest."""
    wanted = ClosedFilter(wish.tenant, wish.since, wish.until, wish.persona, wish.personas)
    found = await traffic(ledger, wanted, prices, most=most, pace=pace)
    groups = await pace.step(lambda: grouped(found.tasks, wish.by, wish.period))
    measured = await pace.steps(lines(groups, wish.metrics))
    drifted = await pace.steps(changes(found.tasks, wish.metrics))
    return Report(
        wish, found.exchanges, len(found.tasks), found.is_whole, tuple(measured), adjusted(drifted)
    )


def report_json(made: Report) -> Json:
    """A report as JSON values; what nobody knows is ``null``."""
    wish = made.wish
    return {
        "since": wish.since,
        "until": wish.until,
        "exchanges": made.exchanges,
        "sessions": made.sessions,
        "is_whole": made.is_whole,
        "metrics": list(rows(made.lines)),
        "changes": [_change(each) for each in made.drifts],
    }


def rows(found: Iterable[Line]) -> Iterable[dict[str, Json]]:
    """One row for each metric of each group."""
    for line in found:
        group, measurement = line.group, line.measurement
        metric, estimate = measurement.metric, measurement.estimate
        low, high = (None, None) if estimate is None else estimate.interval
        yield {
            "persona": group.persona,
            "variant": group.variant,
            "catalog": group.catalog,
            "period": group.since,
            "metric": metric.id,
            "value": None if estimate is None else estimate.point,
            "lower": low,
            "upper": high,
            "of": None if estimate is None else estimate.of,
            "sessions": measurement.cases,
            "not_scored": measurement.missed,
            "unit": metric.unit,
            "better": metric.better,
        }


def _change(drift: Drift) -> dict[str, Json]:
    return {
        "persona": drift.persona,
        "metric": drift.metric.id,
        "at": drift.at,
        "catalog": drift.catalog,
        "before": drift.before,
        "after": drift.after,
        "is_worse": drift.is_worse,
        "p": drift.p,
        "p_adjusted": drift.p_adjusted,
        "sessions": drift.tasks,
    }
