"""Exchanges and tasks as cases and records give them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.domain.conduct import Conduct, Measured
from app.domain.decision import Outcome
from app.domain.record import Status
from app.metrics.observed import Basis, ObservedExchange, ObservedTask

BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
FINE = ObservedExchange(
    id="r1",
    session="s",
    turn=1,
    persona="p",
    variant=None,
    catalog="c",
    at=BEGAN,
    outcome=Outcome.ALLOW,
    status=Status.COMPLETED,
    total_ms=100.0,
    is_refused=False,
)
REFUSED = replace(FINE, outcome=Outcome.BLOCK, is_refused=True)
BROKEN = replace(FINE, status=Status.FAILED, is_refused=None)
TASK = ObservedTask("case", "p", None, "c", (FINE,))


def measured(**conducts: Conduct) -> tuple[Measured, ...]:
    """What became of behaviours."""
    return tuple(Measured(name, conduct) for name, conduct in conducts.items())


def task(*exchanges: ObservedExchange, name: str = "case") -> ObservedTask:
    """A task of exchanges that came one after another."""
    numbered = (
        replace(each, id=f"{name}-{turn}", turn=turn, at=BEGAN + timedelta(minutes=turn))
        for turn, each in enumerate(exchanges, start=1)
    )
    return replace(TASK, id=name, exchanges=tuple(numbered))


def checked(name: str, *, held: bool, repeat: int = 0) -> ObservedTask:
    """A case of which is known whether its goal was reached."""
    return replace(
        TASK,
        id=name,
        completed=Conduct.HELD if held else Conduct.FAILED,
        completed_by=Basis.CHECKS,
        repeat=repeat,
    )


def all_checked(held: Sequence[bool], prefix: str = "case") -> list[ObservedTask]:
    """A case for each."""
    return [checked(f"{prefix} {place}", held=each) for place, each in enumerate(held)]
