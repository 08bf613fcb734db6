"""The overview: counted where few, sampled where many, and silent only where nothing is wrong."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.decision import Decision, Outcome, UncheckedRun
from app.domain.policy import Stage
from app.domain.record import Attempt, Held, Status
from app.ledger.ledger import Ledger
from app.pipeline.attention import Level, What, signs
from app.pipeline.gateway import Readiness
from app.pipeline.overview import Overview, Overviews, OverviewWish, Span
from tests.ledger.conftest import key_file, ledger, url
from tests.ledger.exchanges import NOON, StandingClock, closing, opening

__all__ = ["key_file", "ledger", "url"]
READY = Readiness("ready", "sha256:1")
WISH = OverviewWish("acme", None, Span.DAY)


@pytest.fixture
def clock() -> StandingClock:
    """In the middle of an hour."""
    return StandingClock(NOON + timedelta(minutes=30))


async def exchange(ledger: Ledger, name: str, minutes: float, **changes: Any) -> None:  # noqa: ANN401  # fields of both entries
    """One exchange, so many minutes before."""
    at = NOON + timedelta(minutes=30 - minutes)
    opened = {key: changes.pop(key) for key in ("persona", "tenant", "shadow_of", "session")
              if key in changes}  # fmt: skip
    await ledger.open(opening(name, at=at, trace=(), decisions=(), outcome=Outcome.ALLOW, **opened))
    usual = {"outcome": Outcome.ALLOW, "trace": (), "content": ()}
    await ledger.close(closing(name, at=at, **{**usual, **changes}))


async def seen(ledger: Ledger, clock: StandingClock, wish: OverviewWish = WISH) -> Overview:
    """An overview of it."""
    return await Overviews(ledger, {}, clock).of(wish)


def whats(overview: Overview) -> Sequence[tuple[What, Level, str]]:
    """What needs a look."""
    return [(each.what, each.level, each.name) for each in signs(overview, READY, None)]


async def test_few_exchanges_are_counted_each_in_its_hour(
    ledger: Ledger, clock: StandingClock
) -> None:
    """Traffic would stand at another time, shadows would count, or others' would."""
    await exchange(ledger, "a", 5)
    await exchange(ledger, "b", 65, persona="clerk")
    await exchange(ledger, "c", 66, persona="ghost", shadow_of="b")
    await exchange(ledger, "d", 5, tenant="other")
    await exchange(ledger, "e", 60 * 30)
    made = await seen(ledger, clock)
    assert [each.opened for each in made.stretches[-2:]] == [{"clerk": 1}, {"tutor": 1}]
    assert made.opened == 2
    assert made.is_whole
    assert all(each.is_exact for each in made.stretches)
    assert [each.exchange.id for each in made.seen] == ["b", "a"]
    only = await seen(ledger, clock, replace(WISH, personas=frozenset({"tutor"})))
    assert (only.opened, only.personas) == (1, ["tutor"])
    one = await seen(ledger, clock, replace(WISH, persona="clerk"))
    assert [each.exchange.id for each in one.seen] == ["b"]


async def test_many_are_measured_on_the_newest_of_each_hour(
    ledger: Ledger, clock: StandingClock
) -> None:
    """A ledger of millions would be read whole for one page; or a part would pass for all."""
    for number in range(700):
        name = "clerk" if number % 4 else "tutor"
        await exchange(ledger, f"r{number:04}", 1 + number * 0.04, persona=name)
    made = await seen(ledger, clock)
    assert not made.is_whole
    assert len(made.seen) == 150
    assert {each.exchange.id for each in made.seen} == {f"r{n:04}" for n in range(150)}
    last = made.stretches[-1]
    assert not last.is_exact
    assert sum(last.opened.values()) == 700
    assert last.opened["tutor"] == 175


async def test_an_overview_is_made_once_for_some_seconds(
    ledger: Ledger, clock: StandingClock
) -> None:
    """Every visitor would have the ledger read again; or see numbers of long ago."""
    overviews = Overviews(ledger, {}, clock)
    first = await overviews.of(WISH)
    await exchange(ledger, "a", 5)
    assert await overviews.of(WISH) is first
    assert (await overviews.of(replace(WISH, persona="tutor"))).opened == 1
    clock.go(seconds=60)
    assert (await overviews.of(WISH)).opened == 1


async def test_nothing_is_wrong_where_nothing_is(ledger: Ledger, clock: StandingClock) -> None:
    """Somebody would be called for what chance alone does."""
    for number in range(60):
        changes: dict[str, Any] = {"outcome": Outcome.BLOCK} if number % 12 == 0 else {}
        if number == 7:
            changes = {"status": Status.CANCELLED, "finish": None}
        await exchange(ledger, f"r{number}", 5 + number, session=f"s{number}", **changes)
    assert whats(await seen(ledger, clock)) == []


BLIND = (UncheckedRun("pii", "", "text", "out"),)


@pytest.mark.parametrize(
    ("changes", "count", "said"),
    [
        ({"status": Status.FAILED, "finish": None}, 5, (What.FAILING, Level.BAD, "tutor")),
        ({"status": Status.CUT_OFF, "finish": None}, 2, (What.FAILING, Level.WATCH, "tutor")),
        ({"outcome": Outcome.BLOCK}, 20, (What.REFUSING, Level.WATCH, "tutor")),
        (
            {"attempts": (Attempt("model", "m", 1.0, "timeout"), Attempt("spare", "m", 1.0))},
            8,
            (What.BACKEND, Level.BAD, "model"),
        ),
        (
            {"decisions": (Decision(Stage.OUTPUT, unchecked=BLIND),)},
            1,
            (What.UNCHECKED, Level.BAD, "pii"),
        ),
    ],
)
async def test_what_is_wrong_is_said(
    ledger: Ledger,
    clock: StandingClock,
    changes: dict[str, Any],
    count: int,
    said: tuple[What, Level, str],
) -> None:
    """An outage would pass for a quiet day."""
    for number in range(40):
        more = (
            changes if number % (40 // count) == 0 else {"attempts": (Attempt("model", "m", 1.0),)}
        )
        await exchange(ledger, f"r{number}", 5 + number, session=f"s{number}", **more)
    assert whats(await seen(ledger, clock)) == [said]


async def test_files_that_are_refused_come_first(ledger: Ledger, clock: StandingClock) -> None:
    """A change that was refused would be looked for in vain; or a key would read others' files."""
    overview = await seen(ledger, clock)
    degraded = Readiness("degraded", "sha256:1", ("policies/a.yaml:3:1: wrong",))
    (sign,) = signs(overview, degraded, None)
    assert (sign.what, sign.level, sign.problems) == (
        What.FILES_REFUSED,
        Level.BAD,
        degraded.problems,
    )
    (sign,) = signs(overview, degraded, frozenset({"tutor"}))
    assert sign.problems == ()


async def test_what_was_held_is_what_the_record_says(ledger: Ledger, clock: StandingClock) -> None:
    """A record of an earlier release, which says nothing, would count as no wait."""
    await exchange(ledger, "a", 5, held=Held(9, 120.0))
    await exchange(ledger, "b", 4, held=None)
    made = await seen(ledger, clock)
    assert [each.held_ms for each in made.seen] == [120.0, None]
