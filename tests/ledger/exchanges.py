"""Exchanges to record, and a clock that stands still."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.domain.decision import Applied, Decision, DetectorRef, Outcome, StageTrace
from app.domain.events import Usage
from app.domain.finding import Finding
from app.domain.policy import Action, Stage
from app.domain.record import Closing, Opening, Status, Timings

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@dataclass
class StandingClock:
    """A clock that goes only when told."""

    at: datetime = NOON

    def now(self) -> datetime:
        """The time it was set to."""
        return self.at

    def monotonic(self) -> float:
        """Seconds since the day it was made for."""
        return (self.at - NOON).total_seconds()

    def go(self, **units: float) -> None:
        """Go on by a ``timedelta`` of these units."""
        self.at += timedelta(**units)


def counting(prefix: str) -> Callable[[], str]:
    """Ids that count up."""
    numbers = itertools.count(1)
    return lambda: f"{prefix}-{next(numbers):06}"


FINDING = Finding("pii", "EMAIL_ADDRESS", 0.9, "messages[0].content", 3, 19, "1", "an address")
TRACE = (StageTrace(Stage.INPUT, (DetectorRef("pii", "1"),), (FINDING,)),)
DECISIONS = (Decision(Stage.INPUT, (Applied("personal-data", Action.MASK, (0,)),)),)


def opening(
    request_id: str,
    *,
    at: datetime = NOON,
    tenant: str = "acme",
    subject: str | None = None,
    session: str | None = None,
    **changes: object,
) -> Opening:
    """An opening entry; ``changes`` are other fields of it."""
    values: dict[str, object] = {
        "key_id": "key-1",
        "consent": None,
        "dialect": "openai_chat",
        "persona": "tutor",
        "variant": None,
        "audience": "public",
        "policy": "legal",
        "catalog": "sha256:" + "a" * 64,
        "prompt": "sha256:" + "b" * 64,
        "route": "balanced",
        "backend": "scripted",
        "model": "model-1",
        "is_stream": True,
        "trace": TRACE,
        "decisions": DECISIONS,
        "outcome": Outcome.MASK,
        "content": (("messages[0].content", "write to [removed]"),),
    } | changes
    return Opening(request_id, at, tenant, subject=subject, session=session, **values)  # type: ignore[arg-type]  # checked by its tests


def closing(request_id: str, *, at: datetime = NOON, **changes: object) -> Closing:
    """A closing entry; ``changes`` are other fields of it."""
    values: dict[str, object] = {
        "status": Status.COMPLETED,
        "outcome": Outcome.MASK,
        "finish": "stop",
        "usage": Usage(12, 34),
        "timings": Timings(1.5, 20.25, 300.125),
        "content": (("text", "I wrote to [removed]"),),
    } | changes
    return Closing(request_id, at, **values)  # type: ignore[arg-type]  # checked by its tests
