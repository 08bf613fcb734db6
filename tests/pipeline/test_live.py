"""Live metrics: measured as the ledger has it, over time, within bounds, and what alerts say."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from app.domain.errors import RequestError
from app.ledger.closed import ClosedFilter
from app.ledger.ledger import Ledger
from app.metrics.live import By, Drift, Period
from app.pipeline.live import Look, Watch, look, text_of, traffic, watch
from app.pipeline.report import ReportWish, report, report_json, wish_of
from app.telemetry.metrics import Metrics
from tests.ledger.exchanges import NOON, StandingClock
from tests.pipeline.promql import Scrapes
from tests.pipeline.traffic import BROKEN_FROM, EVERY, NEW, OLD, SESSIONS, at, filled

ALERTS = Path(__file__).parents[2] / "deploy" / "alerts.yaml"
END = StandingClock(NOON + EVERY * SESSIONS)
PLAN = Watch(60, timedelta(days=30), 10_000, {}, rest=0)
EVERYTHING = ClosedFilter(None)
Json = Any


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a ledger that is full."""

    async def fill() -> None:
        await (await filled(made, StandingClock())).stop()

    made = tmp_path_factory.mktemp("traffic")
    asyncio.run(fill())
    return made


@pytest.fixture
async def ledger(folder: Path) -> AsyncIterator[Ledger]:
    """The ledger."""
    url = f"sqlite:///{folder / 'ledger.db'}"
    made = await Ledger.start(url, folder / "ledger.key", END, lambda: "writer")
    yield made
    await made.stop()


@pytest.fixture(scope="module")
def found(folder: Path) -> Look:
    """What a look finds."""

    async def make() -> Look:
        url = f"sqlite:///{folder / 'ledger.db'}"
        ledger = await Ledger.start(url, folder / "ledger.key", END, lambda: "writer")
        try:
            return await look(ledger, PLAN, END)
        finally:
            await ledger.stop()

    return asyncio.run(make())


def drift_of(drifts: tuple[Drift, ...], persona: str, metric: str) -> Drift:
    """The one of a persona's metric."""
    [drift] = [each for each in drifts if (each.persona, each.metric.id) == (persona, metric)]
    return drift


@pytest.mark.parametrize("metric", ["adherence:cites", "satisfaction", "task_completion_reported"])
def test_a_change_is_found_where_it_was(found: Look, metric: str) -> None:
    """A persona does worse since a release, and nobody is told, or told of another day."""
    drift = drift_of(found.drifts, "breaking", metric)
    assert drift.p_adjusted < 0.01
    assert drift.is_worse
    assert abs(drift.at - at(BROKEN_FROM)) <= 12 * EVERY
    assert drift.catalog == NEW
    assert drift.after < 0.65 < drift.before


def test_a_steady_series_has_no_change(found: Look) -> None:
    """Chance is taken for drift, and alerts are switched off."""
    assert drift_of(found.drifts, "steady", "adherence:cites").p_adjusted > 0.2
    worse = {each.persona for each in found.drifts if each.p_adjusted < 0.05}
    assert worse == {"breaking"}


def test_metrics_are_told_apart_by_persona_variant_and_catalog(found: Look) -> None:
    """A number mixes what was to be compared, or counts what was not scored as kept."""
    lines = {
        (line.group.persona, line.group.variant, line.group.catalog): line.measurement
        for line in found.lines
        if line.measurement.metric.id == "adherence:cites"
    }
    assert set(lines) == {
        (persona, variant, catalog)
        for persona in ("breaking", "steady")
        for variant in ("", "warmer")
        for catalog in (OLD, NEW)
    }
    assert sum(each.cases for each in lines.values()) == 2 * SESSIONS
    [late, *_] = [line for line in found.lines if line.measurement.metric.id == "adherence:late"]
    assert late.measurement.estimate is None
    assert late.measurement.missed > 0
    assert (found.exchanges, found.is_whole) == (2 * SESSIONS, True)


async def test_a_look_is_bounded_and_says_so(ledger: Ledger) -> None:
    """A busy month is read whole beside the data path, or part of it passes for all."""
    some = await traffic(ledger, EVERYTHING, {}, most=300)
    assert (some.exchanges, some.is_whole) == (300, False)
    assert {task.id for task in some.tasks}
    newest = min(task.exchanges[0].at for task in some.tasks)
    assert newest == at(SESSIONS - 150)
    for most in (2 * SESSIONS, 10_000):
        whole = await traffic(ledger, replace(EVERYTHING, limit=37), {}, most=most)
        assert (whole.exchanges, whole.is_whole) == (2 * SESSIONS, most == 10_000)


async def test_what_nobody_can_read_is_left_out_and_said(tmp_path: Path) -> None:
    """One odd entry hides all metrics, or its absence is hidden."""
    other = await filled(tmp_path, StandingClock())
    broken = "UPDATE entries SET body = '{}' WHERE kind = 'closing' AND request_id = 'steady-7'"
    await other.store.do(lambda transaction: transaction.connection.exec_driver_sql(broken).close())
    left = await traffic(other, EVERYTHING, {})
    assert (left.exchanges, left.is_whole) == (2 * SESSIONS - 1, False)
    gone = sa.text("DROP TABLE feedback")
    metrics, stop = Metrics(), asyncio.Event()
    await other.store.do(lambda transaction: transaction.connection.execute(gone).close())
    asyncio.get_running_loop().call_later(0.3, stop.set)
    await watch(other, metrics, PLAN, END, stop)
    await other.stop()
    assert "banneton_look_failures_total 1.0" in metrics.render().decode()


async def test_a_report_is_by_week_and_of_what_was_asked_for(ledger: Ledger) -> None:
    """A chart over time shows other times, or another persona's numbers."""
    wish = ReportWish(
        "acme",
        NOON,
        END.now(),
        persona="breaking",
        metrics=frozenset({"satisfaction"}),
        by=(By.PERSONA,),
        period=Period.WEEK,
    )
    made = report_json(await report(ledger, wish, {}))
    assert [(row["period"].isoformat()[:10], row["metric"]) for row in made["metrics"]] == [
        ("2026-05-04", "satisfaction"),
        ("2026-05-11", "satisfaction"),
    ]
    first, second = made["metrics"]
    assert first["value"] > 0.9
    assert second["value"] == 0.25
    assert first["lower"] <= first["value"] <= first["upper"]
    assert first["sessions"] + second["sessions"] == SESSIONS / 4
    assert first["not_scored"] + second["not_scored"] == SESSIONS * 3 / 4
    nobody = await report(ledger, replace(wish, tenant="other"), {})
    assert (nobody.exchanges, nobody.lines, nobody.drifts) == (0, (), ())


@pytest.mark.parametrize(
    "query",
    [
        {"sinse": "2026-05-01T00:00:00Z"},
        {"since": "2026-05-01T00:00:00"},
        {"until": "soon"},
        {"by": "tenant"},
        {"period": "hour"},
        {"metric": "happiness"},
        {"metric": "adherence:"},
    ],
    ids=str,
)
def test_a_query_that_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    """A mistyped filter gives numbers of everything, which are taken for those of one."""
    with pytest.raises(RequestError) as refused:
        wish_of(query, "acme", NOON)
    assert refused.value.code == "invalid_query"
    assert not any(value in refused.value.message for value in query.values() if value != "soon")


# Alerts


def rules() -> Iterator[Json]:
    """Every alert of the file."""
    for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]:  # noqa: TID251  # no content of ours
        yield from group["rules"]


RULES = {rule["alert"]: rule for rule in rules()}


def scrape(found: Look) -> str:
    """What Prometheus reads after a look."""
    metrics = Metrics()
    metrics.catalog_loaded(NEW, NOON)
    metrics.looked(text_of(found))
    return metrics.render().decode()


def firing(name: str, scrapes: Scrapes) -> set[tuple[str, ...]]:
    """The labels that an alert has."""
    return {tuple(value for _, value in key) for key in scrapes.of(RULES[name]["expr"])}


def test_alerts_are_as_prometheus_reads_them() -> None:
    """Prometheus refuses the file, or an alert is about a number that nobody gives."""
    given = scrape(Look(NOON, 0, is_whole=True, lines=(), drifts=()))
    for rule in RULES.values():
        assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["annotations"].keys() == {"summary", "description"}
        asked = Scrapes(0.0, "")
        asked.of(rule["expr"])
        for name in asked.names:
            assert f"# TYPE {name} " in given or f"# TYPE {name.removesuffix('_total')}" in given


def test_the_alert_on_drift_names_what_drifted(found: Look) -> None:
    """An alert is silent while a persona gets worse, or never stops."""
    now_s = END.now().timestamp()
    fired = firing("BannetonMetricWorse", Scrapes(now_s, scrape(found)))
    assert {("adherence:cites", "breaking"), ("satisfaction", "breaking")} <= fired
    assert {persona for _, persona in fired} == {"breaking"}
    month_s = 30 * 86_400
    assert firing("BannetonMetricWorse", Scrapes(now_s + month_s, scrape(found))) == set()
    better = tuple(replace(each, before=each.after, after=each.before) for each in found.drifts)
    well = Scrapes(now_s, scrape(replace(found, drifts=better)))
    assert firing("BannetonMetricWorse", well) == set()


def test_other_alerts_fire_when_they_should(found: Look) -> None:
    """An alert says that all is well while it cannot know."""
    now_s = END.now().timestamp()
    now = Scrapes(now_s, scrape(found))
    low = firing("BannetonAdherenceLow", now)
    assert {(persona, catalog) for catalog, _, persona, _ in low} == {("breaking", NEW)}
    unscored = {metric for _, metric, *_ in firing("BannetonNotScored", now)}
    assert unscored == {"adherence:late"}
    assert firing("BannetonNoLook", now) == set()
    assert firing("BannetonNoLook", Scrapes(now_s + 4 * 3600, scrape(found))) == {()}
    never = Metrics()
    assert firing("BannetonNoLook", Scrapes(now_s, never.render().decode())) == set()
    never.look_failed()
    failed = Scrapes(now_s, never.render().decode(), Metrics().render().decode())
    assert firing("BannetonNoLook", failed) == {()}
    assert firing("BannetonCatalogRefused", now) == set()


def test_the_alert_on_tasks_counts_a_day(found: Look) -> None:
    """Users of a persona leave with nothing, and nobody hears of it; or one of them is enough."""
    name, labels = "banneton_feedback_total", 'kind="task",persona="lexi",variant=""'
    lines = [f"# TYPE {name.removesuffix('_total')} counter"]

    def scrapes(failed: int) -> Scrapes:
        values = {"completed": 5, "failed": failed}
        samples = [f'{name}{{{labels},value="{word}"}} {at}' for word, at in values.items()]
        text = "\n".join([*lines, *samples, ""])
        return Scrapes(0.0, text, "\n".join([*lines, f'{name}{{{labels},value="failed"}} 3', ""]))

    assert found.exchanges
    assert firing("BannetonTasksFail", scrapes(18)) == {("lexi",)}
    assert firing("BannetonTasksFail", scrapes(17)) == set()


def test_numbers_that_are_not_known_are_not_zero(found: Look) -> None:
    """A metric that could not be measured is drawn as the worst there is."""
    text = scrape(found)
    points = [line for line in text.splitlines() if line.startswith("banneton_metric{")]
    late = [line for line in points if 'metric="adherence:late"' in line]
    assert late
    assert all(math.isnan(float(line.rpartition(" ")[2])) for line in late)
