"""What a policy's file may say, its shorthands, and how it becomes a ``Policy``."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, WithJsonSchema

from app.catalog.budget_file import BudgetFile, budget_problems, build_budget
from app.catalog.contracts import Siblings
from app.catalog.document import Node
from app.catalog.media_file import MediaFile, build_media, media_problems
from app.catalog.restore_file import RestoreFile, build_restore
from app.catalog.wording import read_as, unknown
from app.domain.conversation import Json
from app.domain.errors import ContentError, DetectorError, Problem
from app.domain.persona import FileModel
from app.domain.policy import (
    Action,
    DetectSpec,
    Keep,
    KeepContent,
    Mode,
    Policy,
    PseudonymForm,
    Rule,
    Stage,
    Step,
    Steps,
    Waiver,
)

_ANY: TypeAdapter[Any] = TypeAdapter(Any)
_DAYS = r"^[1-9][0-9]{0,3}d$"
_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"


def _days(value: object) -> object:
    if not isinstance(value, str) or not re.match(_DAYS, value):
        raise ValueError("must be a number of days, such as 400d")
    return value


def _id(value: str) -> str:
    if not re.match(_ID, value):
        raise ValueError("may hold letters, digits, '.', '_' and '-', at most 80")
    return value


Days = Annotated[str, BeforeValidator(_days), WithJsonSchema({"type": "string", "pattern": _DAYS})]
Id = Annotated[str, AfterValidator(_id), WithJsonSchema({"type": "string", "pattern": _ID})]
Percent = Annotated[float, Field(ge=0.01, le=100)]
NonEmpty = Annotated[str, Field(min_length=1)]


class AudiencesFile(FileModel):
    """Whom requests are served for."""

    strictest_first: Annotated[tuple[Id, ...], Field(min_length=1)]
    """Every audience, the one that needs most protection first."""
    default: Id
    """The audience of a request that names none."""


class StepFile(FileModel):
    """From this score on, do this."""

    at: Annotated[float, Field(ge=0, le=1)]
    """The score from which the action holds."""
    do: Action
    """What to do about the finding."""


class RuleFile(FileModel):
    """One detector at one or more stages, with actions by audience and score."""

    id: Id
    """The rule's name. A child policy changes an inherited rule by its id."""
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    """Where in an exchange the rule looks."""
    detect: Mapping[str, Mapping[str, object]]
    """Exactly one detector with its settings; the name alone is short for no settings."""
    then: Mapping[str, Annotated[tuple[StepFile, ...], Field(min_length=1)]]
    """What to do: one action for everyone, or by audience an action or steps by score. An
    audience that is not named takes the next looser named one's; where none is, allow."""
    append: str = ""
    """What ``steer`` adds at the end of the answer."""
    as_: Annotated[PseudonymForm, Field(alias="as")] = PseudonymForm.TOKEN
    """What ``pseudonymize`` puts in the place of a value: a ``token`` such as
    ``EMAIL_ADDRESS_7F3K2M9QXT``, or a ``surrogate``, an invented value of the same kind."""
    mode: Mode = Mode.ENFORCE
    """``observe`` decides and records, and does not act."""
    enforce_percent: Percent = 100
    """For which share of traffic the rule acts, sticky by session; for the rest it observes."""
    timeout_ms: Annotated[int, Field(ge=1, le=600_000)] = 1500
    """How long a detector outside the process may take."""
    on_unchecked: Action = Action.BLOCK
    """What to do where the detector could not run: allow, flag, escalate or block."""
    why: str = ""
    """The reason for the rule, shown to reviewers."""


class WaiverFile(FileModel):
    """The one way to be weaker: one rule, one audience, until a date, with a reason."""

    rule: str
    """The rule's id."""
    audience: str
    """The audience for which the rule is lowered."""
    to: Action
    """The rule's actions that are stricter than this are lowered to it."""
    reason: NonEmpty
    """Why being weaker is right."""
    approved_by: NonEmpty
    """Who answers for it."""
    expires: date
    """The last day (UTC) on which the waiver holds."""
    signature: str = ""
    """The approver's SSH signature, where ``waivers.approval`` of the deployment wants one."""


class KeepFile(FileModel):
    """What the ledger may keep of an exchange, and for how long."""

    content: KeepContent = KeepContent.NONE
    """Which text may be kept."""
    content_for: Days = "30d"
    """For how many days text may be kept."""
    findings: Days = "400d"
    """For how many days findings and decisions may be kept."""


class PolicyFile(FileModel):
    """A set of rules, with inheritance; the root policy declares the audiences."""

    extends: str | None = None
    """The id of the policy that this one makes stricter."""
    description: str = ""
    """What the policy is for."""
    audiences: AudiencesFile
    """Only in a policy that extends no other."""
    rules: tuple[RuleFile, ...] = ()
    """Rules with the id of an inherited one change it; it can only become stricter."""
    waivers: tuple[WaiverFile, ...] = ()
    """Where this policy may be weaker than its rules say, each until a date."""
    keep: KeepFile = KeepFile()
    """What the ledger may keep."""
    restore: RestoreFile = RestoreFile()
    """Which values the user and tools get in place of their pseudonyms; records get none."""
    media: MediaFile = MediaFile()
    """What a request may hold besides text."""
    budget: BudgetFile | None = None
    """How often a rule may stop a harmless text."""
    mode: Mode = Mode.ENFORCE
    """``observe`` makes all rules decide and record, and not act."""
    enforce_percent: Percent = 100
    """For which share of traffic rules act at most; for the rest they observe."""


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """A policy with the tree it was read from."""

    policy: Policy
    tree: Node
    is_whole: bool
    """Every rule of the file could be read."""

    def rule_node(self, rule_id: str) -> Node:
        """Where a rule stands."""
        rules = self.tree.nearest("rules")
        found = (
            item for item in rules.items if item.child("id") and item.entries["id"].text == rule_id
        )
        return next(found, rules)

    def then_node(self, rule_id: str, audience: str) -> Node:
        """Where a rule says what to do for an audience, as exactly as the file says it."""
        then = self.rule_node(rule_id).nearest("then")
        names = self.policy.audiences[self.policy.audiences.index(audience) :]
        return next((then.entries[name] for name in names if name in then.entries), then)


def expand_detect(tree: Node) -> Node:
    """Write ``detect: injection`` out as ``detect: {injection: {}}``."""
    return _with_rules(tree, "detect", _expand_detect)


def expand_then(tree: Node) -> Node:
    """Write ``then: block`` out: for the loosest audience, whose actions all others take over."""
    ladder = tree.child("audiences", "strictest_first")
    names = [item.text for item in ladder.items] if ladder else []
    loosest = (names[-1] if names else None) or ""

    def by_audience(then: Node) -> Node:
        if not isinstance(then.content, dict):
            then = replace(then, content={loosest: then})
        content = {name: _expand_steps(steps) for name, steps in then.entries.items()}
        return replace(then, content=content)

    return _with_rules(tree, "then", by_audience)


def _expand_steps(steps: Node) -> Node:
    if isinstance(steps.content, tuple):
        return steps
    at = replace(steps, content=0)
    return replace(steps, content=(replace(steps, content={"at": at, "do": steps}),))


def _expand_detect(detect: Node) -> Node:
    if detect.text is not None:
        return replace(detect, content={detect.text: replace(detect, content={})})
    if detect.content is not None and not isinstance(detect.content, dict):
        return detect
    settings = {
        name: replace(node, content={}) if node.content is None else node
        for name, node in detect.entries.items()
    }
    return replace(detect, content=settings)


def _with_rules(tree: Node, key: str, change: Callable[[Node], Node]) -> Node:
    rules = tree.child("rules")
    if rules is None or not isinstance(rules.content, tuple):
        return tree
    changed = tuple(
        replace(rule, content={**rule.entries, key: change(rule.entries[key])})
        if key in rule.entries
        else rule
        for rule in rules.items
    )
    return replace(tree, content={**tree.entries, "rules": replace(rules, content=changed)})


def build_policy(
    policy_id: str, tree: Node, siblings: Siblings
) -> tuple[ReadPolicy, list[Problem]]:
    """Validate a merged and expanded tree.

    Raises:
        ContentError: The file's shape is wrong.

    Returns:
        The policy, without the rules whose detector or settings are wrong, and those problems.
    """
    file = read_as(PolicyFile, tree)
    problems: list[Problem] = []
    rules: list[Rule] = []
    for index, rule in enumerate(file.rules):
        node = tree.nearest("rules", index)
        try:
            detect = _read_detect(rule, node.nearest("detect"), siblings)
            built = _build_rule(rule, node, file.audiences.strictest_first, detect)
            rules.append(_within(built, file))
        except ContentError as exc:
            problems += exc.problems
    policy = Policy(
        id=policy_id,
        audiences=file.audiences.strictest_first,
        default_audience=file.audiences.default,
        rules=tuple(rules),
        waivers=tuple(Waiver(**dict(waiver)) for waiver in file.waivers),
        keep=Keep(file.keep.content, _count(file.keep.content_for), _count(file.keep.findings)),
        restore=build_restore(file.restore, tree.nearest("restore")),
        media=build_media(file.media),
        budget=build_budget(file.budget, file.audiences.strictest_first) if file.budget else None,
        extends=file.extends,
    )
    problems += media_problems(policy.media, policy.audiences, tree)
    if file.budget is not None:
        problems += budget_problems(file.budget, file.audiences.strictest_first, tree)
    return ReadPolicy(policy, tree, is_whole=not problems), problems


def _within(rule: Rule, file: PolicyFile) -> Rule:
    """The rule as far as its policy lets it act."""
    return replace(
        rule,
        mode=Mode.OBSERVE if Mode.OBSERVE in {rule.mode, file.mode} else Mode.ENFORCE,
        enforce_percent=min(rule.enforce_percent, file.enforce_percent),
    )


def _count(text: str) -> int:
    return int(text.removesuffix("d"))


def _read_detect(rule: RuleFile, node: Node, siblings: Siblings) -> DetectSpec:
    if len(rule.detect) != 1:
        names = ", ".join(rule.detect) or "none"
        what = f"must name exactly one detector, not {names}"
        if len(rule.detect) > 1:
            what += "; another detector needs a rule with an id of its own"
        raise ContentError([node.problem(what)])
    name = next(iter(rule.detect))
    kind = siblings.detectors.get(name)
    settings_node = node.nearest(name)
    if kind is None:
        what = unknown("detector", name, siblings.detectors)
        raise ContentError([settings_node.key_problem(what)])
    if blind := sorted(set(rule.stages) - kind.stages):
        what = (
            f"finds nothing at {' and '.join(blind)}, only at {' and '.join(sorted(kind.stages))}"
        )
        raise ContentError([settings_node.key_problem(what)])
    return detect_spec(name, settings_node, siblings)


def detect_spec(name: str, settings_node: Node, siblings: Siblings) -> DetectSpec:
    """A detector with its settings, validated.

    Raises:
        ContentError: The settings are not the detector's, or it could not be built from them.
    """
    settings = read_as(siblings.detectors[name].settings, settings_node)
    try:
        siblings.validate(name, settings)
    except DetectorError as exc:
        raise ContentError([settings_node.nearest(*exc.path).problem(str(exc))]) from None
    values: dict[str, Json] = _as_json(settings.model_dump())
    return DetectSpec(name, values)


def _as_json(value: object) -> Json:
    """JSON values in an order that does not depend on the process, as that of a set does."""
    match value:
        case dict():
            return {str(key): _as_json(inner) for key, inner in value.items()}
        case set() | frozenset():
            return sorted((_as_json(item) for item in value), key=repr)
        case list() | tuple():
            return [_as_json(item) for item in value]
        case _:
            return _ANY.dump_python(value, mode="json")


def _build_rule(rule: RuleFile, node: Node, audiences: Sequence[str], detect: DetectSpec) -> Rule:
    problems = [
        node.nearest("then", name).key_problem(unknown("audience", name, audiences))
        for name in rule.then
        if name not in audiences
    ]
    for name, steps in rule.then.items():
        ats = [step.at for step in steps]
        if ats != sorted(set(ats)):
            what = "must have its steps in ascending order of 'at', each once"
            problems.append(node.nearest("then", name).problem(what))
    if problems:
        raise ContentError(problems)
    return Rule(
        id=rule.id,
        stages=frozenset(rule.stages),
        detect=detect,
        then=_for_every_audience(rule.then, audiences),
        append=rule.append,
        pseudonym=rule.as_,
        mode=rule.mode,
        enforce_percent=rule.enforce_percent,
        timeout_ms=rule.timeout_ms,
        on_unchecked=rule.on_unchecked,
        why=rule.why,
    )


def _for_every_audience(
    named: Mapping[str, Sequence[StepFile]], audiences: Sequence[str]
) -> dict[str, Steps]:
    """An audience that is not named takes the next looser named one's; where none is, allow."""
    whole: dict[str, Steps] = {}
    steps: Steps = ()
    for audience in reversed(audiences):
        steps = _steps(named[audience]) if audience in named else steps
        whole[audience] = steps
    return {audience: whole[audience] for audience in audiences}


def _steps(written: Iterable[StepFile]) -> Steps:
    """Without the steps that change nothing, so that equal functions are equal values."""
    steps: list[Step] = []
    action = Action.ALLOW
    for step in written:
        if step.do is not action:
            steps.append(Step(step.at, step.do))
            action = step.do
    return tuple(steps)
