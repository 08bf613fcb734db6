"""Exchanges as the gateway runs them, under policies and behaviours that a test makes."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from typing_extensions import override

from app.compose.compose import compile_prompt
from app.domain.catalog import Catalog, Feature, Prompt, Route, Source, Target
from app.domain.conversation import Conversation, Message, Origin, Role, TextPart
from app.domain.events import Finish, FinishReason, StreamEvent, TextDelta, ToolCallDelta, Usage
from app.domain.finding import CLEAN, Detection, Finding, Found, Unchecked
from app.domain.persona import Behaviour, ChoicesBound, Identity, Persona, SamplingBounds
from app.domain.policy import Policy
from app.domain.record import Closing, Opening
from app.guardrails.behaviours import plan_behaviours
from app.guardrails.detector import Detector
from app.guardrails.evaluate import History
from app.guardrails.kinds import KINDS
from app.guardrails.plan import Builds, compile_policy
from app.ledger.recorded import Recorded, recorded_from
from app.pipeline.exchange import Exchange
from app.pipeline.loaded import Loaded, Served
from app.pipeline.steps import Ask, Steps
from app.telemetry.metrics import Metrics
from tests.guardrails.building import KEY, OUTSIDE, Local, Remote, kind
from tests.pipeline.exchanging import CALLER, PlayedBackend

PERSONA = "ann"
ROUTE = Route("balanced", (Target("scripted", "model"),))
EARLIER = (
    Message(Role.USER, Origin.CLIENT, (TextPart("aB", "messages[0].content"),)),
    Message(Role.ASSISTANT, Origin.CLIENT, (TextPart("b!", "messages[1].content"),)),
)


def _halves(text: str) -> list[tuple[int, int]]:
    if "!" in text:
        raise ValueError
    return [(0, len(text) // 2)] if len(text) > 3 else []


async def _outside(text: str) -> Detection:
    """Sees a question mark; is out where there is a hash."""
    if "#" in text:
        return Unchecked("out")
    if "?" not in text:
        return CLEAN
    return Found((Finding("remote", "asks", 0.5, "", 0, 1, "1"),))


@cache
def kinds() -> Mapping[str, Any]:
    """Kinds of detectors, some of which fail."""
    made: list[Detector] = [
        Local(_halves, score=0.5, name="half"),
        Local(lambda text: [(0, 1)] if "B" in text else [], score=0.8),
        Remote(_outside),
    ]
    absent = replace(kind(Local(_halves, name="absent")), runs_here=lambda _settings: False)
    return {**KINDS, **{each.name: kind(each) for each in made}, "absent": absent}


@cache
def builds() -> Builds:
    """Detectors, built once."""
    return Builds(kinds())


@dataclass
class Kept:
    """Takes the two entries of a record and keeps them."""

    opening: Opening | None = None
    closing: Closing | None = None

    async def open(self, opening: Opening) -> None:
        """Keep it."""
        self.opening = opening

    async def close(self, closing: Closing) -> None:
        """Keep it."""
        self.closing = closing


class _NoVault:
    async def load(self, scope: object) -> Mapping[str, object]:
        del scope
        return {}


@dataclass
class Answers(PlayedBackend):
    """Answers each attempt with the next text, the last one over and over."""

    gives = frozenset(Feature)
    texts: Sequence[str] = ("",)
    calls_tool: bool = False
    asked: int = 0

    @override
    async def stream(
        self, conversation: Conversation, model: str
    ) -> AsyncGenerator[StreamEvent, None]:
        text = self.texts[min(self.asked, len(self.texts) - 1)]
        self.asked += 1
        for choice in range(conversation.sampling.choices):
            for at in range(0, len(text), 3):
                yield TextDelta(text[at : at + 3], choice)
            if self.calls_tool:
                yield ToolCallDelta(0, text, "call", "tool", choice)
            yield Finish(FinishReason.STOP, choice)
        yield Usage(1, 1)


@dataclass(frozen=True)
class Clock:
    """Stands still."""

    at: datetime

    def now(self) -> datetime:
        """The time it stands at."""
        return self.at

    def monotonic(self) -> float:
        """No time goes by."""
        return 0.0


def revision(policy: Policy, behaviours: Sequence[Behaviour], digest: str) -> Loaded:
    """A project of one persona, that is served under this policy."""
    persona = Persona(
        id=PERSONA,
        name="Ann",
        prompt="assistant",
        policy=policy.id,
        route="balanced",
        identity=Identity(role="librarian"),
        behaviours=tuple(behaviours),
        sampling=SamplingBounds(choices=ChoicesBound(max=2)),
    )
    file = f"policies/{policy.id}.yaml"
    places = {(file, ""): 1, (f"personas/{PERSONA}.yaml", ""): 1}
    places |= {(file, f"rules[{index}]"): 10 + index for index in range(len(policy.rules))}
    catalog = Catalog(
        digest=digest,
        personas={PERSONA: persona},
        policies={policy.id: policy},
        prompts={"assistant": Prompt("assistant", "prompts/assistant.md.j2", "You are Ann.")},
        routes={ROUTE.id: ROUTE},
        knowledge={},
        sources={key: Source(key[0], line, 1) for key, line in places.items()},
    )
    plan = compile_policy(policy, kinds(), builds())
    served = Served(
        persona=persona,
        variant=None,
        prompt=compile_prompt(persona, catalog),
        plan=plan,
        behaviours=plan_behaviours(persona, builds()),
        route=ROUTE,
    )
    return Loaded(catalog, {(PERSONA, None): served}, {policy.id: plan}, {ROUTE.id: ROUTE})


@dataclass(frozen=True)
class Said:
    """A request, and what the model says to it."""

    text: str
    answers: Sequence[str]
    audience: str
    at: datetime
    request_id: str
    has_history: bool = False
    calls_tool: bool = False
    choices: int = 1
    tool_result: str = ""


async def live(loaded: Loaded, said: Said) -> Recorded:
    """The record that the gateway leaves of an exchange."""
    kept = Kept()
    served = loaded.find(PERSONA, None)
    backend = Answers(texts=said.answers, calls_tool=said.calls_tool)
    steps = Steps(
        backends={each.backend: backend for each in served.route.all_targets},
        ledger=kept,
        vault=_NoVault(),  # type: ignore[arg-type]  # no session, no pseudonyms to load
        metrics=_metrics(),
        clock=Clock(said.at),
        new_id=lambda: "id",
        outside=lambda _tenant, _routes: OUTSIDE,
        pseudonym_key=KEY,
        history=History(KEY),
        max_messages=9,
        max_text_chars=1000,
    )
    at = 2 if said.has_history else 0
    asked = (TextPart(said.text, f"messages[{at}].content"),)
    messages = [*EARLIER[:at], Message(Role.USER, Origin.CLIENT, asked)]
    if said.tool_result:
        told = (TextPart(said.tool_result, f"messages[{at + 1}].content"),)
        messages.append(Message(Role.TOOL, Origin.TOOL, told))
    conversation = Conversation(PERSONA, tuple(messages))
    sampling = replace(conversation.sampling, choices=said.choices)
    ask = Ask(
        replace(conversation, sampling=sampling),
        served,
        loaded.catalog.digest,
        CALLER,
        said.audience,
        loaded.routes,
        said.request_id,
    )
    async for _ in Exchange(steps, ask).run():
        pass
    if kept.opening is None or kept.closing is None:
        raise AssertionError("the exchange left no record")
    return recorded_from(_json(kept.opening), _json(kept.closing))


@cache
def _metrics() -> Metrics:
    return Metrics()


def _json(entry: Opening | Closing) -> Any:  # noqa: ANN401  # JSON
    return orjson.loads(orjson.dumps(entry, default=sorted))
