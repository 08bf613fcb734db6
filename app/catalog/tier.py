"""The Tier law: no policy is weaker for a stricter audience, or than its parent, at any score.

Actions are only partly ordered, and what cannot be compared counts as weaker: nobody could say
which of two such actions protects more. What rules of a file may do is compared without waivers;
they lower a rule for a time and never make the rule itself weaker
(``docs/decisions/0012-waivers-lower.md``).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from app.catalog.contracts import DetectorKind
from app.domain.links import is_covered
from app.domain.policy import (
    Action,
    Categories,
    DetectSpec,
    MediaBounds,
    MediaKind,
    Mode,
    Policy,
    PseudonymForm,
    Rule,
    Steps,
    action_at,
    is_at_least,
    rule_by_id,
)

_LETS = {
    MediaKind.IMAGES: "lets in {}images",
    MediaKind.FILES: "lets in {}files",
    MediaKind.ANSWER_IMAGES: "lets out {}images of answers",
}

IsAsStrict = Callable[[DetectSpec, DetectSpec], bool]
"""Whether the first finds at least all that the second finds. False where that is not known."""


def comparator(detectors: Mapping[str, DetectorKind]) -> IsAsStrict:
    """Compares what rules look for, as far as the detectors themselves can tell."""

    def is_as_strict(ours: DetectSpec, theirs: DetectSpec) -> bool:
        kind = detectors.get(ours.detector)
        if kind is None or ours.detector != theirs.detector:
            return False
        settings = kind.settings.model_validate
        return kind.is_as_strict(settings(ours.settings), settings(theirs.settings)) is True

    return is_as_strict


@dataclass(frozen=True, slots=True)
class Weakness:
    """One way in which a rule is weaker than the law allows."""

    rule: str
    key: str
    """Which key of the rule says so, such as ``then``."""
    what: str
    audiences: tuple[str, ...] = ()
    """Those compared, or the one that is treated more weakly than by the parent."""


def weaknesses_of_ladder(policy: Policy) -> Iterator[Weakness]:
    """Where a stricter audience of a policy is treated more weakly than a looser one.

    Neighbours are compared; the order of actions is transitive, so that this covers all pairs.
    """
    for rule in policy.rules:
        for strict, loose in pairwise(policy.audiences):
            if weaker := _first_weaker(rule.then[strict], rule.then[loose]):
                score, action, other = weaker
                what = (
                    f"is weaker for '{strict}' than for '{loose}', a looser audience: at score "
                    f"{score:g} '{action}' is not as strict as '{other}'"
                )
                yield Weakness(rule.id, "then", what, (strict, loose))


def weaknesses_of_child(
    child: Policy, parent: Policy, is_as_strict: IsAsStrict
) -> Iterator[Weakness]:
    """Where a policy is weaker than the one it extends."""
    for theirs in parent.rules:
        ours = rule_by_id(child.rules, theirs.id)
        if ours is None:
            yield Weakness(theirs.id, "", f"is missing; '{parent.id}' has it")
            continue
        for weakness in _weaknesses_of_rule(ours, theirs, is_as_strict):
            what = f"is weaker than in '{parent.id}': {weakness.what}"
            yield Weakness(ours.id, weakness.key, what, weakness.audiences)


def wider_sinks(child: Policy, parent: Policy) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where a policy restores more than the one it extends: the place in the file, and why."""
    ours, theirs = child.restore, parent.restore
    if not _is_within(ours.user, theirs.user):
        yield ("user",), f"restores more than '{parent.id}' does"
    for name in dict.fromkeys((*ours.tools, *theirs.tools)):
        if not _is_within(ours.for_tool(name), theirs.for_tool(name)):
            yield ("tools", name), f"restores more for '{name}' than '{parent.id}' does"


def _is_within(ours: Categories, theirs: Categories) -> bool:
    return theirs is None or (ours is not None and ours <= theirs)


def wider_media(child: Policy, parent: Policy) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where a policy lets more in or out than the one it extends: the place, and why."""
    for kind in MediaKind:
        ours, theirs = child.media.of(kind), parent.media.of(kind)
        does, place = _LETS[kind], kind.place
        if ours is None:
            continue
        if theirs is None:
            yield place, f"{does.format('')}, which '{parent.id}' does not"
            continue
        for key, more in _wider_bounds(ours, theirs):
            yield (*place, key), f"{does.format('more ')} than '{parent.id}' does: {more}"
        if new := [
            name
            for name in parent.audiences
            if name in child.audiences
            and child.takes_media(kind, name)
            and not parent.takes_media(kind, name)
        ]:
            what = f"{does.format('')} for {', '.join(new)}, which '{parent.id}' does not"
            yield (*place, "strictest_audience"), what


def _wider_bounds(ours: MediaBounds, theirs: MediaBounds) -> Iterator[tuple[str, str]]:
    if more := sorted(ours.types - theirs.types):
        yield "types", ", ".join(more)
    if ours.max_bytes > theirs.max_bytes:
        yield "max_bytes", f"{ours.max_bytes} bytes, not {theirs.max_bytes}"
    if ours.max_count > theirs.max_count:
        yield "max_count", f"{ours.max_count} of them, not {theirs.max_count}"
    if loose := sorted(
        host for host in ours.hosts if not any(is_covered(host, each) for each in theirs.hosts)
    ):
        yield "hosts", f"from {', '.join(loose)}"


def _weaknesses_of_rule(ours: Rule, theirs: Rule, is_as_strict: IsAsStrict) -> Iterator[Weakness]:
    for audience, steps in theirs.then.items():
        if weaker := _first_weaker(ours.then.get(audience, ()), steps):
            score, action, other = weaker
            what = f"for '{audience}' at score {score:g} '{action}' is not as strict as '{other}'"
            yield Weakness(ours.id, "then", what, (audience,))
    if missing := theirs.stages - ours.stages:
        what = f"it no longer looks at {', '.join(sorted(missing))}"
        yield Weakness(ours.id, "stages", what)
    if ours.detect != theirs.detect and not is_as_strict(ours.detect, theirs.detect):
        what = "its detector cannot be shown to find all that was found before"
        yield Weakness(ours.id, "detect", what)
    if ours.pseudonym is not theirs.pseudonym and theirs.pseudonym is PseudonymForm.TOKEN:
        yield Weakness(ours.id, "as", "a surrogate tells more of a value than a token does")
    if ours.enforced_percent < theirs.enforced_percent:
        yield _acts_less(ours, theirs)
    if not is_at_least(ours.on_unchecked, theirs.on_unchecked):
        what = f"'{ours.on_unchecked}' is not as strict as '{theirs.on_unchecked}'"
        yield Weakness(ours.id, "on_unchecked", what)
    if ours.timeout_ms < theirs.timeout_ms and not _is_outage_strictest(ours):
        what = "less time leaves more unchecked, and 'on_unchecked' is not as strict as 'then'"
        yield Weakness(ours.id, "timeout_ms", what)


def _acts_less(ours: Rule, theirs: Rule) -> Weakness:
    if ours.mode is Mode.OBSERVE:
        return Weakness(ours.id, "mode", "'observe' does not act, 'enforce' does")
    shares = f"{ours.enforced_percent:g} % of traffic, not in {theirs.enforced_percent:g} %"
    return Weakness(ours.id, "enforce_percent", f"acts in {shares}")


def _is_outage_strictest(rule: Rule) -> bool:
    """Whether an outage is treated at least as strictly as any finding."""
    return all(
        is_at_least(rule.on_unchecked, step.do) for steps in rule.then.values() for step in steps
    )


def _first_weaker(steps: Steps, other: Steps) -> tuple[float, Action, Action] | None:
    """The lowest score at which the first function is not as strict as the second.

    Both change only at their own breakpoints, so that looking there looks everywhere.
    """
    for score in sorted({0.0, *(step.at for step in (*steps, *other))}):
        action, wanted = action_at(steps, score), action_at(other, score)
        if not is_at_least(action, wanted):
            return score, action, wanted
    return None
