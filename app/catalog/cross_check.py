"""What no single value shows: that references resolve, and that nothing written is idle."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from app.catalog.behaviours import check_behaviour
from app.catalog.contracts import DetectorKind, Siblings
from app.catalog.document import Node
from app.catalog.persona_file import ReadPersona
from app.catalog.policy_file import ReadPolicy
from app.catalog.tier import (
    comparator,
    weaknesses_of_child,
    weaknesses_of_ladder,
    wider_media,
    wider_sinks,
)
from app.catalog.variants import check_variants
from app.catalog.wording import choices, unknown
from app.domain.errors import Problem
from app.domain.persona import ChoicesBound, EffortBound, FloatBound, IntBound, Scalar, Variable
from app.domain.policy import (
    Action,
    Mode,
    Policy,
    PseudonymForm,
    Rule,
    Stage,
    Waiver,
    is_at_least,
    rule_by_id,
)

NOT_YET = frozenset({Action.RETRY})
"""Actions that no part of the gateway carries out yet: refused, not ignored."""
_ACTS_AT = {
    Action.STEER: frozenset({Stage.OUTPUT}),
    Action.PSEUDONYMIZE: frozenset({Stage.INPUT, Stage.TOOL_RESULT}),
}
"""Stages at which an action can do something; all stages for the others."""
_FOR_OUTAGES = (Action.ALLOW, Action.FLAG, Action.ESCALATE, Action.BLOCK)
"""An outage has no finding to rewrite and no answer to steer."""
_BE_AS_STRICT = "; be as strict as that one, or extend another"
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REPLIES = ("block", "escalate", "unchecked")
_LIMITS = {"temperature": (0.0, 2.0), "top_p": (0.0, 1.0), "max_tokens": (1.0, 10_000_000.0)}


@dataclass(frozen=True, slots=True)
class Names:
    """What a persona may refer to: every id for which there is a file or an entry, right or not."""

    prompts: Collection[str]
    policies: Collection[str]
    routes: Collection[str]
    prompt_variables: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By prompt: what its template wants declared."""
    gate_metrics: Collection[str] = ()
    """What the gates of a rollout may name; see ``check_variants``."""


def check_policy(read: ReadPolicy, parent: ReadPolicy | None) -> Iterator[Problem]:
    """What is wrong inside one policy, the Tier law's ladder included.

    A rule that does what the parent's does is checked there.
    """
    policy = read.policy
    if policy.default_audience not in policy.audiences:
        what = unknown("audience", policy.default_audience, policy.audiences)
        yield read.tree.nearest("audiences", "default").problem(what)
    if len(set(policy.audiences)) < len(policy.audiences):
        what = "names an audience twice; take one out"
        yield read.tree.nearest("audiences", "strictest_first").problem(what)
        return
    for rule in policy.rules:
        yield from _check_rule(rule, read)
    for node in (read.tree, *read.tree.nearest("rules").items):
        share, mode = node.child("enforce_percent"), node.child("mode")
        if share is not None and mode is not None and mode.text == Mode.OBSERVE:
            yield _own(read, share, mode).problem(
                "does nothing beside 'mode: observe'; take one of the two out"
            )
    for index, waiver in enumerate(policy.waivers):
        yield from _check_waiver(waiver, read, read.tree.nearest("waivers", index))
    theirs = {rule.id: rule.then for rule in parent.policy.rules} if parent else {}
    ours = {rule.id: rule.then for rule in policy.rules}
    for weakness in weaknesses_of_ladder(policy):
        if ours[weakness.rule] != theirs.get(weakness.rule):
            nodes = [read.then_node(weakness.rule, name) for name in weakness.audiences]
            yield _own(read, *nodes).problem(
                f"{weakness.what}; make '{weakness.audiences[0]}' as strict"
            )


def _own(read: ReadPolicy, *nodes: Node) -> Node:
    """Of the places that contradict each other, the first in this file: a parent is in order."""
    own = read.tree.source.file
    return next((node for node in nodes if node.source.file == own), nodes[0])


def check_child(
    child: ReadPolicy, parent: ReadPolicy, detectors: Mapping[str, DetectorKind]
) -> Iterator[Problem]:
    """Where a policy is weaker than its parent."""
    ours, theirs = child.policy.default_audience, parent.policy.default_audience
    if ours in child.policy.audiences and not child.policy.is_stricter_or_same(ours, theirs):
        what = (
            f"'{ours}' is looser than '{theirs}', the default of '{parent.policy.id}'; "
            "choose one that is as strict"
        )
        yield child.tree.nearest("audiences", "default").problem(what)
    for weakness in weaknesses_of_child(child.policy, parent.policy, comparator(detectors)):
        if not weakness.key and not child.is_whole:
            continue  # the rule is there, and could not be read: it has a problem already
        node = child.rule_node(weakness.rule).nearest(weakness.key)
        if weakness.key in {"mode", "enforce_percent"}:
            node = _acts_least(child, weakness.rule, weakness.key)
        for audience in weakness.audiences:
            node = child.then_node(weakness.rule, audience)
        hint = "; only a waiver may lower it" if weakness.key == "then" else _BE_AS_STRICT
        yield node.problem(weakness.what + hint)
    for path, wider in wider_sinks(child.policy, parent.policy):
        yield child.tree.nearest("restore", *path).problem(wider + _BE_AS_STRICT)
    for path, wider in wider_media(child.policy, parent.policy):
        yield child.tree.nearest("media", *path).problem(wider + _BE_AS_STRICT)


def _acts_least(read: ReadPolicy, rule_id: str, key: str) -> Node:
    """Where it is said that a rule acts for so few: by the rule, or for all rules."""
    rule = rule_by_id(read.policy.rules, rule_id)
    for_all = read.tree.child(key)
    says = (Mode.OBSERVE.value, rule.enforce_percent if rule else None)
    if for_all is not None and for_all.content in says:
        return for_all
    return read.rule_node(rule_id).nearest(key)


def _check_rule(rule: Rule, read: ReadPolicy) -> Iterator[Problem]:
    node = read.rule_node(rule.id)
    then = node.nearest("then")
    written = {step.do for steps in rule.then.values() for step in steps}
    if not written:
        yield then.problem(
            "allows everything for everyone; let it act for somebody, or take the rule out"
        )
    for audience, steps in rule.then.items():
        at = read.then_node(rule.id, audience)
        for action in dict.fromkeys(step.do for step in steps):
            if idle := _idle(action, rule):
                yield _own(read, at, node.nearest("stages")).problem(idle)
    if Action.STEER not in written and rule.append:
        at = _own(read, node.nearest("append"), then)
        yield at.problem("leaves 'append' without a 'steer'; append: '' drops it")
    if rule.on_unchecked not in _FOR_OUTAGES:
        what = (
            f"is '{rule.on_unchecked}', which nothing found cannot be{choices(None, _FOR_OUTAGES)}"
        )
        yield node.nearest("on_unchecked").problem(what)


def _idle(action: Action, rule: Rule) -> str:
    """Why an action can do nothing in a rule; empty where it can."""
    if action in NOT_YET:
        return f"is '{action}', which is not available yet; choose another"
    if action is Action.STEER and not rule.append:
        return "is 'steer', which needs 'append': the text to end the answer with"
    at = _ACTS_AT.get(action, frozenset(Stage))
    if idle := rule.stages - at:
        return (
            f"'{action}' can only act at {_listed(at)}; "
            f"give {_listed(idle)} a rule with an id of its own"
        )
    return ""


def check_pseudonyms(read: ReadPolicy, siblings: Siblings) -> Iterator[Problem]:
    """What is wrong with how a policy names values, and with who gets them back."""
    named: set[str] = set()
    is_known = read.is_whole
    for rule in read.policy.rules:
        written = {step.do for steps in rule.then.values() for step in steps}
        kinds = _kinds_of_values(rule, siblings)
        if Action.PSEUDONYMIZE in written:
            is_known = is_known and kinds is not None
            named.update(kinds or ())
        if rule.pseudonym is PseudonymForm.SURROGATE:
            at = _own(read, read.rule_node(rule.id).nearest("as"))
            if Action.PSEUDONYMIZE not in written:
                yield at.problem("does nothing: no step of the rule is 'pseudonymize'; take it out")
            elif kinds is not None and not siblings.surrogates & kinds:
                what = f"is 'surrogate', and there is none for {', '.join(sorted(kinds))}"
                yield at.problem(what + choices(None, sorted(siblings.surrogates)))
    restore = read.policy.restore
    for path, wanted in (
        (("user",), restore.user),
        *((("tools", t), c) for t, c in restore.tools.items()),
    ):
        node = read.tree.nearest("restore", *path)
        if is_known and node.source.file == read.tree.source.file:
            for kind in sorted((wanted or frozenset()) - named):
                yield node.problem(_no_such_value(kind, named))


def _no_such_value(kind: str, named: Collection[str]) -> str:
    what = f"names '{kind}', and no rule here gives such values pseudonyms"
    return what + choices(kind, sorted(named))


def _kinds_of_values(rule: Rule, siblings: Siblings) -> frozenset[str] | None:
    """Every category that a rule may find; none where the detector cannot tell."""
    kind = siblings.detectors.get(rule.detect.detector)
    if kind is None or kind.categories is None:
        return None
    return frozenset(kind.categories(kind.settings.model_validate(rule.detect.settings)))


def _listed(stages: Collection[Stage]) -> str:
    return " and ".join(stage.value for stage in Stage if stage in stages)


def _check_waiver(waiver: Waiver, read: ReadPolicy, node: Node) -> Iterator[Problem]:
    policy: Policy = read.policy
    rule = rule_by_id(policy.rules, waiver.rule)
    if waiver.audience not in policy.audiences:
        what = unknown("audience", waiver.audience, policy.audiences)
        yield node.nearest("audience").problem(what)
    elif rule is not None:
        lowered = [
            step.do
            for step in rule.then[waiver.audience]
            if step.do is not waiver.to and is_at_least(step.do, waiver.to)
        ]
        if not lowered:
            what = f"lowers nothing: the rule does nothing stricter than '{waiver.to}'"
            yield node.nearest("to").problem(what + f" for '{waiver.audience}'")
        if idle := _idle(waiver.to, rule):
            yield node.nearest("to").problem(idle)
    if rule is None and read.is_whole:
        what = unknown("rule", waiver.rule, [rule.id for rule in policy.rules])
        yield node.nearest("rule").problem(what)


def check_persona(read: ReadPersona, names: Names) -> Iterator[Problem]:
    """What is wrong with one persona and its variants."""
    persona, tree = read.persona, read.tree
    for place, kind, value, known in (
        ("prompt", "prompt", persona.prompt, [n for n in names.prompts if not n.endswith(".j2")]),
        ("policy", "policy", persona.policy, names.policies),
        *((place, "route", value, names.routes) for place, value in persona.routes.items()),
    ):
        if value not in known:
            yield tree.nearest(*place.split(".")).problem(unknown(kind, value, known))
    wanted = names.prompt_variables.get(persona.prompt, frozenset())
    for name in sorted(wanted - set(persona.variables)):
        what = f"uses '{name}', which 'variables' does not declare"
        yield tree.nearest("prompt").problem(what + choices(name, persona.variables))
    for index, behaviour in enumerate(persona.behaviours):
        node = tree.nearest("behaviours", index)
        yield from check_behaviour(behaviour, node, persona.scenarios)
    for name, variable in persona.variables.items():
        yield from _check_variable(name, variable, tree.nearest("variables", name))
    for outcome in _REPLIES:
        if "en" not in getattr(persona.replies, outcome):
            what = "has no 'en', the language that every reply falls back to"
            yield tree.nearest("replies", outcome).problem(what)
    for name, bound in persona.sampling:
        yield from _check_bound(name, bound, tree.nearest("sampling", name))
    yield from check_variants(read, names.gate_metrics)
    for varied in read.variants.values():
        yield from check_persona(varied, names)


def _check_variable(name: str, variable: Variable, node: Node) -> Iterator[Problem]:
    if not _VARIABLE_NAME.fullmatch(name):
        yield node.key_problem("is no name that a template can use: letters, digits and _ only")
    if variable.min is not None and variable.max is not None and variable.min > variable.max:
        yield node.problem("has 'min' above 'max'; exchange them")
    for index, value in enumerate(variable.enum or ()):
        if wrong := _misfit(value, variable):
            yield node.nearest("enum", index).problem(wrong)
    if variable.default is None:
        return
    if wrong := _misfit(variable.default, variable):
        yield node.nearest("default").problem(wrong)
    elif variable.enum is not None and variable.default not in variable.enum:
        allowed = [str(value) for value in variable.enum]
        yield node.nearest("default").problem(
            f"is not one of 'enum'{choices(str(variable.default), allowed)}"
        )


def _misfit(value: Scalar, variable: Variable) -> str:
    """Why a value is none that the variable can have; empty where it is one."""
    kinds: dict[str, tuple[type | tuple[type, ...], str]] = {
        "string": (str, "text"),
        "integer": (int, "a whole number"),
        "number": ((int, float), "a number"),
        "boolean": (bool, "true or false"),
    }
    kind, name = kinds[variable.type]
    if not isinstance(value, kind) or (isinstance(value, bool) and variable.type != "boolean"):
        return f"must be {name}, as 'type' says"
    if isinstance(value, str):
        too_long = len(value) > variable.max_length
        return f"is longer than 'max_length', {variable.max_length}" if too_long else ""
    if variable.min is not None and value < variable.min:
        return f"is below 'min', {variable.min:g}"
    if variable.max is not None and value > variable.max:
        return f"is above 'max', {variable.max:g}"
    return ""


def _check_bound(
    name: str, bound: FloatBound | IntBound | EffortBound | ChoicesBound, node: Node
) -> Iterator[Problem]:
    if isinstance(bound, ChoicesBound):
        return  # one number, which its own type keeps in its range
    if isinstance(bound, EffortBound):
        if bound.default and bound.max and bound.default.tokens > bound.max.tokens:
            yield node.problem("must have 'default' ≤ 'max'")
        return
    least, most = _LIMITS[name]
    given = [
        (key, value)
        for key in ("min", "default", "max")
        if (value := getattr(bound, key)) is not None
    ]
    for key, value in given:
        if not least <= value <= most:
            yield node.nearest(key).problem(f"is not between {least:g} and {most:g}")
    values = [value for _, value in given]
    if values != sorted(values):
        order = " ≤ ".join(f"'{key}'" for key, _ in given)
        yield node.problem(f"must have {order}")
