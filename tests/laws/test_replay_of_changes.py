"""The Replay law, whole: what replaying says of a change is what serving under it does.

Each exchange runs through the gateway's own steps under one revision, and its record is decided
again by another one; where that says ``exact``, running it under the other one must end alike. And
deciding a million records at once is deciding each of them.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.ledger.columns import columns_of
from app.ledger.recorded import Recorded
from app.pipeline.loaded import Loaded
from app.review.again import Again, again
from app.review.classes import Classes
from app.review.replayed import Replayed, State
from app.review.rulebook import Rulebook, rulebook
from app.review.tally import Tally, alone
from app.review.today import Today, decide_today
from tests.guardrails.building import AUDIENCES, NOW, run
from tests.review.generating import CHOOSING, DETECTS, nearly_alike, records, revisions
from tests.review.living import Said, live

PAIRS, EXCHANGES = 100, 50
"""Of revisions; and for each, texts that are served under both: 10,000 exchanges together."""


def _said(dice: random.Random, number: int) -> Said:
    def text(letters: str, most: int) -> str:
        return "".join(dice.choice(letters) for _ in range(dice.randint(0, most)))

    return Said(
        text=text("abBcde?!# z", 6),
        answers=[text("abBxyq?# z", 9) for _ in range(3)],
        audience=dice.choice(AUDIENCES),
        at=NOW + timedelta(days=dice.randint(-1, 1)),
        request_id=f"request-{number}",
        has_history=dice.random() < 0.3,
        calls_tool=dice.random() < 0.3,
        choices=2 if dice.random() < 0.2 else 1,
        tool_result=text("abB?", 4) if dice.random() < 0.2 else "",
    )


def _has_unforeseen_outage(recorded: Recorded, other: Recorded) -> bool:
    """Whether a detector was out in the other that did not look in this one."""
    looked = {
        (part.stage, ref.detector)
        for part in (*(recorded.input or ()), *(recorded.answer or ()))
        for ref in part.ran
    }
    return any(
        (part.stage, out.detector) not in looked
        for part in (*(other.input or ()), *(other.answer or ()))
        for out in part.unchecked
    )


def _both_ways(dice: random.Random) -> Iterator[tuple[Recorded, Recorded, Rulebook, Rulebook]]:
    """Exchanges under one revision, each with the same one under the other, in both directions."""
    old, new = revisions(dice)
    books = rulebook(old), rulebook(new)
    asked = [_said(dice, number) for number in range(EXCHANGES)]
    served = [run(_all_live(each, asked)) for each in (old, new)]
    for first, second in zip(*served, strict=True):
        yield first, second, *books
        yield second, first, *books[::-1]


async def _all_live(loaded: Loaded, asked: Sequence[Said]) -> list[Recorded]:
    return [await live(loaded, said) for said in asked]


@settings(deadline=None, max_examples=PAIRS, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_what_is_replayed_exactly_is_what_serving_does(seed: int) -> None:
    """A reviewer is told that a change lets something pass, or stops it, and it does not."""
    dice = random.Random(seed)  # noqa: S311  # Hypothesis chooses the seed
    for recorded, other, before, after in _both_ways(dice):
        made = again(recorded, before, after)
        assert isinstance(made, Again)
        assert made.against is None, "the record is not what its own rules decide"
        if made.state is State.EXACT and not _has_unforeseen_outage(recorded, other):
            assert made.after is other.outcome
            assert made.before is recorded.outcome
            assert bool(made.causes) is (made.before is not made.after)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_what_is_said_of_today_is_what_serving_does(seed: int) -> None:
    """A reader of one record is told that it would end so now, and it does not."""
    dice = random.Random(seed)  # noqa: S311  # Hypothesis chooses the seed
    for recorded, other, before, after in _both_ways(dice):
        own = decide_today(recorded, before)
        assert isinstance(own, Today)
        assert (own.outcome, own.gone, own.new) == (recorded.outcome, [], [])
        made = decide_today(recorded, after)
        assert isinstance(made, Today)
        if made.state is State.EXACT and not _has_unforeseen_outage(recorded, other):
            assert made.outcome is other.outcome


def _one_by_one(rows: list[Recorded], before: Rulebook, after: Rulebook) -> Replayed:
    tally = Tally()
    for recorded in rows:
        tally.add(recorded, again(recorded, before, after), alone(recorded))
    return tally.result(before, after)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_many_records_are_decided_as_each_is(seed: int) -> None:
    """A million records say something else than the sum of them."""
    dice = random.Random(seed)  # noqa: S311  # Hypothesis chooses the seed
    both = revisions(dice, (*tuple(DETECTS)[:-1], *CHOOSING))
    books = rulebook(both[0]), rulebook(both[1])
    rows = nearly_alike(dice, records(dice, both, 12), 20)
    dice.shuffle(rows)
    halves = [columns_of(rows[:100]), columns_of(rows[100:])]
    classes, tally = Classes(*books), Tally()
    for columns in halves:
        classes.count(columns, tally)
    assert tally.result(*books) == _one_by_one(rows, *books)
    assert classes.decided < len(rows)
