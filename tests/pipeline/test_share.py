"""Rules that act for a share of traffic, and policies that only observe, in whole exchanges."""

from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter

from app.domain.conversation import PersonaWishes
from app.domain.decision import Decision, Outcome, Trace
from app.guardrails.decide import decide
from app.ledger.records import Record
from tests.pipeline.exchanging import Kitchen, PlayedBackend, conversation, kitchen

_TRACE: TypeAdapter[Trace] = TypeAdapter(Trace)
_DECISIONS: TypeAdapter[tuple[Decision, ...]] = TypeAdapter(tuple[Decision, ...])


def _policy(root: Path, old: str, new: str) -> None:
    path = root / "policies/root.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


async def play(at: Kitchen, session: str | None) -> None:
    """One question that a rule blocks where it acts."""
    wishes = PersonaWishes(session=session)
    async for _ in at.exchange(conversation("ask-banned", wishes=wishes)).run():
        pass


async def test_a_session_stays_on_its_side_and_replay_says_the_same(root: Path) -> None:
    """A user would be blocked in one turn and not in the next, or a record not say why."""
    _policy(
        root,
        "[ask-banned]}}\n    then: block",
        "[ask-banned]}}\n    then: block\n    enforce_percent: 50",
    )
    sessions = [f"s{n}" for n in range(8)]
    async with kitchen(root, PlayedBackend()) as at:
        for session in [*sessions, *sessions]:
            await play(at, session)
        for _ in range(8):
            await play(at, None)
        records = list(reversed(await at.records()))
        plan = at.loaded.plan("root")
        for record in records:
            trace, decisions = recorded(record)
            assert decide(plan, "public", trace, record.opened_at) == decisions
            draws = {stage.draw for stage in trace}
            assert len(draws) == 1
            is_blocked = record.outcome is Outcome.BLOCK
            assert is_blocked == (draws.pop() < 50)
    first, second, alone = records[:8], records[8:16], records[16:]
    assert [record.outcome for record in first] == [record.outcome for record in second]
    draws_alone = [recorded(record)[0][0].draw for record in alone]
    assert len(set(draws_alone)) > 1, "without a session every request draws for itself"


def recorded(record: Record) -> tuple[Trace, tuple[Decision, ...]]:
    """The input's trace and decisions, as the ledger gives them back."""
    opening: Any = orjson.loads(orjson.dumps(record.opening))
    return _TRACE.validate_python(opening["trace"]), _DECISIONS.validate_python(
        opening["decisions"]
    )


async def test_a_policy_that_only_observes_stops_nothing_and_records_all(root: Path) -> None:
    """A policy that is only tried would block people, or leave nothing to judge it by."""
    _policy(root, "rules:\n", "mode: observe\nrules:\n")
    async with kitchen(root, PlayedBackend()) as at:
        await play(at, None)
        (record,) = await at.records()
        assert (record.outcome, len(at.backend.calls)) == (Outcome.ALLOW, 1)
        _, (decision, *_) = recorded(record)
        (applied,) = decision.applied
        assert (applied.rule, applied.is_observed) == ("banned-question", True)
