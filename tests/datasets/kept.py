"""A ledger with exchanges that were rated, and data sets made of it."""

import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from app.datasets.cleaning import Cleaner
from app.datasets.make import Made, Maker
from app.datasets.wanted import Form, Wanted
from app.domain.conversation import (
    Message,
    Origin,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from app.domain.decision import Outcome
from app.domain.feedback import (
    Consent,
    Correction,
    Purpose,
    Said,
    Satisfaction,
    Scale,
    Target,
    TargetKind,
    TaskOutcome,
)
from app.domain.record import Status
from app.guardrails.kinds import KINDS
from app.guardrails.plan import Builds
from app.ledger.feedback import Giving
from app.ledger.ledger import Ledger
from tests.ledger.exchanges import NOON, StandingClock, closing, counting, opening

KEY = b"k" * 32
BUILDS = Builds(KINDS)
YES, NO = Consent((Purpose.TRAIN,), "terms-3"), Consent()
UP, DOWN = Satisfaction(Scale.THUMB, 1), Satisfaction(Scale.THUMB, 0)


@dataclass(frozen=True)
class Case:
    """One exchange, and what was said of it."""

    id: str
    asked: str = "How long may I keep a starter in the cold?"
    answered: str = "A week, if it was fed before."
    subject: str | None = None
    session: str | None = None
    consent: Consent | None = YES
    session_consent: Consent | None = None
    subject_consent: Consent | None = None
    satisfaction: Satisfaction | None = UP
    task: TaskOutcome | None = None
    demonstration: str | None = None
    correction: str | None = None
    status: Status = Status.COMPLETED
    outcome: Outcome = Outcome.ALLOW
    is_kept: bool = True
    days_old: float = 0
    surrogates: tuple[tuple[str, str], ...] = ()
    tool: tuple[str, str] | None = None
    """Arguments of a call in the request, and what the tool answered."""
    persona: str = "tutor"
    tenant: str = "acme"

    @property
    def turns(self) -> tuple[tuple[Message, ...], tuple[tuple[str, str], ...]]:
        """The turns of the request without texts, and the texts by path."""
        turns = [_message(Role.USER, TextPart("-", "messages[0].content"))]
        texts = [("messages[0].content", self.asked)]
        if self.tool is not None:
            call = ToolCallPart("call_9xZ", "look_up", "-", "messages[1].tool_calls[0]")
            turns.append(_message(Role.ASSISTANT, call))
            answer = ToolResultPart("call_9xZ", "-", "messages[2].content")
            turns.append(_message(Role.TOOL, answer))
            texts.append(("messages[1].tool_calls[0].arguments", self.tool[0]))
            texts.append(("messages[2].content", self.tool[1]))
        return tuple(turns), tuple(texts)


def _message(role: Role, *parts: TextPart | ToolCallPart | ToolResultPart) -> Message:
    origin = Origin.TOOL if role is Role.TOOL else Origin.CLIENT
    return Message(role, origin, parts, path=parts[0].path)


ANSWER = (_message(Role.ASSISTANT, TextPart("-", "choices[0].text")),)


@asynccontextmanager
async def ledger_of(*cases: Case) -> AsyncIterator[tuple[Ledger, StandingClock]]:
    """A ledger that keeps text for three days, with these exchanges."""
    clock = StandingClock()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'ledger.db'}"
        key_file = Path(folder) / "ledger.key"
        ledger = await Ledger.start(url, key_file, clock, counting("writer"))
        try:
            for case in cases:
                await record(ledger, case)
            yield ledger, clock
        finally:
            await ledger.stop()


async def record(ledger: Ledger, case: Case) -> None:
    """Record an exchange as the gateway does, and what was said of it."""
    at = NOON - timedelta(days=case.days_old)
    turns, texts = case.turns
    await ledger.open(
        opening(
            case.id,
            at=at,
            tenant=case.tenant,
            subject=case.subject,
            session=case.session,
            persona=case.persona,
            content=texts,
            keeps_content=case.is_kept,
            content_days=3,
            turns=turns if case.is_kept else (),
            surrogates=dict(case.surrogates),
        )
    )
    told = (("choices[0].text", case.answered),)
    kept = ANSWER if case.is_kept else ()
    await ledger.close(
        closing(case.id, at=at, content=told, turns=kept, status=case.status, outcome=case.outcome)
    )
    correction = case.correction and Correction(None, case.correction)
    said = Said(
        case.satisfaction, case.task, correction or None, None, case.demonstration, case.consent
    )
    if said != Said():
        await say(ledger, case, TargetKind.REQUEST, said)
    if case.session_consent is not None:
        await say(ledger, case, TargetKind.SESSION, Said(consent=case.session_consent))
    if case.subject_consent is not None:
        await say(ledger, case, TargetKind.SUBJECT, Said(consent=case.subject_consent))


async def say(ledger: Ledger, case: Case, kind: TargetKind, said: Said, version: int = 1) -> None:
    """Say something of an exchange, its session or its subject."""
    names = {TargetKind.SESSION: case.session, TargetKind.SUBJECT: case.subject}
    about = Target(kind, names.get(kind) or case.id)
    feedback_id = f"{case.id}-{kind}-{version}"
    giving = Giving(
        feedback_id,
        NOON,
        case.tenant,
        "key-1",
        about,
        case.id,
        said,
        feedback_id.encode(),
        version=version,
        text_days=3,
    )
    await ledger.give_feedback(giving)


def wanted(form: Form = Form.SFT, **more: object) -> Wanted:
    """What is asked for of the tests' tenant."""
    return replace(Wanted(form, "acme"), **more)  # type: ignore[arg-type]  # its own fields


async def made(ledger: Ledger, asked: Wanted, *, key: bytes = KEY) -> Made:
    """A data set, before it is written."""
    return await Maker(asked, Cleaner(key, NOON), {}, KINDS, BUILDS).make(ledger)


async def made_of(cases: Iterable[Case], form: Form = Form.SFT, **more: object) -> Made:
    """A data set of these exchanges."""
    async with ledger_of(*cases) as (ledger, _):
        return await made(ledger, wanted(form, **more))
