"""A past for a project of the tests: a month of exchanges, as the ledger has them.

There is an outage in it, and a change for the worse.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app.access.keys import KeyWish, create_key
from app.domain.conduct import Conduct, Measured
from app.domain.decision import (
    Applied,
    Decision,
    DetectorRef,
    Outcome,
    StageTrace,
    UncheckedRun,
)
from app.domain.events import Usage
from app.domain.feedback import Said, Satisfaction, Scale, Target, TargetKind
from app.domain.finding import Finding
from app.domain.policy import Action, Stage
from app.domain.record import Attempt, Closing, Held, Opening, Status, Timings
from app.ledger.feedback import Giving
from app.ledger.keys import KeyStore
from app.main import SystemClock, load_project, new_id, open_ledger

EARLIER = "sha256:" + "1" * 64
LATER = "sha256:" + "2" * 64
PERSONAS = ("lexi", "keeper", "conduct")
_REFS = (
    DetectorRef("pii", "1"),
    DetectorRef("secrets", "1"),
    DetectorRef("words", "1"),
    DetectorRef("patterns", "1"),
)
_WHY = "of its <i>form</i>"
_RULES = {
    Outcome.BLOCK: ("banned-question", "words", "ask-banned"),
    Outcome.PSEUDONYMIZE: ("personal-data", "pii", "EMAIL_ADDRESS"),
    Outcome.FLAG: ("grown-up", "words", "grown-up"),
}


@dataclass(frozen=True)
class Past:
    """How much of it there is."""

    until: datetime
    days: int = 30
    a_day: int = 40
    tenant: str = "default"


def exchanges(past: Past) -> Iterator[tuple[Opening, Closing]]:
    """All of it, oldest first."""
    dice = random.Random(6)  # noqa: S311  # nothing secret
    count = past.days * past.a_day
    for number in range(count):
        back = past.days * 24 * (1 - number / count)
        at = past.until - timedelta(hours=back, minutes=dice.random() * 20)
        is_out = 30 < back < 33
        is_late = back < 24 * 8
        outcome = dice.choices(
            [Outcome.ALLOW, Outcome.PSEUDONYMIZE, Outcome.FLAG, Outcome.BLOCK], [78, 12, 6, 4]
        )[0]
        yield (
            _opening(past, number, at, outcome, dice, is_late=is_late),
            _closing(past, number, at, outcome, dice, is_out=is_out, is_late=is_late),
        )


def _id(number: int, at: datetime) -> str:
    return f"{int(at.timestamp() * 1000):012x}{number:020x}"


def _seen(outcome: Outcome, stage: Stage) -> tuple[tuple[StageTrace, ...], tuple[Decision, ...]]:
    if outcome is Outcome.ALLOW:
        return (StageTrace(stage, _REFS),), (Decision(stage),)
    rule, detector, category = _RULES[outcome]
    finding = Finding(detector, category, 0.9, "messages[0].content", 3, 19, "1", _WHY)
    applied = Applied(rule, Action(outcome.value), (0,))
    return (StageTrace(stage, _REFS, (finding,)),), (Decision(stage, (applied,)),)


def _opening(  # what an exchange depends on
    past: Past, number: int, at: datetime, outcome: Outcome, dice: random.Random, *, is_late: bool
) -> Opening:
    trace, decisions = _seen(outcome, Stage.INPUT)
    return Opening(
        request_id=_id(number, at),
        at=at,
        tenant=past.tenant,
        key_id="key-of-the-shop",
        subject=f"person-{number % 90}",
        session=f"session-{number // 3}",
        consent=None,
        dialect="openai_chat",
        persona=PERSONAS[number // 3 % 3 if dice.random() < 0.9 else 0],
        variant=None,
        audience="public",
        policy="root",
        catalog=LATER if is_late else EARLIER,
        prompt="sha256:" + "c" * 64,
        route="balanced",
        backend="model",
        model="served-model",
        is_stream=True,
        trace=trace,
        decisions=decisions,
        outcome=outcome,
    )


def _closing(  # noqa: PLR0913  # what an exchange depends on
    past: Past,
    number: int,
    at: datetime,
    outcome: Outcome,
    dice: random.Random,
    *,
    is_out: bool,
    is_late: bool,
) -> Closing:
    del past
    is_blocked = outcome is Outcome.BLOCK
    is_failed = is_out and dice.random() < 0.6
    blind = (UncheckedRun("words", "", "choices[0].text", "out"),) if is_out else ()
    total_ms = dice.lognormvariate(6.9, 0.5) * (1.6 if is_out else 1)
    kept = dice.random() < (0.72 if is_late else 0.95)
    conduct = Conduct.HELD if kept else Conduct.FAILED
    return Closing(
        request_id=_id(number, at),
        at=at + timedelta(milliseconds=total_ms),
        status=Status.FAILED if is_failed else Status.COMPLETED,
        outcome=outcome,
        trace=() if is_blocked else (StageTrace(Stage.OUTPUT, _REFS, unchecked=blind),),
        decisions=() if is_blocked else (Decision(Stage.OUTPUT, unchecked=blind),),
        finish=None if is_failed else "content_filter" if is_blocked else "stop",
        error="timeout" if is_failed else None,
        usage=Usage(0, 0) if is_blocked else Usage(300 + number % 90, 120 + number % 50),
        attempts=()
        if is_blocked
        else (Attempt("model", "served-model", 220.0, "timeout" if is_failed else None),),
        behaviours=() if is_blocked else (Measured("numbered", conduct),),
        timings=Timings(2.4, None if is_blocked else 240.0, 4.0 if is_blocked else total_ms),
        held=None if is_blocked else Held(dice.randint(0, 160), dice.random() * 300),
    )


async def _prepared(
    root: Path, past: Past, wishes: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    ledger = await open_ledger(load_project(root, reads_secrets=False))
    every = list(exchanges(past))
    for some in range(0, len(every), 500):
        await asyncio.gather(*(ledger.open(each) for each, _ in every[some : some + 500]))
        await asyncio.gather(*(ledger.close(each) for _, each in every[some : some + 500]))
    await asyncio.gather(*(ledger.give_feedback(each) for each in _opinions(past, every)))
    keys = {}
    for name, wish in wishes.items():
        wanted = KeyWish(**{"tenant": past.tenant, "name": name, **wish})
        made = await create_key(KeyStore(ledger.store), SystemClock(), new_id, wanted)
        keys[name] = made.secret
    await ledger.stop()
    return keys


def _opinions(past: Past, every: list[tuple[Opening, Closing]]) -> Iterator[Giving]:
    dice = random.Random(7)  # noqa: S311  # nothing secret
    for number in range(0, len(every), 12):
        opening = every[number][0]
        stars = Satisfaction(Scale.STARS, dice.choice([3, 4, 5, 5]))
        about = Target(TargetKind.SESSION, opening.session or "")
        yield Giving(
            f"said-{past.tenant}-{number}",
            opening.at + timedelta(minutes=2),
            past.tenant,
            "key-of-the-shop",
            about,
            opening.request_id,
            Said(stars),
            b"",
        )


def prepared(root: Path, past: Past, wishes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Write it into a project's ledger, with keys, while no gateway runs on it; the keys by name.

    Args:
        root: The project.
        past: How much.
        wishes: What each key may do, as ``KeyWish`` says it.
    """
    # Playwright has an event loop in the tests' own thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(_prepared(root, past, wishes))).result()
