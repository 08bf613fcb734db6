"""The playground: a conversation with a persona that shows what happens to each sentence."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from app.catalog.cases import PolicyCase, read_policy_cases
from app.console.turn import files_of
from app.console.visit import Page, Visit
from app.console.wish import Choices, Wish, choices, field_options
from app.domain.decision import Outcome
from app.domain.errors import BannetonError, ContentError
from app.domain.persona import Persona
from app.domain.policy import Stage
from app.pipeline.loaded import Loaded

KINDS = ("playground", "compare")
_MOST_SAMPLES = 6
_SAMPLE_CHARS = 160
_SHOWN = (
    Outcome.ALLOW,
    Outcome.PSEUDONYMIZE,
    Outcome.MASK,
    Outcome.BLOCK,
    Outcome.ESCALATE,
    Outcome.FLAG,
    Outcome.STEER,
)
"""One sentence of each, in this order."""


@dataclass(frozen=True, slots=True)
class Field:
    """A variable as a form asks for it."""

    name: str
    kind: str
    description: str
    is_required: bool
    default: str
    value: str
    options: tuple[str, ...]
    most: int
    low: float | None
    high: float | None


async def show(visit: Visit) -> Response:
    """The page; a query may say what is chosen, and what stands in the field for text."""
    wish = replace(Wish.of(visit.query), revision="", route="")
    wish = wish if wish.session else replace(wish, session=f"trial-{secrets.token_hex(3)}")
    values = await form_values(visit, wish, "p", "playground")
    return visit.page("playground.html.j2", text=visit.query.get("text", ""), form=values)


async def offer(visit: Visit) -> Response:
    """The form again, after something was chosen that changes what else can be."""
    kind = visit.query.get("kind", "")
    place = visit.query.get("place", "")
    values = await form_values(
        visit,
        Wish.of(visit.query),
        place if place.isalnum() and place.isascii() else "p",
        kind if kind in KINDS else KINDS[0],
    )
    return visit.page("choices_again.html.j2", form={**values, "is_partial": True})


async def form_values(visit: Visit, wish: Wish, place: str, kind: str) -> dict[str, Any]:
    """What the template of a form needs."""
    failure, loaded = None, visit.behind.loaded()
    try:
        loaded = await files_of(visit, wish)
    except BannetonError as exc:
        failure = str(exc)
    found = choices(visit, loaded, wish)
    values: dict[str, Any] = {
        "place": place,
        "kind": kind,
        "wish": wish,
        "failure": failure,
        "choices": found,
        "samples": (),
        "is_partial": False,
    }
    if found is None:
        return values
    fields = tuple(_fields(found))
    if kind == "playground":
        values["samples"] = await asyncio.to_thread(_samples, visit, found)
    return {
        **values,
        **_options(visit, found),
        "variables": fields,
        "variables_open": any(each.is_required or each.value for each in fields),
    }


def _options(visit: Visit, found: Choices) -> dict[str, Any]:
    """What each list offers: pairs of what is sent and what is read."""
    none = ("", visit.words("choices.none"))
    scenarios = found.persona.scenarios
    return {
        "persona_options": [(each.id, _title(each)) for each in found.personas],
        "variant_options": [
            ("", visit.words("choices.by_session")),
            *((each, each) for each in found.variants),
        ],
        "audience_options": [
            (each, visit.words("choices.strictest", name=each) if not at else each)
            for at, each in enumerate(found.audiences)
        ],
        "scenario_options": [none, *((name, name) for name in scenarios)],
        "route_options": [
            ("", visit.words("choices.own_route")),
            *((name, _model(found.loaded, name)) for name in found.routes),
        ],
    }


def _title(persona: Persona) -> str:
    return f"{persona.name} ({persona.id})"


def _model(loaded: Loaded, route: str) -> str:
    return f"{route}: {loaded.routes[route].targets[0].model}"


def _fields(found: Choices) -> Iterator[Field]:
    for name, each in found.persona.variables.items():
        default = "" if each.default is None else str(each.default)
        yield Field(
            name=name,
            kind=each.type,
            description=each.description,
            is_required=each.default is None,
            default=default.lower() if each.type == "boolean" else default,
            value=found.value(name),
            options=tuple(field_options(each)),
            most=each.max_length,
            low=each.min,
            high=each.max,
        )


def _samples(visit: Visit, found: Choices) -> list[tuple[str, str]]:
    """Sentences of the policy's cases with the outcomes that they expect, one of each first."""
    try:
        cases = read_policy_cases(visit.behind.root, found.loaded.catalog)
    except ContentError:
        return []  # what is wrong with them, `banneton check` says
    said = list(_expected(cases, found))
    chinese = visit.language == "zh"
    said.sort(key=lambda each: any("\u4e00" <= sign <= "\u9fff" for sign in each[1]) != chinese)
    kinds: dict[Outcome, list[str]] = {}
    for outcome, text in said:
        kinds.setdefault(outcome, []).append(text)
    first = [(outcome, kinds[outcome][0]) for outcome in _SHOWN if outcome in kinds]
    more = [(Outcome.ALLOW, text) for text in kinds.get(Outcome.ALLOW, [])[1:]]
    return [(outcome.value, text) for outcome, text in (*first, *more)][:_MOST_SAMPLES]


def _expected(
    cases: Mapping[str, tuple[PolicyCase, ...]], found: Choices
) -> Iterator[tuple[Outcome, str]]:
    for case in cases.get(found.policy.id, ()):
        outcome = case.expected(found.audience)
        if case.text is None or outcome is None or case.stage is not Stage.INPUT:
            continue
        if len(case.text) <= _SAMPLE_CHARS and "\n" not in case.text:
            yield outcome, case.text


PAGES = (
    Page("/playground", show, nav="playground"),
    Page("/choices", offer),
)
