"""Policy and prompt without a model: ``/v1/guardrails/check`` and ``/v1/prompts/render``."""

import copy
import re
from collections.abc import Mapping
from functools import partial

import orjson

from app.api.compound import Items, Object
from app.api.fields import VARIABLES
from app.api.openai_chat import messages
from app.api.openai_chat_fields import TEXTS
from app.api.shapes import NAME, Id, Number, Opaque, Text, Word, admit
from app.api.summaries import (
    APPLIED,
    CATALOG,
    COUNT,
    FINDINGS,
    OUTCOME,
    UNCHECKED,
    applied_json,
    findings_json,
    unchecked_json,
)
from app.api.transport import Call
from app.domain.conversation import Conversation, Json, Segment
from app.domain.errors import RequestError
from app.domain.policy import Stage
from app.pipeline.gateway import CheckRequest, CheckResult, RenderRequest
from app.pipeline.segments import segments

CHECK = Object(
    {
        "policy": NAME,
        "persona": NAME,
        "stage": Word(tuple(Stage)),
        "text": Text(),
        "messages": TEXTS,
        "audience": NAME,
        "system": Text(),
    }
)

CHECKED = Object(
    {
        "outcome": OUTCOME,
        "text": Text(),
        "messages": TEXTS,
        "scores": Opaque("the highest score of each detector", max_chars=None),
        "findings": FINDINGS,
        "applied": APPLIED,
        "unchecked": UNCHECKED,
        "policy": NAME,
        "audience": NAME,
        "catalog": CATALOG,
        "latency_ms": Number(0, 1e9),
    },
    frozenset({"outcome", "scores", "findings", "applied", "unchecked", "policy", "catalog"}),
)

RENDER = Object(
    {"persona": NAME, "variant": NAME, "scenario": NAME, "variables": VARIABLES},
    frozenset({"persona"}),
)


_ORIGIN = Id(re.compile(r"(?s).{0,1000}"), "a file, or a key in it")
RENDERED = Object(
    {
        "text": Text(),
        "digest": _ORIGIN,
        "tokens": COUNT,
        "prompt": NAME,
        "cacheable_chars": COUNT,
        "provenance": Items(
            Object(
                {"file": _ORIGIN, "line": COUNT, "key": _ORIGIN}, frozenset({"file", "line", "key"})
            )
        ),
    },
    frozenset({"text", "digest", "tokens", "prompt", "cacheable_chars", "provenance"}),
)


async def check(call: Call) -> None:
    """Run a policy on a text or on messages."""
    caller = await call.authenticate()
    body = await call.json_object()
    request = await call.made(partial(_request, body))
    result = await call.parts.gateway.check(request, caller)
    await call.answer(await call.made(partial(_answer, body, result)))


def _request(body: Mapping[str, Json]) -> CheckRequest:
    admit(CHECK, body)
    _exactly_one(body, "policy", "persona")
    _exactly_one(body, "text", "messages")
    return CheckRequest(
        segments=_segments(body),
        policy=body.get("policy"),
        persona=body.get("persona"),
        audience=body.get("audience"),
        system=body.get("system"),
    )


def _answer(body: Mapping[str, Json], result: CheckResult) -> bytes:
    passed_on = (
        {"text": result.texts.get("text")}
        if body.get("text") is not None
        else {"messages": _rewritten(body["messages"], result.texts)}
    )
    made = {
        "outcome": result.outcome,
        **passed_on,
        "scores": dict(result.scores),
        "findings": findings_json(result.findings),
        "applied": applied_json(result.applied),
        "unchecked": unchecked_json(result.unchecked),
        "policy": result.policy,
        "audience": result.audience,
        "catalog": result.catalog,
        "latency_ms": result.latency_ms,
    }
    return orjson.dumps(made)


def _exactly_one(body: Mapping[str, Json], one: str, other: str) -> None:
    if (body.get(one) is None) == (body.get(other) is None):
        raise RequestError(f"{one}: give either {one} or {other}", param=one, code="invalid_value")


def _segments(body: Mapping[str, Json]) -> tuple[Segment, ...]:
    stage = body.get("stage")
    if body.get("text") is not None:
        return (Segment("text", body["text"], Stage(stage or Stage.INPUT)),)
    if stage not in (None, Stage.INPUT):
        what = "stage: messages are input and tool results; give text for another stage"
        raise RequestError(what, param="stage", code="invalid_value")
    said = messages(body["messages"], takes_system=True)
    return segments(Conversation(persona="", messages=said))


_STEP = re.compile(r"\.?([a-z_]+)|\[(\d+)\]")


def _rewritten(items: Json, texts: Mapping[str, str]) -> Json:
    """The messages with what would be passed on; nothing where that is nothing."""
    if not texts:
        return None
    made = copy.deepcopy(items)
    for path, text in texts.items():
        steps = [name or int(index) for name, index in _STEP.findall(path)]
        place = made
        for step in steps[1:-1]:
            place = place[step]
        place[steps[-1]] = text
    return made


async def render(call: Call) -> None:
    """Compose a persona's system prompt."""
    caller = await call.authenticate()
    body = await call.json_object()
    admit(RENDER, body)
    request = RenderRequest(
        persona=body["persona"],
        variant=body.get("variant"),
        scenario=body.get("scenario"),
        variables=body.get("variables") or {},
    )
    prompt = await call.parts.gateway.render(request, caller)
    made = {
        "text": prompt.text,
        "digest": prompt.digest,
        "tokens": prompt.tokens,
        "prompt": prompt.prompt,
        "cacheable_chars": prompt.cacheable_chars,
        "provenance": [
            {"file": source.file, "line": source.line, "key": source.key}
            for source in prompt.provenance
        ],
    }
    await call.answer(orjson.dumps(made))
