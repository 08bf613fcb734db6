"""How a persona's prompt is made, line by line, and what a draft of its files would make of it."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import JSONResponse, Response

from app.catalog.origins import Origins
from app.console.composed import composed
from app.console.drafting import (
    draft_in,
    drafted,
    files_of,
    refuse_hidden,
    visible_files,
)
from app.console.visit import Page, Visit
from app.domain.conversation import Json
from app.domain.errors import BannetonError, Problem
from app.domain.persona import Scalar, Variable
from app.domain.policy import Mode, Policy, Stage, Steps, steps_under
from app.domain.prompt import SystemPrompt
from app.pipeline.loaded import Loaded, Served
from app.review.concerns.prompts import stand_ins

_STAGES = tuple(Stage)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is looked at."""

    persona: str
    variant: str
    scenario: str
    audience: str
    given: Mapping[str, str]
    """Values of variables, as they were typed."""


@dataclass(frozen=True, slots=True)
class RuleRow:
    """What a rule does for one audience."""

    id: str
    why: str
    stages: tuple[str, ...]
    steps: Steps
    is_enforced: bool
    file: str
    line: int
    steps_before: Steps | None
    """Where a draft changes them; an empty one for a rule that is new."""


async def show(visit: Visit) -> Response:
    """The page, without a draft: that is the browser's."""
    if not visit.behind.gateway.personas(visit.caller):
        return visit.page("compose_empty.html.j2")
    values = await asyncio.to_thread(_values, visit, visit.query, {})
    names = visible_files(visit)
    wanted = visit.query.get("file", "")
    return visit.page(
        "compose.html.j2",
        **values,
        names=names,
        opened=wanted if wanted in names else values["related"][0],
        line=visit.query.get("line", ""),
    )


async def preview(visit: Visit) -> Response:
    """The parts of the page that a draft or another choice changes."""
    form = await visit.form()
    draft = draft_in(form)
    async with visit.behind.one_at_a_time:
        values = await asyncio.to_thread(_values, visit, form, draft)
    return visit.page("compose_parts.html.j2", **values)


async def file(visit: Visit) -> Response:
    """The text of a file as it is."""
    name = visit.query.get("name", "")
    refuse_hidden(visit, name)
    text = await asyncio.to_thread(visit.behind.drafts.text, name)
    return JSONResponse({"name": name, "text": text})


async def patch(visit: Visit) -> Response:
    """A draft as a file that ``git apply`` takes."""
    draft = draft_in(await visit.form())
    for name in draft:
        refuse_hidden(visit, name)
    drafts = visit.behind.drafts
    made = await asyncio.to_thread(lambda: drafts.patch(drafts.edits(draft)))
    headers = {"content-disposition": 'attachment; filename="change.patch"'}
    return Response(made, headers=headers, media_type="text/x-patch; charset=utf-8")


PAGES = (
    Page("/compose", show, nav="compose"),
    Page("/compose/preview", preview, method="POST"),
    Page("/compose/file", file),
    Page("/compose/patch", patch, method="POST"),
)


def _values(visit: Visit, query: Mapping[str, str], draft: Mapping[str, str | None]) -> Json:
    """All that the parts of the page show."""
    said = drafted(visit, draft)
    served = visit.behind.loaded()
    personas = visit.behind.gateway.personas(visit.caller)
    choice = _choice(query, [each.id for each in personas], said.loaded)
    after = said.loaded.served[choice.persona, choice.variant or None]
    before = served.served.get((choice.persona, choice.variant or None))
    now, wrong = _composed(after, choice)
    was = now if before is None else _composed(before, choice)[0] or now
    policy = said.loaded.catalog.policies[after.persona.policy]
    return {
        "choice": choice,
        "personas": [(each.id, each.name) for each in personas],
        "variants": [each.id for each in said.loaded.catalog.personas[choice.persona].variants],
        "scenarios": {name: each.description for name, each in after.persona.scenarios.items()},
        "audiences": policy.audiences,
        "variables": _fields(after.persona.variables, choice),
        "prompt": composed(was, now) if was and now else None,
        "digest": now.digest if now else "",
        "wrong": wrong,
        "policy": policy.id,
        "rules": list(_rules(said.loaded, served, after, choice.audience, visit)),
        "related": files_of(after.persona, said.loaded.catalog),
        "draft": said,
        "problems": json.dumps([_problem(each) for each in said.problems]),
        "diff": [(line[:1], line) for line in said.patch.splitlines()],
        "can_review": visit.has_page("/review"),
        "can_compare": visit.has_page("/compare"),
    }


def _choice(query: Mapping[str, str], personas: Sequence[str], loaded: Loaded) -> Choice:
    """What was chosen, where it is there; else what comes first."""
    there = [name for name in personas if (name, None) in loaded.served]
    persona = query.get("persona", "")
    persona = persona if persona in there else there[0]
    variant = query.get("variant", "")
    variant = variant if (persona, variant or None) in loaded.served else ""
    served = loaded.served[persona, variant or None]
    scenario = query.get("scenario", "")
    policy = served.plan.policy
    audience = query.get("audience", "")
    return Choice(
        persona,
        variant,
        scenario if scenario in served.persona.scenarios else "",
        audience if audience in policy.audiences else policy.default_audience,
        {
            name: query[f"var.{name}"]
            for name in served.persona.variables
            if query.get(f"var.{name}", "")
        },
    )


def _composed(served: Served, choice: Choice) -> tuple[SystemPrompt | None, str]:
    """The prompt with what was typed; with stand-ins and why, where that is not as declared."""
    declared = served.persona.variables
    stand_in = stand_ins(declared)
    given = {
        name: _scalar(text, declared[name])
        for name, text in choice.given.items()
        if name in declared
    }
    scenario = choice.scenario if choice.scenario in served.persona.scenarios else None
    try:
        return served.prompt.compose(scenario, {**stand_in, **given}), ""
    except BannetonError as exc:
        wrong = str(exc)
    try:
        return served.prompt.compose(scenario, stand_in), wrong
    except BannetonError as exc:
        return None, str(exc)


def _scalar(text: str, variable: Variable) -> Scalar:
    if variable.type == "string" or (variable.enum and text in variable.enum):
        return text
    try:
        made = json.loads(text)
    except ValueError:
        return text
    return made if isinstance(made, int | float | bool) else text


def _fields(declared: Mapping[str, Variable], choice: Choice) -> list[Mapping[str, object]]:
    stand_in = stand_ins(declared)
    return [
        {
            "name": name,
            "variable": variable,
            "value": choice.given.get(name, ""),
            "other": variable.default if variable.default is not None else stand_in.get(name, ""),
        }
        for name, variable in declared.items()
    ]


def _rules(
    now: Loaded, was: Loaded, served: Served, audience: str, visit: Visit
) -> Iterator[RuleRow]:
    """What the persona's policy does for an audience, and did without the draft."""
    policy, origins = served.plan.policy, Origins(now.catalog)
    old = was.catalog.policies.get(policy.id)
    before = {} if old is None else _steps(old, audience, visit)
    for rule_id, steps in _steps(policy, audience, visit).items():
        rule = next(each for each in policy.rules if each.id == rule_id)
        source = origins.then(policy.id, rule.id, audience).source
        known = before.get(rule_id)
        yield RuleRow(
            rule.id,
            rule.why,
            tuple(stage.value for stage in _STAGES if stage in rule.stages),
            steps,
            rule.mode is Mode.ENFORCE,
            source.file,
            source.line,
            None if known == steps else known or (),
        )


def _steps(policy: Policy, audience: str, visit: Visit) -> dict[str, Steps]:
    today = visit.behind.clock.now().date()
    return {
        rule.id: steps_under(
            rule.then.get(audience, ()),
            [
                each
                for each in policy.waivers
                if (each.rule, each.audience) == (rule.id, audience) and each.expires >= today
            ],
        )
        for rule in policy.rules
    }


def _problem(each: Problem) -> Mapping[str, object]:
    return {name: getattr(each, name) for name in ("file", "line", "column", "path", "what")}
