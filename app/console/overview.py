"""The first page: whether all is well, and what went through, by time, persona and revision."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from app.console import formats
from app.console.charts import Point, charts, held_of, point_of, quantiles, took_of
from app.console.visit import Need, Page, Visit
from app.domain.decision import Outcome
from app.domain.errors import RequestError
from app.metrics.live import Line
from app.pipeline.attention import Sign, What, signs
from app.pipeline.overview import SHOWN, Overview, OverviewWish, Seen, Span

_RECORDS = "/console/records"


@dataclass(frozen=True, slots=True)
class PersonaRow:
    """A persona, or a revision of one, in numbers."""

    name: str
    catalog: str | None
    opened: int | None
    points: Mapping[str, Point | None]
    """By metric; none where nothing was scored."""
    took: tuple[float, float] | None
    signs: Sequence[Sign] = ()


async def show(visit: Visit) -> Response:
    """What went through lately; who may not read records sees whom they may write for."""
    caller, behind = visit.caller, visit.behind
    personas = behind.gateway.personas(caller)
    if not caller.may_read_records:
        return visit.page("welcome.html.j2", personas=personas)
    wish = _wish(visit)
    seen = await behind.overviews.of(wish)
    if seen.newest is None or not (seen.opened or personas):
        return visit.page("overview_first.html.j2", personas=personas)
    found = signs(seen, behind.gateway.readiness(), caller.personas)
    has_prices = bool(behind.overviews.prices)
    return visit.page(
        "overview.html.j2",
        seen=seen,
        signs=[(each, _where(each, wish)) for each in found],
        charts=charts(seen, has_prices=has_prices),
        rows=_personas(seen, found),
        revisions=_revisions(seen),
        outcomes=_outcomes(seen),
        took=quantiles(took_of(seen.seen)),
        held=quantiles(held_of(seen.seen)),
        refused=_refused(seen),
        cost=_cost(seen) if has_prices else None,
        has_prices=has_prices,
        tables=f"/console/overview/table?{urlencode(_query(wish.span, wish.persona))}",
        spans=[(each.value, _address(each, wish.persona)) for each in Span],
        personas=[each.id for each in personas],
        formats=formats,
        is_exact=all(each.is_exact for each in seen.stretches),
        records=_records(wish),
    )


async def table(visit: Visit) -> Response:
    """The numbers of one chart."""
    behind, given = visit.behind, visit.query.get("chart")
    made = charts(await behind.overviews.of(_wish(visit)), has_prices=bool(behind.overviews.prices))
    chart = next((each for each in made if each.id == given), None)
    if chart is None:
        raise RequestError("chart: there is no such chart", param="chart", code="not_found")
    return visit.page("overview_table.html.j2", chart=chart, formats=formats)


def _wish(visit: Visit) -> OverviewWish:
    given = {name: value for name, value in visit.query.items() if value}
    try:
        span = Span(given.get("last", Span.DAY))
    except ValueError:
        what = f"last: one of {', '.join(Span)}"
        raise RequestError(what, param="last", code="invalid_query") from None
    return OverviewWish(visit.caller.tenant, visit.caller.personas, span, given.get("persona"))


def _query(span: Span, persona: str | None) -> Mapping[str, str]:
    return {"last": span.value, **({"persona": persona} if persona else {})}


def _address(span: Span, persona: str | None) -> str:
    return f"/console?{urlencode(_query(span, persona))}"


def _records(wish: OverviewWish, **more: str) -> str:
    """The records that are behind a number."""
    named = {"persona": wish.persona} if wish.persona else {}
    return f"{_RECORDS}?{urlencode({'last': wish.span.value, **named, **more})}"


def _where(sign: Sign, wish: OverviewWish) -> str | None:
    """Where somebody sees what a sign is about."""
    match sign.what:
        case What.FAILING:
            return _records(wish, persona=sign.name, status="failed")
        case What.REFUSING:
            return _records(wish, persona=sign.name, outcome="block")
        case What.BACKEND:
            return _records(wish, status="failed")
        case What.WORSE:
            return _address(wish.span, sign.name)
        case What.UNCHECKED | What.FILES_REFUSED:
            return None


def _personas(seen: Overview, found: Sequence[Sign]) -> Sequence[PersonaRow]:
    """Those that need a look first, then by traffic."""
    rows = [
        PersonaRow(
            persona,
            None,
            seen.opened_by(persona),
            _points([line for line in seen.totals if line.group.persona == persona]),
            quantiles(took_of(_of(seen.seen, persona))),
            [sign for sign in found if sign.name == persona],
        )
        for persona in seen.personas
    ]
    return sorted(rows, key=lambda row: (not row.signs, -(row.opened or 0)))


def _revisions(seen: Overview) -> Sequence[PersonaRow]:
    """Each revision of each persona that was served by more than one, in their order."""
    groups = dict.fromkeys(line.group for line in seen.by_catalog)
    began: dict[tuple[str, str], int] = {}
    for number, each in enumerate(seen.seen):
        began.setdefault((each.exchange.persona, each.exchange.catalog), number)
    rows = [
        PersonaRow(
            group.persona or "",
            group.catalog,
            None,
            _points([line for line in seen.by_catalog if line.group == group]),
            quantiles(took_of(_of(seen.seen, group.persona, group.catalog))),
        )
        for group in groups
    ]
    return sorted(rows, key=lambda row: (row.name, began.get((row.name, row.catalog or ""), 0)))


def _points(found: Sequence[Line]) -> Mapping[str, Point | None]:
    by_metric = {line.measurement.metric.id: line.measurement for line in found}
    return {metric: point_of(by_metric.get(metric)) for metric in SHOWN}


def _of(seen: Sequence[Seen], persona: str | None, catalog: str | None = None) -> Sequence[Seen]:
    return [
        each
        for each in seen
        if each.exchange.persona == persona and catalog in {None, each.exchange.catalog}
    ]


def _outcomes(seen: Overview) -> Sequence[tuple[Outcome, int, float]]:
    """How exchanges ended, of those that are measured: outcome, count and share."""
    total: Counter[Outcome] = Counter()
    for each in seen.stretches:
        total.update(each.outcomes)
    every = sum(total.values())
    return [(each, total[each], total[each] / every) for each in Outcome if total[each]]


def _refused(seen: Overview) -> float | None:
    said = [each.exchange.is_refused for each in seen.seen if each.exchange.is_refused is not None]
    return sum(said) / len(said) if said else None


def _cost(seen: Overview) -> float | None:
    """Of one exchange, over those of which it is known; none where it is of none."""
    known = [each.exchange.cost for each in seen.seen if each.exchange.cost is not None]
    return sum(known) / len(known) if known else None


PAGES = (
    Page("", show, nav="overview"),
    Page("/overview/table", table, needs=Need.RECORDS),
)
