"""What a policy's rules do, before and after: on the lattice of actions, at every breakpoint.

Waivers are part of what is compared: a rule that is lowered until a date is weaker until then, and
one that a waiver hides is weaker from the day after.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta

from app.domain.policy import (
    Action,
    DetectSpec,
    Policy,
    PseudonymForm,
    Rule,
    Stage,
    Steps,
    action_at,
    is_at_least,
    outage_under,
    rule_by_id,
    steps_under,
    waivers_on,
)
from app.review.change import Change, Effect, listed, way

_COMPARED = frozenset(
    {
        "id",
        "stages",
        "detect",
        "then",
        "mode",
        "enforce_percent",
        "timeout_ms",
        "on_unchecked",
        "pseudonym",
    }
)
_WORDS = {"append": Effect.CHANGED, "why": Effect.COSMETIC}
IsAsStrict = Callable[[DetectSpec, DetectSpec], bool]
"""Whether the first finds at least all that the second finds. False where that is not known."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A policy before and after, and what comparing them takes."""

    before: Policy
    after: Policy
    is_as_strict: IsAsStrict
    today: date

    @property
    def audiences(self) -> tuple[str, ...]:
        """Those that both have, strictest first."""
        return tuple(name for name in self.after.audiences if name in self.before.audiences)


def changes_of_rules(pair: Pair) -> Iterator[Change]:
    """What is different about the rules of a policy."""
    for theirs in pair.before.rules:
        ours = rule_by_id(pair.after.rules, theirs.id)
        if ours is None:
            yield _gone(theirs, pair)
        else:
            yield from _changes(ours, theirs, pair)
    for ours in pair.after.rules:
        if rule_by_id(pair.before.rules, ours.id) is None:
            yield _new(ours, pair)


def _gone(rule: Rule, pair: Pair) -> Change:
    effect = Effect.WEAKER if _does_something(rule, pair.audiences) else Effect.CHANGED
    return Change(
        effect, "rules", f"is gone; it did {_in_words(rule)}", rule.id, stages=_order(rule)
    )


def _new(rule: Rule, pair: Pair) -> Change:
    effect = Effect.STRICTER if _does_something(rule, pair.audiences) else Effect.CHANGED
    return Change(effect, "rules", f"is new; it does {_in_words(rule)}", rule.id)


def _does_something(rule: Rule, audiences: Sequence[str]) -> bool:
    dos = {step.do for name in audiences for step in rule.then[name]}
    return dos | {rule.on_unchecked} != {Action.ALLOW}


def _in_words(rule: Rule) -> str:
    said = [f"{_steps_in_words(steps)} for {name}" for name, steps in rule.then.items()]
    return "; ".join(said)


def _steps_in_words(steps: Steps) -> str:
    if not steps:
        return "'allow'"
    return ", ".join(
        f"'{step.do}'" + (f" from {step.at:g}" if step.at or len(steps) > 1 else "")
        for step in steps
    )


def _order(rule: Rule) -> tuple[Stage, ...]:
    return tuple(stage for stage in Stage if stage in rule.stages)


def _changes(ours: Rule, theirs: Rule, pair: Pair) -> Iterator[Change]:
    both = tuple(stage for stage in Stage if stage in ours.stages & theirs.stages)
    if both:
        yield from _changes_of_actions(ours, theirs, pair, both)
    yield from _changes_of_stages(ours, theirs, pair)
    yield from _changes_of_outages(ours, theirs, pair)
    yield from _changes_of_detection(ours, theirs, pair)
    if (share := ours.enforced_percent) != (other := theirs.enforced_percent):
        effect = Effect.WEAKER if share < other else Effect.STRICTER
        what = f"{_share_in_words(share)}; before it {_share_in_words(other, was=True)}"
        yield Change(effect, "mode", what, ours.id)
    if ours.pseudonym is not theirs.pseudonym:
        is_token = ours.pseudonym is PseudonymForm.TOKEN
        what = f"a pseudonym is a {ours.pseudonym} instead of a {theirs.pseudonym}"
        yield Change(Effect.STRICTER if is_token else Effect.WEAKER, "as", what, ours.id)
    for each in fields(ours):
        key = each.name
        if key not in _COMPARED and getattr(ours, key) != getattr(theirs, key):
            # What nobody knows how to compare counts as weaker, as the Tier law has it.
            effect = _WORDS.get(key, Effect.WEAKER)
            yield Change(effect, key, f"says another '{key}'", ours.id)


def _share_in_words(percent: float, *, was: bool = False) -> str:
    if not percent:
        return "only observed" if was else "only observes"
    how = "always" if percent == 100 else f"in {percent:g} % of traffic"  # noqa: PLR2004  # all of it
    return f"{'acted' if was else 'acts'} {how}"


@dataclass(frozen=True, slots=True)
class _Span:
    """From one day on, to the last day of it; none where it does not end."""

    first: date
    last: date | None


def _spans(rule_id: str, audience: str, pair: Pair) -> list[_Span]:
    """The times within which the same waivers of both hold, from today on."""
    ends = {
        waiver.expires
        for policy in (pair.before, pair.after)
        for waiver in waivers_on(policy, rule_id, audience, pair.today)
    }
    firsts = [pair.today, *(end + timedelta(days=1) for end in sorted(ends) if end < date.max)]
    lasts = [*(first - timedelta(days=1) for first in firsts[1:]), None]
    return [_Span(first, last) for first, last in zip(firsts, lasts, strict=True)]


def _changes_of_actions(
    ours: Rule, theirs: Rule, pair: Pair, stages: tuple[Stage, ...]
) -> Iterator[Change]:
    said: dict[tuple[Effect, str], list[str]] = {}
    for audience in pair.audiences:
        for (effect, what), spans in _differences(ours, theirs, audience, pair).items():
            said.setdefault((effect, what + _time(spans, pair.today)), []).append(audience)
    for (effect, what), audiences in said.items():
        yield Change(effect, "then", what, ours.id, tuple(audiences), stages)


def _differences(
    ours: Rule, theirs: Rule, audience: str, pair: Pair
) -> dict[tuple[Effect, str], list[_Span]]:
    found: dict[tuple[Effect, str], list[_Span]] = {}
    for span in _spans(ours.id, audience, pair):
        before = steps_under(
            theirs.then[audience], waivers_on(pair.before, theirs.id, audience, span.first)
        )
        after = steps_under(
            ours.then[audience], waivers_on(pair.after, ours.id, audience, span.first)
        )
        for difference in differences_of_steps(after, before):
            found.setdefault(difference, []).append(span)
    return found


def differences_of_steps(after: Steps, before: Steps) -> list[tuple[Effect, str]]:
    """How a step function of score differs from another, from the lowest score up.

    Both change only at their own breakpoints, so that looking there looks everywhere.
    """
    scores = sorted({0.0, *(step.at for step in (*after, *before))})
    pieces: list[tuple[float, Action, Action]] = []
    for score in scores:
        piece = (action_at(before, score), action_at(after, score))
        if not pieces or pieces[-1][1:] != piece:
            pieces.append((score, *piece))
    ends = [*(start for start, _, _ in pieces[1:]), None]
    return [
        (effect, f"{_scores(start, end)}'{was}' becomes '{now}'")
        for (start, was, now), end in zip(pieces, ends, strict=True)
        if (effect := way(now, was)) is not None
    ]


def does_less(pair: Pair, ours: str, theirs: str) -> bool:
    """Whether a rule does less for one audience now than it did for another one before."""

    def steps(policy: Policy, rule_id: str, audience: str) -> Steps:
        rule = rule_by_id(policy.rules, rule_id)
        said = () if rule is None else rule.then[audience]
        return steps_under(said, waivers_on(policy, rule_id, audience, pair.today))

    return any(
        effect is Effect.WEAKER
        for rule in pair.before.rules
        for effect, _ in differences_of_steps(
            steps(pair.after, rule.id, ours), steps(pair.before, rule.id, theirs)
        )
    )


def _scores(start: float, end: float | None) -> str:
    if end is None:
        return f"from score {start:g} on " if start else ""
    return f"from score {start:g} to below {end:g} " if start else f"below score {end:g} "


def _time(spans: Sequence[_Span], today: date) -> str:
    """When it holds: nothing to say where that is always."""
    runs: list[_Span] = []
    for span in spans:
        if runs and runs[-1].last == span.first - timedelta(days=1):
            runs[-1] = _Span(runs[-1].first, span.last)
        else:
            runs.append(span)
    said = []
    for run in runs:
        first = "" if run.first == today else f"from {run.first} on"
        last = "" if run.last is None else f"until {run.last}"
        said.append(" ".join(filter(None, (first, last))))
    times = " and ".join(filter(None, said))
    return f", {times}" if times else ""


def _changes_of_stages(ours: Rule, theirs: Rule, pair: Pair) -> Iterator[Change]:
    for gone, effect, how in (
        (theirs.stages - ours.stages, Effect.WEAKER, "no longer looks at"),
        (ours.stages - theirs.stages, Effect.STRICTER, "also looks at"),
    ):
        if gone:
            rule = theirs if effect is Effect.WEAKER else ours
            stages = tuple(stage for stage in Stage if stage in gone)
            idle = not _does_something(rule, pair.audiences)
            yield Change(
                Effect.CHANGED if idle else effect,
                "stages",
                f"{how} {listed(stages)}",
                ours.id,
                stages=stages,
            )


def _changes_of_outages(ours: Rule, theirs: Rule, pair: Pair) -> Iterator[Change]:
    said: dict[tuple[Effect, str], list[str]] = {}
    for audience in pair.audiences:
        found: dict[tuple[Effect, str], list[_Span]] = {}
        for span in _spans(ours.id, audience, pair):
            before = outage_under(
                theirs.on_unchecked, waivers_on(pair.before, theirs.id, audience, span.first)
            )
            after = outage_under(
                ours.on_unchecked, waivers_on(pair.after, ours.id, audience, span.first)
            )
            if effect := way(after, before):
                what = f"where the detector cannot run, '{before}' becomes '{after}'"
                found.setdefault((effect, what), []).append(span)
        for (effect, what), spans in found.items():
            said.setdefault((effect, what + _time(spans, pair.today)), []).append(audience)
    for (effect, what), audiences in said.items():
        yield Change(effect, "on_unchecked", what, ours.id, tuple(audiences))
    if ours.timeout_ms != theirs.timeout_ms:
        what = f"gives its detector {ours.timeout_ms} ms instead of {theirs.timeout_ms} ms"
        yield Change(_way_of_time(ours, theirs), "timeout_ms", what, ours.id)


def _way_of_time(ours: Rule, theirs: Rule) -> Effect:
    """Less time makes more outages, which is weaker where those are treated less strictly."""
    is_shorter = ours.timeout_ms < theirs.timeout_ms
    strictest = all(
        is_at_least(rule.on_unchecked, step.do)
        for rule in (ours, theirs)
        for steps in rule.then.values()
        for step in steps
    )
    if strictest:
        return Effect.CHANGED
    return Effect.WEAKER if is_shorter else Effect.STRICTER


def _changes_of_detection(ours: Rule, theirs: Rule, pair: Pair) -> Iterator[Change]:
    if ours.detect == theirs.detect:
        return
    finds_all = pair.is_as_strict(ours.detect, theirs.detect)
    found_all = pair.is_as_strict(theirs.detect, ours.detect)
    name, other = ours.detect.detector, theirs.detect.detector
    if name != other:
        what = f"uses the detector '{name}' instead of '{other}': nobody can say which finds more"
        yield Change(Effect.WEAKER, "detect", what, ours.id)
    elif finds_all:
        what = f"'{name}' is set otherwise and finds the same"
        if not found_all:
            what = f"'{name}' finds all that it found, and more"
        effect = Effect.CHANGED if found_all else Effect.STRICTER
        yield Change(effect, "detect", what, ours.id)
    else:
        what = f"'{name}' cannot be shown to find all that it found before"
        if found_all:
            what = f"'{name}' finds less than before"
        yield Change(Effect.WEAKER, "detect", what, ours.id)
