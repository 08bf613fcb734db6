"""Live records: what they say, what they cannot say, and that they give the numbers of cases."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conduct import Conduct, Measured
from app.domain.decision import Outcome
from app.domain.events import Usage
from app.domain.feedback import (
    Correction,
    Satisfaction,
    Scale,
    Standing,
    Target,
    TargetKind,
    TaskOutcome,
)
from app.domain.policy import Action
from app.domain.prices import Price
from app.domain.record import Attempt, Closing, Opening, Status, Timings
from app.ledger.entries import Link, closing_body, opening_body
from app.ledger.keyring import Owner
from app.metrics.definitions import measure, metrics_of
from app.metrics.observed import Basis, ObservedExchange, ObservedTask, from_record, in_tasks
from tests.ledger.exchanges import NOON, closing, opening

PRICES = {
    ("scripted", "model-1"): Price(input=2.0, output=10.0, cached=0.5, cache_write=4.0),
    ("scripted", "twin"): Price(input=2.0, output=10.0, cached=0.5, cache_write=4.0),
    ("other", "model-2"): Price(input=1.0, output=1.0),
}
ASKED = Attempt("scripted", "model-1", 20.0)
USAGE = Usage(1_000_000, 100_000, cached_tokens=200_000, cache_write_tokens=100_000)
OWNER, LINK = Owner(b"lookup", b"key" * 8), Link("w", 1, "")


def entries(opened: Opening, closed: Closing) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The two entries of a record, as the ledger writes and reads them."""
    return (
        orjson.loads(opening_body(opened, LINK, OWNER, None)),
        orjson.loads(closing_body(closed, LINK, OWNER, None)),
    )


def observed(**changes: object) -> ObservedExchange:
    """What a record says whose closing entry differs so."""
    fields: dict[str, Any] = {"outcome": Outcome.ALLOW, "usage": USAGE, "attempts": (ASKED,)}
    record = entries(
        opening("r1", session="chat"), closing("r1", **{"content": (), **fields, **changes})
    )
    return from_record(*record, PRICES)


def test_a_record_says_what_happened() -> None:
    """Live metrics would be of something else than what was recorded."""
    seen = Measured("cites", Conduct.HELD, 2, Action.RETRY, detector="pattern", score=0.0)
    found = observed(behaviours=(seen,), timings=Timings(1.0, 30.0, 90.0))
    assert found.behaviours == (seen,)
    assert (found.first_token_ms, found.total_ms) == (30.0, 90.0)
    assert (found.tokens_in, found.tokens_out) == (1_000_000, 100_000)
    assert (found.at, found.persona, found.status) == (NOON, "tutor", Status.COMPLETED)
    assert found.session == OWNER.reference("session", "chat")


def test_what_a_record_cannot_say_is_not_known() -> None:
    """Silence of a record would be read as a tool that worked or a check that held."""
    found = observed()
    assert found.is_tool_failure is None
    assert found.checks is Conduct.NOT_SCORED
    (alone,) = in_tasks([found])
    assert alone.completed is Conduct.NOT_SCORED
    assert (alone.satisfaction, alone.is_harmless, alone.is_violation) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "is_refused"),
    [
        ({}, False),
        ({"outcome": Outcome.MASK}, False),
        ({"outcome": Outcome.BLOCK}, True),
        ({"outcome": Outcome.ESCALATE}, True),
        ({"outcome": Outcome.UNCHECKED, "finish": "content_filter"}, None),
        ({"finish": "content_filter"}, True),
        ({"content": (("choices[0].refusal", "I will not."),)}, True),
        ({"content": (("choices[0].text", "I will."),)}, False),
        ({"finish": None, "status": Status.FAILED}, None),
    ],
)
def test_who_declined_to_answer_is_seen(
    changes: dict[str, object],
    is_refused: bool | None,  # noqa: FBT001  # a row
) -> None:
    """A refusal would count as an answer, or an outage as a refusal."""
    assert observed(**changes).is_refused is is_refused


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({}, (0.7 * 2 + 0.2 * 0.5 + 0.1 * 4 + 0.1 * 10)),
        ({"attempts": (), "usage": None}, 0.0),
        ({"attempts": (), "usage": None, "status": Status.CUT_OFF}, None),
        ({"usage": None}, None),
        ({"attempts": (Attempt("scripted", "unpriced", 1.0),)}, None),
        ({"attempts": (ASKED, Attempt("other", "model-2", 1.0))}, None),
        ({"attempts": (ASKED, Attempt("scripted", "twin", 1.0))}, 2.9),
        ({"attempts": (Attempt("other", "model-2", 1.0, "timeout"), ASKED)}, 2.9),
        ({"attempts": (Attempt("other", "model-2", 1.0),)}, 1.1),
    ],
)
def test_what_an_exchange_cost_is_said_only_where_it_is_known(
    changes: dict[str, object], cost: float | None
) -> None:
    """A model without a price, or one of two, would be free or cost what another does."""
    found = observed(**changes).cost
    assert found == (None if cost is None else pytest.approx(cost))


def test_users_words_on_the_session_hold_before_those_on_requests() -> None:
    """A first thumb would outweigh what the user said of the whole conversation."""
    one = replace(observed(), session="chat")
    two = replace(one, id="r2", at=one.at + timedelta(minutes=1))
    apart = replace(one, id="r3", session=None)
    up, down = Satisfaction(Scale.THUMB, 1), Satisfaction(Scale.THUMB, 0)
    said = {
        Target(TargetKind.REQUEST, "r1"): Standing(down, TaskOutcome.COMPLETED),
        Target(TargetKind.REQUEST, "r2"): Standing(up, corrections=(Correction(),)),
        Target(TargetKind.REQUEST, "r3"): Standing(task=TaskOutcome.ABANDONED),
    }
    chat, alone = in_tasks([two, apart, one], said)
    assert [each.id for each in chat.exchanges] == ["r1", "r2"]
    assert (chat.satisfaction, chat.satisfaction_by) == (0.5, Basis.USER)
    assert (chat.completed, chat.completed_by) == (Conduct.HELD, Basis.USER)
    assert chat.corrections == (2,)
    assert (alone.completed, alone.satisfaction_by) == (Conduct.FAILED, None)
    said[Target(TargetKind.SESSION, "chat")] = Standing(
        up, TaskOutcome.ESCALATED, corrections=(Correction(1),)
    )
    chat, _ = in_tasks([one, two, apart], said)
    assert (chat.satisfaction, chat.completed) == (1.0, Conduct.FAILED)
    assert chat.corrections == (1, 2)


_CLOSINGS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    outcome=st.sampled_from(Outcome),
    status=st.sampled_from([Status.COMPLETED, Status.FAILED, Status.CANCELLED]),
    finish=st.sampled_from([None, "stop", "content_filter"]),
    usage=st.none() | st.builds(Usage, st.integers(0, 900), st.integers(0, 900)),
    behaviours=st.lists(
        st.builds(Measured, st.sampled_from("ab"), st.sampled_from(Conduct)), max_size=2
    ).map(tuple),
    timings=st.builds(Timings, st.just(1.0), st.none() | st.floats(1, 500), st.just(500.0)),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from([None, "s", "t"]), _CLOSINGS), max_size=8), st.data())
def test_records_give_the_numbers_that_the_same_exchanges_give_in_cases(
    said: list[tuple[str | None, dict[str, Any]]], data: st.DataObject
) -> None:
    """A metric would mean one thing in a pull request and another in production."""
    live: list[ObservedExchange] = []
    cases: dict[str, list[ObservedExchange]] = {}
    for number, (session, fields) in enumerate(said):
        name, at = f"r{number}", NOON + timedelta(seconds=number)
        price, usage = PRICES["scripted", "model-1"], fields["usage"]
        shut = closing(name, **{"content": (), "attempts": (ASKED,), **fields})
        live.append(from_record(*entries(opening(name, at=at, session=session), shut), PRICES))
        is_refused: bool | None = (
            shut.outcome in {Outcome.BLOCK, Outcome.ESCALATE} or shut.finish == "content_filter"
        )
        if shut.outcome is Outcome.UNCHECKED or (shut.finish is None and not is_refused):
            is_refused = None
        mates = cases.setdefault(session or name, [])
        mates.append(
            ObservedExchange(
                id=name,
                session=session,
                turn=len(mates) + 1,
                persona="tutor",
                variant=None,
                catalog="c",
                at=at,
                outcome=shut.outcome,
                status=shut.status,
                total_ms=500.0,
                behaviours=shut.behaviours,
                cost=None if usage is None else price.cost(usage),
                first_token_ms=shut.timings.first_token_ms,
                is_refused=is_refused,
            )
        )
    offline = [ObservedTask(name, "tutor", None, "c", tuple(of)) for name, of in cases.items()]
    online = list(in_tasks(data.draw(st.permutations(live))))
    for metric in metrics_of(offline):
        one, other = measure(metric, offline).plain(), measure(metric, online).plain()
        assert one["not_scored"] == other["not_scored"]
        assert (one["of"], one["cases"]) == (other["of"], other["cases"])
        assert one["value"] == pytest.approx(other["value"])
