"""Reads the checks of a case: which kind each of them is, and that what it names is there."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast

from app.catalog.check_file import (
    WRITTEN,
    Applies,
    AtMost,
    Behaves,
    Call,
    Calls,
    Ceilings,
    Check,
    CheckFile,
    FitsJson,
    HasFinding,
    Judged,
    JudgeFile,
    RuleApplied,
    Sees,
    Verified,
    listed,
)
from app.catalog.contracts import Siblings
from app.catalog.document import Node
from app.catalog.files import is_id
from app.catalog.policy_file import detect_spec
from app.catalog.verify import made, read_verify
from app.catalog.wording import read_as, unknown
from app.domain.conversation import Json
from app.domain.errors import ContentError, Problem
from app.domain.persona import Persona
from app.domain.policy import Policy, Rule

_VERIFIES = ("pattern", "words")
_BESIDE = ("expect", "min_score", "why", "ignore_case")
_OF_VERIFY = ("expect", "min_score")


@dataclass(frozen=True, slots=True)
class Named:
    """What checks may name."""

    siblings: Siblings
    persona: Persona
    policy: Policy
    routes: Collection[str]
    judges: Mapping[str, JudgeFile]
    """The suite's."""
    tools: Collection[str] = ()
    """That the case's client offers."""


def read_checks(
    node: Node | None, named: Named, problems: list[Problem], *, is_whole: bool = False
) -> tuple[Check, ...]:
    """The checks of a list.

    Args:
        node: The list, if there is one.
        named: What the checks may name.
        problems: To which all is added that is wrong.
        is_whole: Whether they are about a whole conversation.
    """
    checks: list[Check] = []
    for item in node.items if node else ():
        try:
            check = read_check(item, named)
        except ContentError as exc:
            problems += exc.problems
            continue
        problems += _wrong(check, item, named)
        if isinstance(check, AtMost) and check.at_most.turns is not None and not is_whole:
            what = "does nothing here, as this is about one turn; 'goal' is about all of them"
            problems.append(item.nearest("at_most", "turns").key_problem(what))
        checks.append(check)
    return tuple(checks)


def read_check(node: Node, named: Named) -> Check:
    """One check.

    Raises:
        ContentError: It is none, or its detector could not be built.
    """
    ways = [key for key in node.entries if key not in _BESIDE]
    if not ways:
        what = "must be a mapping with the kind of check as its key, such as {contains: Hello}"
        raise ContentError([node.problem(what)])
    kinds = list(dict.fromkeys([*WRITTEN, *_VERIFIES, *named.siblings.detectors]))
    for key in ways:
        if key not in kinds:
            raise ContentError([node.entries[key].key_problem(unknown("check", key, kinds))])
    if len(ways) > 1:
        what = f"asks for {ways[0]} and {ways[1]} at once; write one check for each"
        raise ContentError([node.problem(what)])
    (way,) = ways
    if way in WRITTEN:
        return cast("Check", read_as(WRITTEN[way], node))
    if way == "judge":
        return _judged(node, named)
    verify = read_verify(_only(node, way, *_OF_VERIFY), named.siblings)
    return Verified(verify=verify, why=_why(node, way, *_OF_VERIFY))


def _judged(node: Node, named: Named) -> Judged:
    """A judge by its name, by its question, or as a mapping.

    What is written like an id is one: questions have blanks, question marks or other letters.
    """
    said = node.entries["judge"]
    if said.text is None:
        return Judged(judge=read_as(JudgeFile, said), why=_why(node, "judge"))
    if is_id(said.text):
        if said.text not in named.judges:
            what = unknown("judge", said.text, named.judges)
            raise ContentError([said.problem(f"{what}; a question to a model ends with '?'")])
        why = _why(node, "judge")
        return Judged(judge=named.judges[said.text], named=said.text, why=why)
    asked = {"question": said, **_only(node, *_OF_VERIFY).entries}
    judge = read_as(JudgeFile, replace(node, content=asked))
    return Judged(judge=judge, why=_why(node, "judge", *_OF_VERIFY))


def _only(node: Node, *keys: str) -> Node:
    return replace(node, content={key: node.entries[key] for key in keys if key in node.entries})


def _why(node: Node, *known: str) -> str:
    """What stands beside that which was read already."""
    left = {key: value for key, value in node.entries.items() if key not in known}
    return read_as(CheckFile, replace(node, content=left), besides=known).why


def _wrong(check: Check, node: Node, named: Named) -> Iterator[Problem]:
    match check:
        case Behaves():
            yield from _wrong_behaviour(check, node.nearest("behaviour"), named)
        case Applies():
            rule = check.rule.id if isinstance(check.rule, RuleApplied) else check.rule
            known = [each.id for each in named.policy.rules]
            if rule not in known:
                yield node.nearest("rule", "id").problem(unknown("rule", rule, known))
        case HasFinding():
            yield from _wrong_finding(check, node.nearest("finding"), named)
        case Calls():
            yield from _wrong_call(check, node.nearest("calls"), named)
        case FitsJson():
            yield from wrong_schema(node.nearest("json_schema"), named.siblings)
        case AtMost():
            if check.at_most == Ceilings():
                yield node.nearest("at_most").problem(
                    "needs at least one ceiling, such as {tokens: 500}"
                )
        case Judged(named=None):
            yield from wrong_routes(check.judge, node.nearest("judge"), named.routes)
        case _:
            pass


def _wrong_behaviour(check: Behaves, node: Node, named: Named) -> Iterator[Problem]:
    measured = [each.id for each in named.persona.behaviours if each.verify is not None]
    for index, behaviour in enumerate(listed(check.behaviour)):
        if behaviour not in measured:
            what = unknown("behaviour with 'verify'", behaviour, measured)
            yield node.nearest(index).problem(what)


def _wrong_finding(check: HasFinding, node: Node, named: Named) -> Iterator[Problem]:
    """Only what a rule of the policy looks for can be found."""
    wish = check.finding if isinstance(check.finding, Sees) else Sees(detector=check.finding)
    rules = [rule for rule in named.policy.rules if rule.detect.detector == wish.detector]
    if not rules:
        known = sorted({rule.detect.detector for rule in named.policy.rules})
        what = unknown("detector in the policy", wish.detector, known)
        yield node.nearest("detector").problem(what)
        return
    categories = _categories(rules, named.siblings)
    if wish.category is not None and categories and wish.category not in categories:
        what = unknown(f"category of {wish.detector}", wish.category, categories)
        yield node.nearest("category").problem(what)


def _categories(rules: list[Rule], siblings: Siblings) -> list[str]:
    """All that findings of these rules may have; none where that is not known."""
    found: set[str] = set()
    for rule in rules:
        kind = siblings.detectors[rule.detect.detector]
        if kind.categories is None:
            return []
        found |= set(kind.categories(kind.settings.model_validate(rule.detect.settings)))
    return sorted(found)


def _wrong_call(check: Calls, node: Node, named: Named) -> Iterator[Problem]:
    wish = check.calls if isinstance(check.calls, Call) else Call(tool=check.calls)
    if wish.tool not in named.tools:
        what = unknown("tool", wish.tool, named.tools)
        yield node.nearest("tool").problem(f"{what}; the case's 'tools' are those that it offers")
    if wish.json_schema is not None:
        yield from wrong_schema(node.nearest("json_schema"), named.siblings)


def wrong_schema(node: Node, siblings: Siblings) -> Iterator[Problem]:
    """What is wrong with a JSON Schema."""
    if "schema" not in siblings.detectors:
        return
    try:
        settings: Json = {"json_schema": node.plain()}
        detect_spec("schema", made(node, settings), siblings)
    except ContentError as exc:
        yield from (node.problem(each.what) for each in exc.problems)


def wrong_routes(judge: JudgeFile, node: Node, routes: Collection[str]) -> Iterator[Problem]:
    """Models that a judge wants to ask and that are not there."""
    for index, route in enumerate(judge.routes):
        if route not in routes:
            yield node.nearest("routes", index).problem(unknown("route", route, routes))
    if len(set(judge.routes)) < len(judge.routes):
        what = "names one route twice, and the same model would say the same; name another"
        yield node.nearest("routes").problem(what)
