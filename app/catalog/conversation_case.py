"""Cases that are conversations: what a user says, and what must hold of what comes back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import Field, JsonValue

from app.catalog.check_file import Check, JudgeFile, NonEmpty
from app.catalog.check_reader import Named, read_checks, wrong_schema
from app.catalog.contracts import Siblings
from app.catalog.document import Node
from app.catalog.wording import read_as, unknown
from app.domain.catalog import Catalog, Source
from app.domain.errors import ContentError, Problem
from app.domain.persona import FileModel, Persona, Scalar

Checks = tuple[dict[str, JsonValue], ...]
"""As they are written; ``check_reader`` tells what they mean."""
NAME = r"^[A-Za-z0-9_-]{1,64}$"
MOST_TURNS = 200
MOST_REPEATS = 1000


class Situation(Protocol):
    """Under what a persona is looked at."""

    @property
    def variables(self) -> Mapping[str, Scalar]:
        """What the request gives."""
        ...

    @property
    def scenario(self) -> str | None:
        """Which scenario it names."""
        ...

    @property
    def variant(self) -> str | None:
        """Which variant answers."""
        ...


class ToolFile(FileModel):
    """A tool that the client of the case offers."""

    name: Annotated[str, Field(pattern=NAME)]
    """What the model calls it."""
    description: str = ""
    """What it does, for the model."""
    parameters: dict[str, JsonValue] | None = None
    """A JSON Schema of its arguments."""
    gives: JsonValue
    """What the client gives back when it is called: text, or any JSON."""


class TurnFile(FileModel):
    """What the user says, and what must hold of the answer."""

    user: NonEmpty
    """What the user says."""
    corrects: bool = False
    """The user says here that the last answer was wrong."""
    gives: Mapping[str, JsonValue] = {}
    """What tools give in this turn instead, by name."""
    fails: Mapping[str, NonEmpty] = {}
    """Tools that fail in this turn, by name, with what they say."""
    expect: Checks = ()
    """Checks of the answer."""


class SimulatedUser(FileModel):
    """A model that plays the user, until it has what it wants or has lost patience."""

    description: NonEmpty
    """Who it is and how it writes, in words for the model."""
    goal: NonEmpty
    """What it wants, in words for the model. It ends the conversation once it has it."""
    patience: Annotated[int, Field(ge=1, le=MOST_TURNS)] = 6
    """How many turns it takes at most."""
    route: NonEmpty = "user"
    """The way to the model that plays it."""
    opening: str = ""
    """What it says first; left out, the model chooses."""


class ConversationFile(FileModel):
    """A conversation that a script or a simulated user leads, and what must hold."""

    id: NonEmpty
    """The case in plain words."""
    why: str = ""
    """Why this must hold."""
    tags: tuple[NonEmpty, ...] = ()
    """By which cases can be chosen."""
    scenario: str | None = None
    """Which scenario the requests name."""
    variant: str | None = None
    """Which variant answers; none is the persona as it is."""
    audience: str | None = None
    """Under which audience it is served; none is the policy's default."""
    variables: Mapping[str, Scalar] = {}
    """What the requests give."""
    session: bool = True
    """Whether the turns are one session, within which pseudonyms stay the same."""
    route: str | None = None
    """A way to a model, instead of the persona's."""
    repeats: Annotated[int, Field(ge=1, le=MOST_REPEATS)] = 1
    """How often it is run: models do not answer the same twice."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """For models that take one; repeats count on from it."""
    tools: tuple[ToolFile, ...] = ()
    """What the client offers to run, and what it gives back."""
    turns: Annotated[tuple[TurnFile, ...], Field(max_length=MOST_TURNS)] = ()
    """What the user says; or ``simulated_user``."""
    simulated_user: SimulatedUser | None = None
    """Who leads the conversation instead."""
    every_turn: Checks = ()
    """Checks of every answer."""
    goal: Checks = ()
    """Checks of the whole conversation: where all of them hold, the task is completed."""
    harmless: bool | None = None
    """Whether what is asked for is harmless: then refusing it is an over-refusal. Left out, the
    case says nothing about that."""
    violates: Checks = ()
    """Checks of the whole conversation of which none may hold: what would be a violation."""


class OfPersona(ConversationFile):
    """The same, in a file that is about several personas."""

    persona: NonEmpty
    """Who is asked."""


@dataclass(frozen=True, slots=True)
class ConversationCase:
    """A conversation with its checks, all that it names looked up."""

    persona: str
    written: ConversationFile
    """What the file says, with the suite's defaults; its checks are those below."""
    expect: tuple[tuple[Check, ...], ...]
    """Of each turn of the script."""
    every_turn: tuple[Check, ...]
    goal: tuple[Check, ...]
    violates: tuple[Check, ...]
    source: Source
    """Where it stands."""

    @property
    def id(self) -> str:
        """The case in plain words."""
        return self.written.id

    @property
    def corrected(self) -> tuple[int, ...]:
        """The turns, counted from 1, whose answers the user corrects in the next one."""
        return tuple(number for number, turn in enumerate(self.written.turns) if turn.corrects)


@dataclass(frozen=True, slots=True)
class Around:
    """What a conversation may name, beside what its persona has."""

    catalog: Catalog
    siblings: Siblings
    judges: Mapping[str, JudgeFile]


def read_conversation(
    node: Node, persona: str, around: Around, problems: list[Problem]
) -> ConversationCase | None:
    """A case; none where it cannot be read. All that is wrong is added to the problems.

    Args:
        node: The case, with defaults merged into it.
        persona: Who is asked; ``node`` must not say it.
        around: What it may name.
        problems: To which all is added that is wrong.
    """
    try:
        written = read_as(ConversationFile, node)
    except ContentError as exc:
        problems += exc.problems
        return None
    of = _version(around.catalog, persona, written.variant)
    tools = [tool.name for tool in written.tools]
    named = Named(
        around.siblings,
        of,
        around.catalog.policies[of.policy],
        around.catalog.routes,
        around.judges,
        tools,
    )
    found = len(problems)
    problems += _wrong(written, node, named)
    case = ConversationCase(
        persona,
        written,
        tuple(
            read_checks(turn.child("expect"), named, problems)
            for turn in node.nearest("turns").items
        ),
        read_checks(node.child("every_turn"), named, problems),
        read_checks(node.child("goal"), named, problems, is_whole=True),
        read_checks(node.child("violates"), named, problems, is_whole=True),
        node.source,
    )
    if len(problems) == found and not _asks(case):
        what = "asks for nothing; give it 'goal', 'every_turn', 'violates' or a turn's 'expect'"
        problems.append(node.problem(what))
    return case


def _version(catalog: Catalog, persona: str, variant: str | None) -> Persona:
    """The persona as the case's variant has it; without changes where there is no such variant."""
    whole = catalog.personas[persona]
    return whole if variant is None else catalog.variants.get((persona, variant), whole)


def _asks(case: ConversationCase) -> bool:
    return any((*case.expect, case.every_turn, case.goal, case.violates))


def _wrong(written: ConversationFile, node: Node, named: Named) -> Iterator[Problem]:
    if bool(written.turns) == (written.simulated_user is not None):
        yield node.problem("must have exactly one of 'turns' and 'simulated_user'")
    if written.turns and written.turns[0].corrects:
        what = "is the first turn, with no answer yet to correct; move it to a later one"
        yield node.nearest("turns", 0, "corrects").problem(what)
    yield from wrong_situation(written, node, named.persona)
    audiences = named.policy.audiences
    if written.audience is not None and written.audience not in audiences:
        what = unknown("audience", written.audience, audiences)
        yield node.nearest("audience").problem(what)
    user = written.simulated_user
    for route, at in (
        (written.route, node.nearest("route")),
        (user.route if user else None, node.nearest("simulated_user", "route")),
    ):
        if route is not None and route not in named.routes:
            yield at.problem(unknown("route", route, named.routes))
    yield from _wrong_tools(written, node, named)


def wrong_situation(written: Situation, node: Node, persona: Persona) -> Iterator[Problem]:
    """What of a situation the persona does not have."""
    for name in written.variables:
        if name not in persona.variables:
            what = unknown("variable", name, persona.variables)
            yield node.nearest("variables", name).key_problem(what)
    variants = [variant.id for variant in persona.variants]
    for kind, value, known in (
        ("scenario", written.scenario, persona.scenarios),
        ("variant", written.variant, variants),
    ):
        if value is not None and value not in known:
            yield node.nearest(kind).problem(unknown(kind, value, known))


def _wrong_tools(written: ConversationFile, node: Node, named: Named) -> Iterator[Problem]:
    names = [tool.name for tool in written.tools]
    for index, tool in enumerate(written.tools):
        at = node.nearest("tools", index)
        if tool.name in names[:index]:
            yield at.nearest("name").problem(f"is '{tool.name}' again; give each tool its name")
        if tool.parameters is not None:
            yield from wrong_schema(at.nearest("parameters"), named.siblings)
    for index, turn in enumerate(written.turns):
        for key in ("gives", "fails"):
            for name in getattr(turn, key):
                if name not in names:
                    at = node.nearest("turns", index, key, name)
                    yield at.key_problem(unknown("tool", name, names))
        for name in turn.gives.keys() & turn.fails.keys():
            at = node.nearest("turns", index, "fails", name)
            yield at.key_problem(
                "fails and gives something in the same turn; take one of the two out"
            )
