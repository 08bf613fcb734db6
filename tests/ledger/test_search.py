"""Looking for records: every filter finds what it says, page by page, within bounds."""

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.decision import Applied, Decision, DetectorRef, Outcome, StageTrace
from app.domain.finding import Finding
from app.domain.policy import Action, Stage
from app.domain.record import Status
from app.ledger.ledger import Ledger
from app.ledger.records import Record, RecordFilter, read_page
from tests.guardrails.building import run
from tests.ledger.exchanges import StandingClock, closing, counting, opening

NAMES = ("a", "b", 'a","rule":"b')
"""The last one looks like two keys of an entry."""
REFS = tuple(DetectorRef(name, "1") for name in NAMES)


def trace(stage: Stage, found: Sequence[str]) -> tuple[StageTrace, ...]:
    """All detectors ran, and some found something."""
    findings = tuple(Finding(name, "KIND", 0.5, "text", 0, 1, "1", "a thing") for name in found)
    return (StageTrace(stage, REFS, findings),)


def decisions(stage: Stage, rules: Sequence[str]) -> tuple[Decision, ...]:
    """What these rules did."""
    return (Decision(stage, tuple(Applied(rule, Action.FLAG, ()) for rule in rules)),)


MADE = st.fixed_dictionaries(
    {
        "persona": st.sampled_from(NAMES),
        "variant": st.sampled_from((None, *NAMES)),
        "audience": st.sampled_from(NAMES),
        "catalog": st.sampled_from(NAMES),
        "rules": st.tuples(*[st.lists(st.sampled_from(NAMES), max_size=2)] * 2),
        "found": st.tuples(*[st.lists(st.sampled_from(NAMES), max_size=2)] * 2),
        "outcome": st.sampled_from(Outcome),
        "status": st.sampled_from(Status),
    }
)
WANTED = st.fixed_dictionaries(
    {},
    optional={
        **{
            key: st.sampled_from((*NAMES, "none"))
            for key in ("persona", "variant", "audience", "catalog", "rule", "detector")
        },
        "personas": st.frozensets(st.sampled_from(NAMES)),
        "request_id": st.sampled_from(("r0", "r3", "none")),
        "outcome": st.sampled_from(Outcome),
        "status": st.sampled_from(Status),
    },
)


def says(made: Mapping[str, Any], wanted: Mapping[str, Any], request_id: str) -> bool:
    """Whether an exchange is wanted, said without a database."""
    seen = {key: [value] for key, value in {**made, "request_id": request_id}.items()}
    seen["rule"] = [*itertools.chain(*made["rules"])]
    seen["detector"] = [*itertools.chain(*made["found"])]
    personas = wanted.get("personas", NAMES)
    named = {key: value for key, value in wanted.items() if key != "personas"}
    return made["persona"] in personas and all(value in seen[key] for key, value in named.items())


async def recorded(ledger: Ledger, clock: StandingClock, every: Sequence[Mapping[str, Any]]) -> int:
    """Keep these exchanges; how many there are."""
    for number, each in enumerate(every):
        clock.go(seconds=1)
        named = {key: each[key] for key in ("persona", "variant", "audience", "catalog")}
        await ledger.open(
            opening(
                f"r{number}",
                at=clock.now(),
                trace=trace(Stage.INPUT, each["found"][0]),
                decisions=decisions(Stage.INPUT, each["rules"][0]),
                **named,
            )
        )
        await ledger.close(
            closing(
                f"r{number}",
                at=clock.now(),
                status=each["status"],
                outcome=each["outcome"],
                trace=trace(Stage.OUTPUT, each["found"][1]),
                decisions=decisions(Stage.OUTPUT, each["rules"][1]),
            )
        )
    return len(every)


async def all_pages(ledger: Ledger, wanted: RecordFilter, most: int) -> tuple[list[Record], int]:
    """What all pages hold, and how many pages there are."""
    found: list[Record] = []
    for number in itertools.count(1):
        one = partial(read_page, keyring=ledger.store.keyring, wanted=wanted, most=most)
        page = await ledger.store.read(lambda db, one=one: one(db))  # type: ignore[misc]  # bound at once
        found += page.records
        if page.cursor is None:
            return found, number
        wanted = replace(wanted, cursor=page.cursor)
    raise AssertionError


@given(
    st.lists(MADE, max_size=6),
    st.lists(WANTED, min_size=1, max_size=4),
    st.sampled_from((1, 2, 3, 100)),
    st.sampled_from((1, 3, 100)),
)
@settings(deadline=None, max_examples=40)
def test_a_search_finds_what_it_says_and_all_of_it(
    every: Sequence[Mapping[str, Any]], wishes: Sequence[Mapping[str, Any]], most: int, limit: int
) -> None:
    """A filter would show others, or hide some, or lose them between two pages."""

    async def look() -> None:
        with tempfile.TemporaryDirectory() as folder:
            clock = StandingClock()
            url = f"sqlite:///{folder}/ledger.db"
            ledger = await Ledger.start(url, Path(folder) / "key", clock, counting("w"))
            count = await recorded(ledger, clock, every)
            for wish in wishes:
                wanted = RecordFilter("acme", limit=limit, **wish)
                found, pages = await all_pages(ledger, wanted, most)
                numbers = [n for n in reversed(range(count)) if says(every[n], wish, f"r{n}")]
                assert [each.request_id for each in found] == [f"r{n}" for n in numbers]
                assert pages <= count // min(most, limit) + 1
            await ledger.stop()

    run(look())


async def test_a_search_says_how_far_it_looked(ledger: Ledger, clock: StandingClock) -> None:
    """An empty page in the middle of a search would look like its end."""
    start = clock.now()
    for number in range(5):
        clock.go(seconds=1)
        await ledger.open(opening(f"r{number}", at=clock.now()))
    keyring = ledger.store.keyring
    wanted = RecordFilter("acme", audience="nobody")
    page = await ledger.store.read(lambda db: read_page(db, keyring, wanted, most=2))
    assert page.records == ()
    assert page.cursor is not None
    assert page.searched_to is not None
    assert (page.searched_to - start).total_seconds() == 4
    page = await ledger.store.read(lambda db: read_page(db, keyring, wanted))
    assert (page.records, page.cursor, page.searched_to) == ((), None, None)


@pytest.mark.parametrize("wish", [{"tenant": "other"}, {"tenant": "acme", "personas": frozenset()}])
async def test_nobody_finds_what_is_not_theirs(ledger: Ledger, wish: Mapping[str, Any]) -> None:
    """A tenant, or a key for some personas, would read the exchanges of others."""
    await ledger.open(opening("r1"))
    wanted = RecordFilter(request_id="r1", **wish)
    assert (await ledger.records(wanted)).records == ()


async def test_what_detectors_found_is_not_found_when_it_has_expired(
    ledger: Ledger, clock: StandingClock
) -> None:
    """Findings that policy let expire would still answer for somebody."""
    seen = trace(Stage.INPUT, ["a"])
    await ledger.open(opening("r1", trace=seen, findings_days=1))
    await ledger.close(closing("r1", trace=()))
    wanted = RecordFilter("acme", detector="a")
    assert len((await ledger.records(wanted)).records) == 1
    clock.go(days=2)
    await ledger.purge()
    assert (await ledger.records(wanted)).records == ()
