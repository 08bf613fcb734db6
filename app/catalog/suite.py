"""``evals/*.yaml``: suites, which hold cases of one or several personas and say what gates."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, JsonValue

from app.catalog.check_file import JudgeFile, NonEmpty
from app.catalog.check_reader import wrong_routes
from app.catalog.contracts import Siblings
from app.catalog.conversation_case import (
    MOST_REPEATS,
    Around,
    Checks,
    ConversationCase,
    ToolFile,
    read_conversation,
)
from app.catalog.document import Node
from app.catalog.files import CASES_SUFFIX, find_suites, is_id
from app.catalog.inherit import duplicates, merged
from app.catalog.labelled_answers import read_labelled_answers
from app.catalog.wording import read_as, unknown
from app.catalog.yaml_source import read_document
from app.domain.catalog import Catalog
from app.domain.errors import ContentError, Problem
from app.domain.persona import FileModel, Scalar


class NamedJudge(JudgeFile):
    """A judge of the suite, which shows on labelled answers what its word is worth."""

    labelled: str | None = None
    """A file of answers that people have judged, under ``evals/``. Without one, or where the judge
    does not agree with them far beyond chance, its checks gate nothing."""


class Defaults(FileModel):
    """What holds for every case of the suite that does not say otherwise."""

    persona: str | None = None
    """Who is asked."""
    scenario: str | None = None
    """Which scenario the requests name."""
    variant: str | None = None
    """Which variant answers."""
    audience: str | None = None
    """Under which audience it is served."""
    variables: Mapping[str, Scalar] = {}
    """What the requests give."""
    session: bool = True
    """Whether the turns are one session."""
    route: str | None = None
    """A way to a model, instead of the persona's."""
    repeats: Annotated[int, Field(ge=1, le=MOST_REPEATS)] = 1
    """How often each case is run."""
    seed: Annotated[int, Field(ge=0)] | None = None
    """For models that take one."""
    tags: tuple[NonEmpty, ...] = ()
    """By which cases can be chosen."""
    tools: tuple[ToolFile, ...] = ()
    """What the client offers to run."""
    every_turn: Checks = ()
    """Checks of every answer."""


class SuiteFile(FileModel):
    """Cases that are run together, and what has to come out of them."""

    description: str = ""
    """What the suite is for."""
    defaults: Defaults = Defaults()
    """What holds for every case that does not say otherwise."""
    judges: Mapping[str, NamedJudge] = {}
    """Models that judge answers, by the name that checks have for them."""
    satisfaction: str | None = None
    """The judge whose score is how content the user would be."""
    gate: tuple[NonEmpty, ...] = ()
    """Metrics that may stop a merge where they got worse."""
    include: tuple[NonEmpty, ...] = ()
    """Personas whose conversations, in their own files of cases, belong to the suite, too."""
    cases: tuple[dict[str, JsonValue], ...] = ()
    """Conversations."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases that are run together."""

    id: str
    """The file's stem, such as ``bank``; for conversations that stand in the file of a persona's
    cases and that no suite includes, ``personas/`` and the persona's id."""
    file: str
    cases: tuple[ConversationCase, ...]
    description: str = ""
    judges: Mapping[str, NamedJudge] = field(default_factory=dict)
    satisfaction: str | None = None
    gate: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading suites takes."""

    root: Path
    catalog: Catalog
    siblings: Siblings
    conversations: Mapping[str, tuple[ConversationCase, ...]]
    """Those in files of personas' cases, by persona."""
    problems: list[Problem]
    """To which all is added that is wrong."""


def read_suites(reading: Reading) -> dict[str, Suite]:
    """Every suite by id; conversations of personas that none includes make suites of their own."""
    paths, wrong = find_suites(reading.root)
    reading.problems.extend(wrong)
    suites: dict[str, Suite] = {}
    included: set[str] = set()
    for name, path in paths.items():
        try:
            tree = read_document(path, reading.root)
            written = read_as(SuiteFile, tree)
        except ContentError as exc:
            reading.problems.extend(exc.problems)
            continue
        included |= set(written.include)
        suites[name] = _suite(name, tree, written, reading)
    alone = {
        f"personas/{persona}": Suite(
            f"personas/{persona}", f"personas/{persona}{CASES_SUFFIX}", cases
        )
        for persona, cases in reading.conversations.items()
        if persona not in included
    }
    return {**alone, **suites}


def _suite(name: str, tree: Node, written: SuiteFile, reading: Reading) -> Suite:
    problems = reading.problems
    problems += duplicates(tree)
    problems += _wrong_judges(written, tree, reading)
    cases: list[ConversationCase] = []
    for index, persona in enumerate(written.include):
        node = tree.nearest("include", index)
        if persona not in reading.catalog.personas:
            problems.append(node.problem(unknown("persona", persona, reading.catalog.personas)))
        elif persona not in reading.conversations:
            what = f"is '{persona}', and personas/{persona}{CASES_SUFFIX} holds no conversation"
            problems.append(node.problem(what))
        cases += reading.conversations.get(persona, ())
    taken = {case.id for case in cases}
    around = Around(reading.catalog, reading.siblings, written.judges)
    for node in tree.nearest("cases").items:
        case = _case(node, tree.child("defaults"), around, problems)
        if case is not None:
            cases.append(case)
            if case.id in taken:
                what = f"is '{case.id}', as an included case is called already; rename it"
                problems.append(node.nearest("id").problem(what))
    if not written.cases and not written.include:
        problems.append(tree.problem("has no cases; give it 'cases' or 'include'"))
    problems += _wrong_gate(written, tree, cases, reading)
    file = tree.source.file
    return Suite(
        name,
        file,
        tuple(cases),
        written.description,
        written.judges,
        written.satisfaction,
        written.gate,
    )


def _case(
    node: Node, defaults: Node | None, around: Around, problems: list[Problem]
) -> ConversationCase | None:
    whole = merged(defaults, node) if defaults else node
    said = whole.child("persona")
    personas = around.catalog.personas
    if said is None or said.text is None:
        what = "has no 'persona', and neither have the suite's 'defaults'"
        problems.append(node.problem(what))
        return None
    if said.text not in personas:
        problems.append(said.problem(unknown("persona", said.text, personas)))
        return None
    rest = {key: value for key, value in whole.entries.items() if key != "persona"}
    return read_conversation(replace(whole, content=rest), said.text, around, problems)


def _wrong_judges(written: SuiteFile, tree: Node, reading: Reading) -> Iterator[Problem]:
    for name, judge in written.judges.items():
        node = tree.nearest("judges", name)
        if not is_id(name):
            what = "is no name for a judge; use letters, digits, '.', '_' and '-'"
            yield node.key_problem(what)
        yield from wrong_routes(judge, node, reading.catalog.routes)
        if judge.labelled is not None:
            try:
                read_labelled_answers(reading.root, node.nearest("labelled"))
            except ContentError as exc:
                yield from exc.problems
    if written.satisfaction is not None and written.satisfaction not in written.judges:
        what = unknown("judge", written.satisfaction, written.judges)
        yield tree.nearest("satisfaction").problem(what)


def _wrong_gate(
    written: SuiteFile, tree: Node, cases: Sequence[ConversationCase], reading: Reading
) -> Iterator[Problem]:
    known = sorted(reading.siblings.metrics)
    personas = {case.persona for case in cases}
    behaviours = sorted(
        {
            behaviour.id
            for persona in personas
            for behaviour in reading.catalog.personas[persona].behaviours
            if behaviour.verify is not None
        }
    )
    for index, metric in enumerate(written.gate):
        node = tree.nearest("gate", index)
        prefix, colon, behaviour = metric.partition(":")
        if prefix + colon not in known:
            yield node.problem(unknown("metric", metric, known))
        elif colon and behaviour not in behaviours:
            what = unknown("behaviour with 'verify' in the suite's personas", behaviour, behaviours)
            yield node.problem(what)
