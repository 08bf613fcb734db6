"""``*.cases.yaml``: what people expect of a policy, a persona or a prompt, kept beside it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from app.catalog.budget_file import EVERYONE
from app.catalog.check_file import NonEmpty, OneOrMore, Several
from app.catalog.contracts import Siblings
from app.catalog.conversation_case import (
    Around,
    ConversationCase,
    ConversationFile,
    read_conversation,
    wrong_situation,
)
from app.catalog.document import Node, file_problem
from app.catalog.files import CASES_SUFFIX, find_cases
from app.catalog.inherit import duplicates
from app.catalog.suite import Reading, Suite, read_suites
from app.catalog.wording import read_as, unknown
from app.catalog.yaml_source import read_document
from app.domain.catalog import Catalog
from app.domain.conduct import Conduct
from app.domain.decision import Outcome
from app.domain.errors import ContentError, Problem
from app.domain.persona import FileModel, Persona, Scalar
from app.domain.policy import Policy, Stage


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
    """What the composed system prompt must and must not say; at least one of these."""

    contains: OneOrMore | None = None
    """A text that must be there, or a list of them."""
    lacks: OneOrMore | None = None
    """A text that must not be there, or a list of them."""


Own = Literal["name", "role", "readers", "values", "behaviours", "scenario"]


class RendersForAll(Renders):
    """What the prompt of every persona must and must not say; at least one of these."""

    shows: Own | tuple[Own, ...] = ()
    """Of each persona its own: what its file says under these keys must be there."""


class PromptCase(FileModel):
    """A situation, and what the template must say in it for every persona that uses it."""

    id: NonEmpty
    """The case in plain words."""
    personas: Several | None = None
    """Only these of the personas that use the template."""
    scenario: str | None = None
    """Which scenario the request names; then only personas that have it are looked at."""
    variables: Mapping[str, Scalar] = {}
    """What the request gives; then only personas that have all of these are looked at."""
    renders: RendersForAll
    """What the prompt must and must not say."""
    why: str = ""
    """Why this is right."""


class PersonaCase(FileModel):
    """A situation and what the persona's prompt must say in it, or how an answer measures up."""

    id: NonEmpty
    """The case in plain words."""
    variables: Mapping[str, Scalar] = {}
    """What the request gives."""
    scenario: str | None = None
    """Which scenario the request names."""
    variant: str | None = None
    """Which variant answers; none is the persona as it is."""
    renders: Renders | None = None
    """What the prompt must and must not say."""
    answer: str | None = None
    """An answer to measure by the persona's behaviours."""
    conduct: Mapping[str, Conduct] = {}
    """By behaviour, whether the answer keeps to it: held, failed or not_scored."""
    why: str = ""
    """Why this is right."""


class PolicyCasesFile(FileModel):
    """Cases of one policy."""

    cases: Annotated[tuple[PolicyCase, ...], Field(min_length=1)]
    """Each a text and the outcome it must have."""


class PersonaCasesFile(FileModel):
    """Cases of one persona."""

    cases: Annotated[tuple[PersonaCase | ConversationFile, ...], Field(min_length=1)]
    """Each a situation and what the prompt must say in it, an answer and how it measures up, or a
    conversation."""


class PromptCasesFile(FileModel):
    """Cases of one template."""

    cases: Annotated[tuple[PromptCase, ...], Field(min_length=1)]
    """Each a situation and what every persona's prompt must say in it."""


class _AnyCases(FileModel):
    cases: Annotated[tuple[dict[str, JsonValue], ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Cases:
    """All cases, by the id of what they are about."""

    policies: Mapping[str, tuple[PolicyCase, ...]]
    personas: Mapping[str, tuple[PersonaCase | ConversationCase, ...]]
    """In the order of their files. Conversations are those of the suites, too."""
    prompts: Mapping[str, tuple[PromptCase, ...]]
    suites: Mapping[str, Suite]
    """Every conversation that can be run, in suites."""


def read_cases(root: Path, catalog: Catalog, siblings: Siblings) -> Cases:
    """Read every file of cases and every suite, and check that what they name is there.

    Raises:
        ContentError: Every problem of every file.
    """
    problems: list[Problem] = []
    policies = _read_policies(root, catalog, problems)
    around = Around(catalog, siblings, {})
    personas = {
        name: _persona_cases(tree, catalog.personas[name], around, problems)
        for name, tree in _trees(root, "personas", catalog.personas, problems).items()
    }
    prompts = {
        name: _prompt_cases(tree, name, catalog, problems)
        for name, tree in _trees(root, "prompts", catalog.prompts, problems).items()
    }
    conversations = {
        name: found
        for name, cases in personas.items()
        if (found := tuple(case for case in cases if isinstance(case, ConversationCase)))
    }
    suites = read_suites(Reading(root, catalog, siblings, conversations, problems))
    if problems:
        raise ContentError(problems)
    return Cases(policies, personas, prompts, suites)


def read_policy_cases(root: Path, catalog: Catalog) -> Mapping[str, tuple[PolicyCase, ...]]:
    """The cases of policies alone.

    Raises:
        ContentError: Every problem of their files.
    """
    problems: list[Problem] = []
    cases = _read_policies(root, catalog, problems)
    if problems:
        raise ContentError(problems)
    return cases


def _trees(
    root: Path, folder: str, subjects: Collection[str], problems: list[Problem]
) -> dict[str, Node]:
    """The files of cases of a folder, by the id of what they are about."""
    found: dict[str, Node] = {}
    for path in find_cases(root, folder):
        subject = path.relative_to(root / folder).as_posix().removesuffix(CASES_SUFFIX)
        if subject not in subjects or subject.endswith(".j2"):
            ending = ".md.j2" if folder == "prompts" else ".yaml"
            what = f"is named after nothing; {folder}/{subject}{ending} is not there"
            problems.append(file_problem(path.relative_to(root).as_posix(), what))
            continue
        try:
            found[subject] = read_document(path, root)
        except ContentError as exc:
            problems += exc.problems
        else:
            problems += duplicates(found[subject])
    return found


def _items(tree: Node, problems: list[Problem]) -> tuple[Node, ...]:
    """The cases of a file, each still to be read."""
    try:
        read_as(_AnyCases, tree)
    except ContentError as exc:
        problems += exc.problems
        return ()
    return tree.nearest("cases").items


def _read_policies(
    root: Path, catalog: Catalog, problems: list[Problem]
) -> dict[str, tuple[PolicyCase, ...]]:
    cases: dict[str, tuple[PolicyCase, ...]] = {}
    for name, tree in _trees(root, "policies", catalog.policies, problems).items():
        try:
            cases[name], wrong = _policy_cases(tree, catalog.policies[name])
            problems += wrong
        except ContentError as exc:
            problems += exc.problems
    return cases


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


def _persona_cases(
    tree: Node, persona: Persona, around: Around, problems: list[Problem]
) -> tuple[PersonaCase | ConversationCase, ...]:
    cases: list[PersonaCase | ConversationCase] = []
    for node in _items(tree, problems):
        if node.entries.keys() & {"turns", "simulated_user"}:
            conversation = read_conversation(node, persona.id, around, problems)
            if conversation is not None:
                cases.append(conversation)
            continue
        try:
            case = read_as(PersonaCase, node)
        except ContentError as exc:
            problems += exc.problems
            continue
        problems += _wrong_persona_case(case, persona, node)
        cases.append(case)
    return tuple(cases)


def _wrong_persona_case(case: PersonaCase, persona: Persona, node: Node) -> Iterator[Problem]:
    if case.renders is None and case.answer is None:
        yield node.problem("must have 'renders', 'answer', 'turns' or 'simulated_user'")
    if case.renders == Renders():
        yield node.nearest("renders").problem("must have 'contains' or 'lacks'")
    if (case.answer is None) != (not case.conduct):
        yield node.problem("must have both of 'answer' and 'conduct', or neither")
    measured = [each.id for each in persona.behaviours if each.verify is not None]
    for behaviour in case.conduct:
        if behaviour not in measured:
            what = unknown("behaviour with 'verify'", behaviour, measured)
            yield node.nearest("conduct", behaviour).key_problem(what)
    yield from wrong_situation(case, node, persona)


def _prompt_cases(
    tree: Node, prompt: str, catalog: Catalog, problems: list[Problem]
) -> tuple[PromptCase, ...]:
    cases: list[PromptCase] = []
    for node in _items(tree, problems):
        try:
            case = read_as(PromptCase, node)
        except ContentError as exc:
            problems += exc.problems
            continue
        problems += _wrong_prompt_case(case, prompt, catalog, node)
        cases.append(case)
    return tuple(cases)


def _wrong_prompt_case(
    case: PromptCase, prompt: str, catalog: Catalog, node: Node
) -> Iterator[Problem]:
    if case.renders == RendersForAll():
        yield node.nearest("renders").problem("must have 'contains', 'lacks' or 'shows'")
    users = {name for name, each in catalog.personas.items() if each.prompt == prompt}
    wrong = [name for name in case.personas or () if name not in users]
    for index, name in enumerate(case.personas or ()):
        if name in wrong:
            what = unknown("persona with this prompt", name, sorted(users))
            yield node.nearest("personas", index).problem(what)
    if not wrong and not meant_by(case, prompt, catalog):
        what = "is about nobody: no persona with this prompt has this scenario and these variables"
        yield node.problem(what)


def meant_by(case: PromptCase, prompt: str, catalog: Catalog) -> tuple[Persona, ...]:
    """The personas that a case of a template is about."""
    return tuple(
        persona
        for name, persona in sorted(catalog.personas.items())
        if persona.prompt == prompt
        and (case.personas is None or name in case.personas)
        and (case.scenario is None or case.scenario in persona.scenarios)
        and case.variables.keys() <= persona.variables.keys()
    )
