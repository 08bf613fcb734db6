"""``*.cases.yaml``: what people expect of a policy or a persona, kept beside it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field

from app.catalog.budget_file import EVERYONE
from app.catalog.document import Node, file_problem
from app.catalog.files import CASES_SUFFIX, find_cases
from app.catalog.inherit import duplicates
from app.catalog.wording import read_as, unknown
from app.catalog.yaml_source import read_document
from app.domain.catalog import Catalog
from app.domain.decision import Outcome
from app.domain.errors import ContentError, Problem
from app.domain.persona import FileModel, Persona, Scalar
from app.domain.policy import Policy, Stage

NonEmpty = Annotated[str, Field(min_length=1)]


class CaseMessage(FileModel):
    """One turn of a case's conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    """Who speaks."""
    text: str
    """What is said."""


class PolicyCase(FileModel):
    """A text and what the policy must make of it."""

    id: NonEmpty
    """The case in plain words."""
    text: str | None = None
    """The text to look at; or ``messages``."""
    messages: Annotated[tuple[CaseMessage, ...], Field(min_length=1)] | None = None
    """A request to look at, each turn at the stage that its role has."""
    stage: Stage = Stage.INPUT
    """Where ``text`` turns up."""
    system: str = ""
    """The system prompt that an answer is checked against for disclosure."""
    expect: Annotated[Mapping[str, Outcome], Field(min_length=1)]
    """The outcome: one for every audience, or by audience."""
    rules: tuple[str, ...] = ()
    """Rules that must be among those applied."""
    why: str = ""
    """Why this is right."""

    def expected(self, audience: str) -> Outcome | None:
        """The outcome for an audience; ``None`` where the case says nothing about it."""
        return self.expect.get(audience, self.expect.get(EVERYONE))


class Renders(FileModel):
    """What the composed system prompt must and must not say."""

    contains: tuple[NonEmpty, ...] = ()
    """Texts that must be there."""
    lacks: tuple[NonEmpty, ...] = ()
    """Texts that must not be there."""


class PersonaCase(FileModel):
    """A situation and what the persona's prompt must say in it."""

    id: NonEmpty
    """The case in plain words."""
    variables: Mapping[str, Scalar] = {}
    """What the request gives."""
    scenario: str | None = None
    """Which scenario the request names."""
    variant: str | None = None
    """Which variant answers; none is the persona as it is."""
    renders: Renders
    """What the prompt must and must not say."""
    why: str = ""
    """Why this is right."""


class PolicyCasesFile(FileModel):
    """Cases of one policy."""

    cases: Annotated[tuple[PolicyCase, ...], Field(min_length=1)]
    """Each a text and the outcome it must have."""


class PersonaCasesFile(FileModel):
    """Cases of one persona."""

    cases: Annotated[tuple[PersonaCase, ...], Field(min_length=1)]
    """Each a situation and what the prompt must say in it."""


@dataclass(frozen=True, slots=True)
class Cases:
    """All cases, by the id of the policy or persona that they are about."""

    policies: Mapping[str, tuple[PolicyCase, ...]]
    personas: Mapping[str, tuple[PersonaCase, ...]]


def read_cases(root: Path, catalog: Catalog) -> Cases:
    """Read every file of cases, and check that what they name is in the catalog.

    Raises:
        ContentError: Every problem of every file.
    """
    problems: list[Problem] = [
        file_problem(path.relative_to(root).as_posix(), "is not read; a persona's cases can say it")
        for path in find_cases(root, "prompts")
    ]
    policies = _Folder("policies", catalog.policies, _policy_cases)
    personas = _Folder("personas", catalog.personas, _persona_cases)
    cases = Cases(policies.read(root, problems), personas.read(root, problems))
    if problems:
        raise ContentError(problems)
    return cases


SubjectT = TypeVar("SubjectT", Policy, Persona)
CaseT = TypeVar("CaseT", PolicyCase, PersonaCase)


@dataclass(frozen=True, slots=True)
class _Folder(Generic[SubjectT, CaseT]):
    name: str
    subjects: Mapping[str, SubjectT]
    read_file: Callable[[Node, SubjectT], tuple[tuple[CaseT, ...], list[Problem]]]

    def read(self, root: Path, problems: list[Problem]) -> dict[str, tuple[CaseT, ...]]:
        found: dict[str, tuple[CaseT, ...]] = {}
        for path in find_cases(root, self.name):
            subject = path.name.removesuffix(CASES_SUFFIX)
            if path.parent != root / self.name or subject not in self.subjects:
                what = f"is named after nothing; {self.name}/{subject}.yaml is not there"
                problems.append(file_problem(path.relative_to(root).as_posix(), what))
                continue
            try:
                tree = read_document(path, root)
                problems += duplicates(tree)
                found[subject], wrong = self.read_file(tree, self.subjects[subject])
                problems += wrong
            except ContentError as exc:
                problems += exc.problems
        return found


def _policy_cases(tree: Node, policy: Policy) -> tuple[tuple[PolicyCase, ...], list[Problem]]:
    tree = _expand_expect(tree)
    cases = read_as(PolicyCasesFile, tree).cases
    problems: list[Problem] = []
    for index, case in enumerate(cases):
        problems += _check_policy_case(case, policy, tree.nearest("cases", index))
    return cases, problems


def _expand_expect(tree: Node) -> Node:
    """Write ``expect: block`` out as an outcome for everyone."""
    cases = tree.child("cases")
    if cases is None or not isinstance(cases.content, tuple):
        return tree
    changed = tuple(
        replace(
            case, content={**case.entries, "expect": replace(expect, content={EVERYONE: expect})}
        )
        if (expect := case.child("expect")) and expect.text
        else case
        for case in cases.items
    )
    return replace(tree, content={**tree.entries, "cases": replace(cases, content=changed)})


def _check_policy_case(case: PolicyCase, policy: Policy, node: Node) -> Iterator[Problem]:
    if (case.text is None) == (case.messages is None):
        yield node.problem("must have exactly one of 'text' and 'messages'")
    if case.messages is not None and (stage := node.child("stage")):
        yield stage.problem("does nothing with 'messages'; roles decide the stage")
    for audience in case.expect:
        if audience not in {*policy.audiences, EVERYONE}:
            what = unknown("audience", audience, policy.audiences)
            yield node.nearest("expect", audience).key_problem(what)
    known = [rule.id for rule in policy.rules]
    for index, rule in enumerate(case.rules):
        if rule not in known:
            yield node.nearest("rules", index).problem(unknown("rule", rule, known))


def _persona_cases(tree: Node, persona: Persona) -> tuple[tuple[PersonaCase, ...], list[Problem]]:
    cases = read_as(PersonaCasesFile, tree).cases
    problems: list[Problem] = []
    for index, case in enumerate(cases):
        problems += _check_persona_case(case, persona, tree.nearest("cases", index))
    return cases, problems


def _check_persona_case(case: PersonaCase, persona: Persona, node: Node) -> Iterator[Problem]:
    if not (case.renders.contains or case.renders.lacks):
        yield node.nearest("renders").problem("must have 'contains' or 'lacks'")
    for name in case.variables:
        if name not in persona.variables:
            what = unknown("variable", name, persona.variables)
            yield node.nearest("variables", name).key_problem(what)
    variants = [variant.id for variant in persona.variants]
    for kind, value, known in (
        ("scenario", case.scenario, persona.scenarios),
        ("variant", case.variant, variants),
    ):
        if value is not None and value not in known:
            yield node.nearest(kind).problem(unknown(kind, value, known))
