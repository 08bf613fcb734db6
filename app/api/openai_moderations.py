"""OpenAI's moderations: what a persona's policy says of texts, in the words of that API.

No model of the persona is called, and as with ``/v1/guardrails/check`` nothing is recorded.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import orjson

from app.api.dialect import Body, contradiction, requested
from app.api.openai_moderation_categories import CATEGORIES, looked_for, meant_by
from app.api.openai_moderations_fields import REQUEST
from app.api.shapes import admit
from app.api.summaries import applied_json, findings_json
from app.api.transport import Call
from app.domain.conversation import Json, Segment
from app.domain.decision import Applied, Outcome, severest
from app.domain.errors import DetectorError, RequestError
from app.domain.finding import Finding
from app.domain.policy import REWRITES, STOPS, Stage
from app.pipeline.gateway import CheckRequest, CheckResult

_INPUT = "input"


async def moderate(call: Call) -> None:
    """Say what the persona's policy makes of each input."""
    caller = await call.authenticate()
    body = await call.json_object()
    inputs = await call.made(partial(_inputs, body))
    wanted = requested(body)
    request = CheckRequest(
        segments=tuple(segment for each in inputs for segment in each),
        persona=wanted.persona,
        variant=wanted.variant,
        audience=(body.get("banneton") or {}).get("audience"),
        asks_anyway=True,
    )
    result = await call.parts.gateway.check(request, caller)
    if result.unchecked:
        raise DetectorError("a detector is out, so there is no score that would be true")
    call.request_id = call.parts.new_id()
    made = partial(_answer, f"modr-{call.request_id}", wanted.persona, inputs, result)
    await call.answer(await call.made(made))


def _inputs(body: Body) -> list[list[Segment]]:
    """What each result is about: a text, or all parts of one content.

    Raises:
        FieldRefusedError: A field that the coverage table does not let through.
        RequestError: A value that its field cannot hold, or that another field contradicts.
    """
    if body.get("model") is None:
        what = "is required: it names the persona whose policy is asked; GET /v1/models lists them"
        raise RequestError(f"model: {what}", param="model")
    admit(REQUEST, body)
    said = body[_INPUT]
    if type(said) is str:
        return [[_segment(_INPUT, said)]]
    texts = [type(each) is str for each in said]
    if all(texts):
        return [[_segment(f"{_INPUT}[{at}]", text)] for at, text in enumerate(said)]
    if any(texts):
        contradiction(_INPUT, "must hold either texts or content parts")
    return [[_segment(f"{_INPUT}[{at}].text", part["text"]) for at, part in enumerate(said)]]


def _segment(path: str, text: str) -> Segment:
    return Segment(path, text, Stage.INPUT)


@dataclass(slots=True)
class _Moderated:
    """What is said of one input."""

    findings: list[Finding] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    """``Applied.findings`` are indexes into ``findings`` here."""

    @property
    def enforced(self) -> list[Applied]:
        """What policy would do about it."""
        return [each for each in self.applied if not each.is_observed]

    @property
    def outcome(self) -> Outcome:
        """The severest of that."""
        return severest(*(Outcome(each.action) for each in self.enforced))

    @property
    def minded(self) -> list[Finding]:
        """For what policy would not let it pass as it is."""
        acted = [each for each in self.enforced if each.action in REWRITES | STOPS]
        return [self.findings[at] for each in acted for at in each.findings]


def _answer(
    answer_id: str, persona: str, inputs: Sequence[Sequence[Segment]], result: CheckResult
) -> bytes:
    moderated = _by_input(inputs, result)
    looked = looked_for(result.scores)
    looked |= {name for each in result.findings for name in _names(each)}
    made: dict[str, Json] = {
        "id": answer_id,
        "model": persona,
        "results": [_result(each, looked) for each in moderated],
        "banneton": {
            "policy": result.policy,
            "audience": result.audience,
            "catalog": result.catalog,
            "not_looked_for": [name for name in CATEGORIES if name not in looked],
            "results": [_about(each, result.scores) for each in moderated],
        },
    }
    return orjson.dumps(made)


def _by_input(inputs: Sequence[Sequence[Segment]], result: CheckResult) -> list[_Moderated]:
    """What was found and applied, each to the input that it is about."""
    made = [_Moderated() for _ in inputs]
    of = {segment.path: at for at, each in enumerate(inputs) for segment in each}
    places: list[tuple[int, int]] = []
    for finding in result.findings:
        at = of[finding.path]
        places.append((at, len(made[at].findings)))
        made[at].findings.append(finding)
    for applied in result.applied:
        by_input: dict[int, list[int]] = {}
        for index in applied.findings:
            at, place = places[index]
            by_input.setdefault(at, []).append(place)
        for at, indexes in by_input.items():
            made[at].applied.append(replace(applied, findings=tuple(indexes)))
    return made


def _result(moderated: _Moderated, looked: Collection[str]) -> dict[str, Json]:
    minded = {name for finding in moderated.minded for name in _names(finding)}
    scores = dict.fromkeys(CATEGORIES, 0.0)
    for finding in moderated.findings:
        for name in _names(finding):
            scores[name] = max(scores[name], finding.score)
    return {
        "flagged": bool(moderated.minded),
        "categories": {name: name in minded for name in CATEGORIES},
        "category_scores": scores,
        "category_applied_input_types": {
            name: ["text"] if name in looked else [] for name in CATEGORIES
        },
    }


def _about(moderated: _Moderated, looked: Mapping[str, float]) -> dict[str, Json]:
    scores = dict.fromkeys(looked, 0.0)
    for finding in moderated.findings:
        if finding.detector in scores:
            scores[finding.detector] = max(scores[finding.detector], finding.score)
    return {
        "outcome": moderated.outcome,
        "scores": scores,
        "applied": applied_json(moderated.applied),
        "findings": findings_json(moderated.findings),
    }


def _names(finding: Finding) -> tuple[str, ...]:
    return meant_by(finding.detector, finding.category)
