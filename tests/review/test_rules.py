"""What review calls weaker is what is less strict for somebody, somewhere, at some time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import combinations, product

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from app.domain.policy import (
    Action,
    DetectSpec,
    Mode,
    Policy,
    Rule,
    Stage,
    Step,
    Steps,
    Waiver,
    waivers_on,
)
from app.review.change import Effect
from app.review.concerns.policies import changes_of_policy
from app.review.concerns.rules import Pair, differences_of_steps

GRID = [0.0, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.0]
AUDIENCES = ("minor", "public", "professional")
TODAY = date(2027, 1, 1)
DAYS = [TODAY + timedelta(days=days) for days in range(4)]
# Every chain of the order that the Tier law says; what stands in no chain together is incomparable.
CHAINS = (
    ("allow", "flag", "pseudonymize", "mask", "escalate", "block"),
    ("allow", "flag", "steer", "escalate", "block"),
    ("allow", "flag", "retry", "escalate", "block"),
)
REWRITES = ("pseudonymize", "mask")


def is_below(action: str, other: str) -> bool:
    """Whether an action is less strict than another, by brute force."""
    return any(
        action in chain and other in chain and chain.index(action) < chain.index(other)
        for chain in CHAINS
    )


def under(action: str, caps: list[str]) -> str:
    """The action as waivers to these leave it, one after another."""
    for cap in caps:
        action = cap if is_below(cap, action) else action
    return action


Case = tuple[str, Stage, date, str]
"""Audience, stage, day, and the score at which something is found, or that the detector is out."""


def decisions(policy: Policy, rule_id: str) -> Mapping[Case, str]:
    """All that a rule decides, by brute force; what no rule does is allowed."""
    rule = next((each for each in policy.rules if each.id == rule_id), None)
    made: dict[Case, str] = {}
    for audience, stage, day in product(AUDIENCES, Stage, DAYS):
        caps = [
            str(waiver.to)
            for waiver in policy.waivers
            if (waiver.rule, waiver.audience) == (rule_id, audience) and day <= waiver.expires
        ]
        looks = rule is not None and stage in rule.stages
        for score in GRID:
            action = "allow"
            if rule is not None and looks:
                for step in rule.then[audience]:
                    action = str(step.do) if step.at <= score else action
            made[audience, stage, day, f"{score}"] = under(action, caps)
        outage = str(rule.on_unchecked) if rule is not None and looks else "allow"
        no_rewrites = [cap for cap in caps if cap not in REWRITES]
        made[audience, stage, day, "out"] = under(outage, no_rewrites)
    return made


STEPS = st.sampled_from(
    [
        tuple(Step(at, do) for at, do in zip(ats, dos, strict=True))
        for size in range(3)
        for ats in combinations((0.0, 0.3, 0.5, 0.9), size)
        for dos in product(Action, repeat=size)
    ]
)
THEN = st.fixed_dictionaries(dict.fromkeys(AUDIENCES, STEPS))
STAGES = st.sets(st.sampled_from(list(Stage)), min_size=1).map(frozenset)
OUTAGES = st.sampled_from([Action.ALLOW, Action.FLAG, Action.ESCALATE, Action.BLOCK])
WAIVERS = st.lists(
    st.builds(
        Waiver,
        rule=st.sampled_from(["r1", "r2"]),
        audience=st.sampled_from(AUDIENCES),
        to=st.sampled_from(Action),
        reason=st.just("a study"),
        approved_by=st.just("ann@example.org"),
        expires=st.sampled_from([TODAY - timedelta(days=1), *DAYS[:3]]),
    ),
    max_size=2,
    unique_by=lambda waiver: (waiver.rule, waiver.audience),
)


@st.composite
def changed_policies(draw: st.DrawFn) -> tuple[Policy, Policy]:
    """A policy before and after; most often only a part of one rule is another."""
    detect = DetectSpec("words", {"words": ["a"]})
    rules = [
        Rule(name, draw(STAGES), detect, draw(THEN), on_unchecked=draw(OUTAGES))
        for name in ("r1", "r2")
    ]
    waivers = tuple(draw(WAIVERS))
    before = Policy("p", AUDIENCES, "public", tuple(rules), waivers)
    kinds = ["then", "hidden", "stages", "on_unchecked", "waivers", "gone", "new", "any"]
    match draw(st.sampled_from(kinds)):
        case "hidden":  # a waiver lowers what changes, today and perhaps on other days
            audience = draw(st.sampled_from(AUDIENCES))
            days = draw(st.tuples(st.sampled_from(DAYS[:3]), st.sampled_from(DAYS[:3])))
            to = draw(st.sampled_from([Action.ALLOW, Action.FLAG]))
            hide, waivers = (
                (Waiver("r1", audience, to, "a study", "ann@example.org", day),) for day in days
            )
            before = replace(before, waivers=hide)
            rules[0] = replace(rules[0], then={**rules[0].then, audience: draw(STEPS)})
        case "then":
            then = {**rules[0].then, draw(st.sampled_from(AUDIENCES)): draw(STEPS)}
            rules[0] = replace(rules[0], then=then)
        case "stages":
            rules[0] = replace(rules[0], stages=draw(STAGES))
        case "on_unchecked":
            rules[0] = replace(rules[0], on_unchecked=draw(OUTAGES))
        case "waivers":
            waivers = tuple(draw(WAIVERS))
        case "gone":
            rules = rules[1:]
        case "new":
            before = replace(before, rules=before.rules[1:])
        case _:
            waivers = tuple(draw(WAIVERS))
            rules[0] = replace(rules[0], then=draw(THEN), stages=draw(STAGES))
    return before, replace(before, rules=tuple(rules), waivers=waivers)


@settings(deadline=None, max_examples=300)
@given(changed_policies())
def test_weaker_is_what_decides_less_strictly(policies: tuple[Policy, Policy]) -> None:
    """A change that lets more through would pass review, or one that does not would be stopped."""
    before, after = policies
    pair = Pair(before, after, lambda ours, theirs: ours == theirs, TODAY)
    told = [change for change in changes_of_policy(pair) if change.concern != "waivers"]
    for name in ("r1", "r2"):
        was, now = decisions(before, name), decisions(after, name)
        weaker = any(is_below(now[case], was[case]) for case in was)
        stricter = any(is_below(was[case], now[case]) for case in was)
        effects = {change.effect for change in told if change.rule == name}
        event(f"weaker {weaker}, stricter {stricter}")
        assert (Effect.WEAKER in effects) == weaker
        assert (Effect.STRICTER in effects) == stricter
        if was == now:
            assert effects <= {Effect.CHANGED}  # such as a stage at which the rule does nothing


@settings(deadline=None, max_examples=300)
@given(STEPS, STEPS)
@example((Step(0.5, Action.MASK),), (Step(0.5, Action.STEER),))
def test_what_cannot_be_compared_is_said_to_be_so(ours: Steps, theirs: Steps) -> None:
    """Two actions of which neither protects more would be called better, or not be told at all."""
    effects = {effect for effect, _ in differences_of_steps(ours, theirs)}
    pairs = [(_at(ours, score), _at(theirs, score)) for score in GRID]
    other = any(
        now != was and not is_below(now, was) and not is_below(was, now) for now, was in pairs
    )
    assert (Effect.CHANGED in effects) == other
    assert bool(effects) == any(now != was for now, was in pairs)


def _at(steps: Steps, score: float) -> str:
    below = [str(step.do) for step in steps if step.at <= score]
    return below[-1] if below else "allow"


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        ((Mode.ENFORCE, 100), (Mode.OBSERVE, 100), Effect.WEAKER),
        ((Mode.ENFORCE, 100), (Mode.ENFORCE, 10), Effect.WEAKER),
        ((Mode.ENFORCE, 10), (Mode.ENFORCE, 9), Effect.WEAKER),
        ((Mode.OBSERVE, 100), (Mode.ENFORCE, 1), Effect.STRICTER),
        ((Mode.ENFORCE, 10), (Mode.ENFORCE, 100), Effect.STRICTER),
    ],
)
def test_a_smaller_share_of_traffic_is_weaker(
    before: tuple[Mode, float], after: tuple[Mode, float], effect: Effect
) -> None:
    """A rule that acts for fewer people than before would pass review as if it still acted."""
    rules = [
        Rule(
            "r1",
            frozenset({Stage.INPUT}),
            DetectSpec("words", {"words": ["a"]}),
            dict.fromkeys(AUDIENCES, (Step(0, Action.BLOCK),)),
            mode=mode,
            enforce_percent=percent,
        )
        for mode, percent in (before, after)
    ]
    was, now = (Policy("p", AUDIENCES, "public", (rule,)) for rule in rules)
    (change,) = changes_of_policy(Pair(was, now, lambda *_: True, TODAY))
    assert (change.effect, change.concern) == (effect, "mode")


@dataclass(frozen=True, slots=True)
class Later(Rule):
    """A rule as it may be one day, with a key of which no comparison knows."""

    sieve: str = "fine"


def test_what_nobody_compares_is_weaker() -> None:
    """A key that comes later would pass review unseen until somebody thinks of it."""
    rules = [
        Later(
            "r1",
            frozenset({Stage.INPUT}),
            DetectSpec("words", {"words": ["a"]}),
            dict.fromkeys(AUDIENCES, (Step(0, Action.BLOCK),)),
            sieve=sieve,
        )
        for sieve in ("fine", "coarse")
    ]
    was, now = (Policy("p", AUDIENCES, "public", (rule,)) for rule in rules)
    (change,) = changes_of_policy(Pair(was, now, lambda *_: True, TODAY))
    assert (change.effect, change.concern) == (Effect.WEAKER, "sieve")


def test_a_waiver_holds_on_its_last_day_and_not_after() -> None:
    """A rule would be strict a day too early, or lowered a day too long."""
    waiver = Waiver("r", "public", Action.FLAG, "why", "ann", TODAY)
    rule = Rule("r", frozenset({Stage.INPUT}), DetectSpec("words"), {"public": ()})
    policy = Policy("p", ("public",), "public", (rule,), (waiver,))
    for days, holds in ((-1, True), (0, True), (1, False)):
        day = TODAY + timedelta(days=days)
        assert waivers_on(policy, "r", "public", day) == ((waiver,) if holds else ())
