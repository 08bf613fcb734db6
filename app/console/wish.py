"""What a visitor wants to try: whom, for which audience, with which values, and what was said."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from app.console.visit import Visit
from app.domain.catalog import Route
from app.domain.conversation import (
    Conversation,
    Json,
    Message,
    Origin,
    PersonaWishes,
    Role,
    TextPart,
)
from app.domain.errors import RequestError
from app.domain.persona import Persona, Variable
from app.domain.policy import Policy
from app.domain.protocols import Caller
from app.domain.record import CONSOLE
from app.pipeline.loaded import Loaded

DRAFT = "draft"
"""Stands for a revision: the files with what the visitor changed in their browser."""
_VARIABLE = "var."
_LONGEST_NAME = 512
"""As the API bounds it."""
_MOST_TURNS = 1000


@dataclass(frozen=True, slots=True)
class Wish:
    """The fields of a form, as they were sent."""

    persona: str = ""
    variant: str = ""
    audience: str = ""
    scenario: str = ""
    session: str = ""
    route: str = ""
    revision: str = ""
    """A revision of the project in Git, or ``DRAFT``; empty for what is served."""
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> "Wish":
        """Read it from a form or a query; what it does not name is left open."""
        named = {name: fields.get(name, "").strip() for name in _NAMES}
        values = {
            name.removeprefix(_VARIABLE): value
            for name, value in fields.items()
            if name.startswith(_VARIABLE)
        }
        return cls(**named, variables=values)


_NAMES = ("persona", "variant", "audience", "scenario", "session", "route", "revision")


@dataclass(frozen=True, slots=True)
class Choices:
    """What a form offers for one persona, and what is chosen in it."""

    loaded: Loaded
    personas: tuple[Persona, ...]
    persona: Persona
    """The one that is chosen, with its variant's changes."""
    variants: tuple[str, ...]
    variant: str
    audiences: tuple[str, ...]
    """Those that the key allows, the strictest first."""
    audience: str
    scenario: str
    routes: tuple[str, ...]
    """Ways to models that personas of this key take."""
    route: str
    wish: Wish

    @property
    def policy(self) -> Policy:
        """The persona's."""
        return self.loaded.plans[self.persona.policy].policy

    def value(self, name: str) -> str:
        """What stands in the field of a variable."""
        return self.wish.variables.get(name, "")


def choices(visit: Visit, loaded: Loaded, wish: Wish) -> Choices | None:
    """What a form offers; nothing where the key may use no persona of these files.

    What was wished and is not there is replaced by what is: a form shows what can be had, and says
    no more than that.

    Args:
        visit: Whose key decides what is offered.
        loaded: The files.
        wish: What is to be chosen.
    """
    personas = tuple(_personas(loaded, visit.caller))
    if not personas:
        return None
    chosen = next((each for each in personas if each.id == wish.persona), personas[0])
    variants = tuple(each.id for each in chosen.variants) if visit.caller.may_name_variants else ()
    variant = wish.variant if wish.variant in variants else ""
    persona = loaded.find(chosen.id, variant or None).persona
    policy = loaded.plans[persona.policy].policy
    audiences = allowed_audiences(policy, visit.caller)
    by_default = policy.default_audience
    if by_default not in audiences:
        by_default = audiences[-1] if audiences else ""
    routes = tuple(sorted({each.route for each in personas}))
    return Choices(
        loaded=loaded,
        personas=personas,
        persona=persona,
        variants=variants,
        variant=variant,
        audiences=audiences,
        audience=wish.audience if wish.audience in audiences else by_default,
        scenario=wish.scenario if wish.scenario in persona.scenarios else "",
        routes=routes,
        route=wish.route if wish.route in routes else "",
        wish=wish,
    )


def _personas(loaded: Loaded, caller: Caller) -> Iterator[Persona]:
    for name, persona in sorted(loaded.catalog.personas.items()):
        if caller.personas is None or name in caller.personas:
            yield persona


def allowed_audiences(policy: Policy, caller: Caller) -> tuple[str, ...]:
    """The audiences that a key may be served as; ``resolve_audience`` has the last word."""
    loosest = caller.loosest_audience or policy.default_audience
    if loosest not in policy.audiences:
        return ()
    return policy.audiences[: policy.audiences.index(loosest) + 1]


def route_of(wish: Wish, loaded: Loaded, caller: Caller) -> Route | None:
    """The way to a model that is wished for; none is the persona's own.

    A key may try the ways that personas of its own take, and no others: what somebody writes goes
    to no provider that it could not go to anyway.

    Raises:
        RequestError: There is no such way, or this key's personas take it not.
    """
    if not wish.route:
        return None
    if wish.route not in {each.route for each in _personas(loaded, caller)}:
        what = "no persona that this key may use takes this route"
        raise RequestError(f"route: {what}", param="route", code="no_route")
    return loaded.routes[wish.route]


def conversation(wish: Wish, loaded: Loaded, history: str, text: str) -> Conversation:
    """The request: what was said before, and what is said now.

    Args:
        wish: Whom it is for, and how.
        loaded: The files that say which variables there are.
        history: JSON: the turns before, as ``[[what the user said, what the answer was], …]``.
        text: What the user says now.

    Raises:
        RequestError: Nothing is said, or it makes no sense.
    """
    if not text.strip():
        raise RequestError("text: say something first", param="text", code="invalid_value")
    if len(wish.session) > _LONGEST_NAME:
        what = f"session: must have at most {_LONGEST_NAME} characters"
        raise RequestError(what, param="session", code="invalid_value")
    persona = loaded.find(wish.persona, wish.variant or None).persona
    said = [*_turns(history), text]
    return Conversation(
        persona.id,
        tuple(_message(at, each) for at, each in enumerate(said)),
        variant=wish.variant or None,
        dialect=CONSOLE,
        is_stream=True,
        wants_usage=True,
        wishes=PersonaWishes(
            audience=wish.audience or None,
            variables=dict(_values(persona.variables, wish.variables)),
            session=wish.session or None,
            scenario=wish.scenario or None,
        ),
    )


def _message(at: int, text: str) -> Message:
    role = Role.ASSISTANT if at % 2 else Role.USER
    part = TextPart(text, f"messages[{at}].content")
    return Message(role, Origin.CLIENT, (part,), path=f"messages[{at}]")


def _turns(history: str) -> list[str]:
    """The texts of the turns before, in order."""
    try:
        turns: Json = orjson.loads(history or "[]")
    except orjson.JSONDecodeError:
        turns = None
    if not isinstance(turns, list) or len(turns) > _MOST_TURNS:
        raise _no_history()
    texts: list[str] = []
    for turn in turns:
        match turn:
            case [str(user), str(answer)]:
                texts += (user, answer)
            case _:
                raise _no_history()
    return texts


def _no_history() -> RequestError:
    what = "history: must be JSON, a list of what was said and what was answered"
    return RequestError(what, param="history", code="invalid_value")


def _values(
    declared: Mapping[str, Variable], given: Mapping[str, str]
) -> Iterator[tuple[str, Json]]:
    """The variables that are filled in, as values of their types."""
    for name, text in given.items():
        variable = declared.get(name)
        if variable is not None and text:
            yield name, _value(name, variable.type, text)


def _value(name: str, kind: str, text: str) -> Json:
    try:
        match kind:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text]
            case _:
                return text
    except (ValueError, KeyError):
        param = f"banneton.variables.{name}"
        raise RequestError(f"{param}: must be of type {kind}", param=param) from None


def field_options(variable: Variable) -> Sequence[str]:
    """What a field offers that is no free text; empty where it is."""
    if variable.enum is not None:
        return [_as_text(each) for each in variable.enum]
    return ["true", "false"] if variable.type == "boolean" else []


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
