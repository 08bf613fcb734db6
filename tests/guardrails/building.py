"""Policies, answers and detectors in few words, for tests of the guardrails."""

import asyncio
import atexit
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from typing_extensions import override

from app.domain.events import Finish, FinishReason, StreamEvent, TextDelta, Usage
from app.domain.finding import CLEAN, Detection, Finding, Found
from app.domain.persona import FileModel
from app.domain.policy import (
    Action,
    DetectSpec,
    Mode,
    Policy,
    Rule,
    Stage,
    Step,
    Steps,
    Waiver,
)
from app.domain.protocols import AnswerT, Outside, PseudonymScope, Question
from app.guardrails.context import Context
from app.guardrails.detector import Detector, DetectorKind, Scope
from app.guardrails.kinds import KINDS
from app.guardrails.passage import Passage
from app.guardrails.plan import PolicyPlan, compile_policy
from app.guardrails.pseudonyms import Minter
from app.guardrails.release import OutputGuard

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SCOPE = PseudonymScope("tenant", "key", "session")
KEY = b"a key for tests only"
ResultT = TypeVar("ResultT")
AUDIENCES = ("minor", "public", "professional")


def rule(
    id_: str,
    detect: Mapping[str, Mapping[str, object]],
    then: Action | Steps | Mapping[str, Steps],
    *stages: Stage,
    **more: Any,  # noqa: ANN401  # fields of Rule
) -> Rule:
    """A rule; one action stands for it at every score, for every audience."""
    steps = (Step(0.0, then),) if isinstance(then, Action) else then
    by_audience = steps if isinstance(steps, Mapping) else dict.fromkeys(AUDIENCES, steps)
    ((detector, settings),) = detect.items()
    return Rule(
        id=id_,
        stages=frozenset(stages or (Stage.OUTPUT,)),
        detect=DetectSpec(detector, settings),
        then=by_audience,
        **more,
    )


def words(*listed: str, **settings: object) -> Mapping[str, Mapping[str, object]]:
    """Settings of the words detector."""
    return {"words": {"words": listed, "whole_words": False, **settings}}


def patterns(*regexes: str, **settings: object) -> Mapping[str, Mapping[str, object]]:
    """Settings of the patterns detector."""
    listed = [{"id": f"p{n}", "regex": regex, **settings} for n, regex in enumerate(regexes)]
    return {"patterns": {"patterns": listed}}


def policy(*rules: Rule, waivers: Sequence[Waiver] = ()) -> Policy:
    """A policy with these rules."""
    return Policy("test", AUDIENCES, "public", rules, tuple(waivers))


def plan(*rules: Rule, waivers: Sequence[Waiver] = (), extra: Iterable[Any] = ()) -> PolicyPlan:
    """The same, compiled; with more kinds of detectors."""
    kinds = {**KINDS, **{kind.name: kind for kind in extra}}
    return compile_policy(policy(*rules, waivers=waivers), kinds)


def guard(
    compiled: PolicyPlan,
    audience: str = "public",
    *,
    minter: Minter | None = None,
    now: datetime = NOW,
    steers: Sequence[str] = (),
    draw: float = 0.0,
) -> OutputGuard:
    """A guard over one answer."""
    minter = minter or Minter(KEY, SCOPE)
    return OutputGuard(
        compiled, audience, minter=minter, now=now, steers=steers, outside=OUTSIDE, draw=draw
    )


def observed(rule_: Rule) -> Rule:
    """The same rule, only observing."""
    return Rule(**{**_fields(rule_), "mode": Mode.OBSERVE})


def _fields(rule_: Rule) -> dict[str, Any]:
    return {name: getattr(rule_, name) for name in Rule.__dataclass_fields__}


def run(steps: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The result of a coroutine. One loop for all: one for each example would take most time."""
    return _runner().run(steps)


@cache
def _runner() -> asyncio.Runner:
    runner = asyncio.Runner()
    atexit.register(runner.close)
    return runner


async def stream(
    guarding: OutputGuard, events: Iterable[StreamEvent], choices: Sequence[int] = (0,)
) -> list[StreamEvent]:
    """Everything that leaves, as a pipeline drives the guard."""
    out: list[StreamEvent] = []
    for event in events:
        out += await guarding.take(event)
        if len(guarding.stops) == len(choices):
            break
    for choice in choices:
        out += await guarding.finish(Finish(FinishReason.STOP, choice))
    await guarding.conclude()
    return out


def text_of(events: Iterable[StreamEvent]) -> str:
    """The answer's text."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def pieces(text: str, cuts: Iterable[int]) -> list[str]:
    """A text cut at these places."""
    places = sorted({0, len(text), *(cut for cut in cuts if 0 < cut < len(text))})
    return [text[a:b] for a, b in itertools.pairwise(places)]


class NoSettings(FileModel):
    """A detector of a test has none."""


@dataclass
class Local:
    """A local detector made of a function from text to places, which may raise."""

    find: Callable[[str], Iterable[tuple[int, int]]]
    scope: Scope = Scope.RESPONSE
    shapes: tuple[str, ...] | None = None
    name: str = "local"
    revision: str = "1"
    spec: str = ""
    left_context: int = 0
    score: float = 1.0
    asked: list[str] = field(default_factory=list)

    def inspect(self, passage: Passage) -> Detection:
        """The places that the function gives."""
        self.asked.append(passage.original)
        found = tuple(self._finding(*span) for span in self.find(passage.original))
        return Found(found) if found else CLEAN

    def _finding(self, start: int, end: int) -> Finding:
        return Finding(self.name, "c", self.score, "", start, end, self.revision, spec=self.spec)


class Says(Outside):
    """Answers the same to everything."""

    def __init__(self, answer: str | bytes) -> None:
        self._answer = answer if isinstance(answer, str) else answer.decode("utf-8", "replace")

    @property
    @override
    def usage(self) -> Usage | None:
        return None

    @override
    async def complete(
        self, route: str, question: Question, read: Callable[[str], AnswerT]
    ) -> AnswerT:
        return read(self._answer)

    @override
    async def post(self, endpoint: str, body: bytes, read: Callable[[str], AnswerT]) -> AnswerT:
        return read(self._answer)


OUTSIDE = Says("")
"""For detectors of a test, which answer by themselves."""


@dataclass
class Remote:
    """A detector outside, made of a coroutine function."""

    answer: Callable[[str], Awaitable[Detection]]
    name: str = "remote"
    revision: str = "1"
    spec: str = ""
    asked: list[str] = field(default_factory=list)
    contexts: list[Context] = field(default_factory=list)

    async def inspect_remotely(self, passage: Passage, outside: Outside) -> Detection:
        """What the function says, without asking anybody."""
        del outside
        self.asked.append(passage.original)
        self.contexts.append(passage.context)
        return await self.answer(passage.original)


def kind(detector: Detector) -> DetectorKind[NoSettings]:
    """A kind that gives this detector."""
    return DetectorKind(
        name=detector.name,
        summary="For a test.",
        settings=NoSettings,
        build=lambda _settings: detector,
        selects=lambda _settings, _finding: True,
        is_as_strict=lambda _settings, _other: True,
    )
