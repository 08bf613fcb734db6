"""The Tier law: a stricter audience is never weaker, and neither is a child policy.

The oracle below knows the law from its wording alone: it compares at every score of a fine grid,
every pair of audiences and of ancestors, with an order of actions that is written out by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from app.catalog.tier import (
    weaknesses_of_child,
    weaknesses_of_ladder,
    wider_media,
    wider_sinks,
)
from app.domain.policy import (
    ANY_TOOL,
    Action,
    DetectSpec,
    Media,
    MediaBounds,
    MediaKind,
    Mode,
    Policy,
    PseudonymForm,
    Restore,
    Rule,
    Stage,
    Step,
    Steps,
)

GRID = [tick / 20 for tick in range(21)]
AUDIENCES = ("minor", "teen", "public", "professional")
# Every chain of the order that design says; what stands in no chain together is incomparable.
CHAINS = (
    ("allow", "flag", "pseudonymize", "mask", "escalate", "block"),
    ("allow", "flag", "steer", "escalate", "block"),
    ("allow", "flag", "retry", "escalate", "block"),
)


def as_strict(action: str, other: str) -> bool:
    """The order of actions, by brute force."""
    return any(
        action in chain and other in chain and chain.index(action) >= chain.index(other)
        for chain in CHAINS
    )


def done_at(steps: Sequence[tuple[float, str]], score: float) -> str:
    """What a step function does at a score, by brute force."""
    below = [(at, do) for at, do in steps if at <= score]
    return max(below)[1] if below else "allow"


def is_never_weaker(steps: Sequence[tuple[float, str]], other: Sequence[tuple[float, str]]) -> bool:
    """Whether a step function is as strict as another at every score of the grid."""
    return all(as_strict(done_at(steps, score), done_at(other, score)) for score in GRID)


def pairs(steps: Steps) -> list[tuple[float, str]]:
    """A step function in the oracle's terms."""
    return [(step.at, step.do.value) for step in steps]


def ladder_holds(policy: Policy) -> bool:
    """The law inside one policy: every stricter audience against every looser one."""
    return all(
        is_never_weaker(pairs(rule.then[strict]), pairs(rule.then[loose]))
        for rule in policy.rules
        for strict, loose in combinations(policy.audiences, 2)
    )


def child_holds(child: Policy, parent: Policy) -> bool:
    """The law between a policy and its parent, key by key."""
    ours = {rule.id: rule for rule in child.rules}
    return all(rule.id in ours and rule_holds(ours[rule.id], rule) for rule in parent.rules)


def rule_holds(ours: Rule, theirs: Rule) -> bool:
    """The law between a rule and the one it changes."""
    outage_is_strictest = all(
        as_strict(ours.on_unchecked.value, step.do.value)
        for steps in ours.then.values()
        for step in steps
    )
    return (
        all(
            is_never_weaker(pairs(ours.then[name]), pairs(theirs.then[name]))
            for name in theirs.then
        )
        and all(stage in ours.stages for stage in theirs.stages)
        and (ours.detect == theirs.detect or finds_as_much(ours.detect, theirs.detect))
        and not (ours.mode is Mode.OBSERVE and theirs.mode is Mode.ENFORCE)
        and as_strict(ours.on_unchecked.value, theirs.on_unchecked.value)
        and (ours.timeout_ms >= theirs.timeout_ms or outage_is_strictest)
    )


def finds_as_much(ours: DetectSpec, theirs: DetectSpec) -> bool:
    """A comparator that knows words and nothing else."""
    if ours.detector != "words" or theirs.detector != "words":
        return False
    return set(words_of(ours)) >= set(words_of(theirs))


def words_of(spec: DetectSpec) -> list[str]:
    """The words that a rule looks for."""
    words = spec.settings["words"]
    assert isinstance(words, list)
    return words


ACTIONS = st.sampled_from(list(Action))
STEPS = st.sampled_from(
    [
        tuple(Step(at, do) for at, do in zip(ats, dos, strict=True))
        for size in range(4)
        for ats in combinations(GRID[::4], size)
        for dos in product(Action, repeat=size)
    ]
)
"""Any step function with up to three breakpoints on every fourth tick of the grid."""
RELATIONS = st.sampled_from(
    ["same", "any", *(action for action in Action if action is not Action.ALLOW)]
)
"""How an audience's steps come from the next looser one's; an action is the least they do."""


@st.composite
def ladders(draw: st.DrawFn, audiences: Sequence[str]) -> Mapping[str, Steps]:
    """Steps for every audience; most often each is made from the next looser one's."""
    last: Steps = draw(STEPS)
    then = {audiences[-1]: last}
    for audience in reversed(audiences[:-1]):
        how = draw(RELATIONS)
        if isinstance(how, Action):
            last = tuple(step if as_strict(step.do, how) else Step(step.at, how) for step in last)
        elif how == "any":
            last = draw(STEPS)
        then[audience] = last
    return then


KEYS = ("stages", "detect", "then", "mode", "timeout_ms", "on_unchecked")
CHANGES = [(), *((key,) for key in KEYS), *combinations(KEYS, 2)]
DETECTS = [
    DetectSpec(detector, {"words": list(words)})
    for detector in ("words", "judge")
    for words in ("a", "b", "ab", "abc")
]
STAGES = [frozenset(stages) for size in range(1, 5) for stages in combinations(Stage, size)]


def parts_of_a_rule(
    audiences: Sequence[str], keys: Sequence[str] = KEYS
) -> dict[str, st.SearchStrategy[Any]]:
    """Any values of these keys."""
    parts: dict[str, st.SearchStrategy[Any]] = {
        "stages": st.sampled_from(STAGES),
        "detect": st.sampled_from(DETECTS),
        "then": ladders(audiences),
        "mode": st.sampled_from(Mode),
        "timeout_ms": st.sampled_from([500, 1500]),
        "on_unchecked": ACTIONS,
    }
    return {key: parts[key] for key in keys}


def rules(rule_id: str, audiences: Sequence[str]) -> st.SearchStrategy[Rule]:
    """Any rule."""
    return st.builds(Rule, id=st.just(rule_id), **parts_of_a_rule(audiences))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy of one or two rules."""
    audiences = AUDIENCES[: draw(st.integers(2, 4))]
    names = draw(st.sampled_from([["r1"], ["r1"], ["r1", "r2"]]))
    return Policy(
        id="parent",
        audiences=audiences,
        default_audience=audiences[0],
        rules=tuple(draw(rules(name, audiences)) for name in names),
    )


@st.composite
def families(draw: st.DrawFn) -> tuple[Policy, Policy]:
    """A policy and a child of it that changes some keys of some rules, in any direction."""
    parent = draw(policies())
    changed = []
    for rule in parent.rules:
        keys = draw(st.sampled_from(CHANGES))
        parts = {key: draw(part) for key, part in parts_of_a_rule(parent.audiences, keys).items()}
        changed.append(replace(rule, **parts))
    kept = changed if draw(st.integers(0, 9)) else changed[1:]
    return parent, replace(parent, id="child", rules=tuple(kept), extends=parent.id)


@settings(deadline=None, max_examples=2000)
@given(policies())
def test_a_stricter_audience_is_never_weaker(policy: Policy) -> None:
    """A minor could get what an adult would not, or a policy that is in order would not load."""
    is_accepted = not list(weaknesses_of_ladder(policy))
    event(f"accepted: {is_accepted}")
    assert is_accepted == ladder_holds(policy)


@settings(deadline=None, max_examples=2000)
@given(families())
def test_a_child_is_never_weaker_than_its_parent(family: tuple[Policy, Policy]) -> None:
    """A team's policy could undo the organisation's, or a stricter one would not load."""
    parent, child = family
    is_accepted = not list(weaknesses_of_child(child, parent, finds_as_much))
    event(f"accepted: {is_accepted}")
    assert is_accepted == child_holds(child, parent)


def lower_one_step(draw: st.DrawFn, rule: Rule) -> Rule:
    """At one score and above, something less strict for one audience."""
    audience = draw(st.sampled_from(sorted(rule.then)))
    old = rule.then[audience]
    assume(old)
    index = draw(st.integers(0, len(old) - 1))
    lower = [action for action in Action if not as_strict(action.value, old[index].do.value)]
    assume(lower)
    new = (*old[:index], Step(old[index].at, draw(st.sampled_from(lower))), *old[index + 1 :])
    return replace(rule, then={**rule.then, audience: new})


def raise_one_threshold(draw: st.DrawFn, rule: Rule) -> Rule:
    """The first step of one audience begins later."""
    audience = draw(st.sampled_from(sorted(rule.then)))
    old = rule.then[audience]
    assume(old and old[0].do is not Action.ALLOW)
    limit = old[1].at if len(old) > 1 else 1.1
    later = [at for at in GRID if old[0].at < at < limit]
    assume(later)
    new = (Step(draw(st.sampled_from(later)), old[0].do), *old[1:])
    return replace(rule, then={**rule.then, audience: new})


def look_at_less(draw: st.DrawFn, rule: Rule) -> Rule:
    """One stage fewer."""
    return replace(rule, stages=rule.stages - {draw(st.sampled_from(sorted(rule.stages)))})


def look_for_less(draw: st.DrawFn, rule: Rule) -> Rule:
    """One word fewer, or a detector of which nothing is known."""
    words = words_of(rule.detect)
    lost = draw(st.sampled_from(words))
    fewer = [word for word in words if word != lost]
    return replace(rule, detect=DetectSpec(rule.detect.detector, {"words": fewer}))


def only_observe(_draw: st.DrawFn, rule: Rule) -> Rule:
    """Act no more."""
    assume(rule.mode is Mode.ENFORCE)
    return replace(rule, mode=Mode.OBSERVE)


def pass_in_an_outage(draw: st.DrawFn, rule: Rule) -> Rule:
    """Something less strict, or incomparable, where the detector could not run."""
    lower = [action for action in Action if not as_strict(action.value, rule.on_unchecked.value)]
    assume(lower)
    return replace(rule, on_unchecked=draw(st.sampled_from(lower)))


WEAKEN = (
    lower_one_step,
    raise_one_threshold,
    look_at_less,
    look_for_less,
    only_observe,
    pass_in_an_outage,
)


@st.composite
def weakenings(draw: st.DrawFn) -> tuple[str, Policy, Policy]:
    """A policy, and a child that is weaker in one rule; also what made it so."""
    parent = draw(policies())
    rule = draw(st.sampled_from(parent.rules))
    weaken = draw(st.sampled_from(WEAKEN))
    weaker = weaken(draw, rule)
    rest = tuple(weaker if other is rule else other for other in parent.rules)
    child = replace(parent, id="child", rules=rest, extends=parent.id)
    return weaken.__name__, parent, child


@settings(deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.filter_too_much])
@given(weakenings())
def test_every_weakening_is_refused(weakening: tuple[str, Policy, Policy]) -> None:
    """Some way of weakening an inherited rule would pass review without a waiver."""
    how, parent, child = weakening
    event(how)
    assert list(weaknesses_of_child(child, parent, finds_as_much))


CATEGORIES = st.none() | st.frozensets(st.sampled_from("ABC"))
SINKS = st.builds(
    lambda user, rest, tools: Restore(user, {**tools, ANY_TOOL: rest}),
    CATEGORIES,
    CATEGORIES,
    st.dictionaries(st.sampled_from(["crm", "mail"]), CATEGORIES),
)


@settings(deadline=None, max_examples=500)
@given(SINKS, SINKS)
def test_a_child_restores_no_more_than_its_parent(ours: Restore, theirs: Restore) -> None:
    """A sink gets a kind of value from a child policy that the parent keeps from it."""
    parent = Policy("parent", AUDIENCES, "public", (), restore=theirs)
    child = replace(parent, id="child", restore=ours, extends="parent")
    shown = {
        name: [restore.user if name == "user" else restore.for_tool(name) for restore in both]
        for both in [(ours, theirs)]
        for name in {"user", "another", *ours.tools, *theirs.tools} - {ANY_TOOL}
    }
    wider = {
        name
        for name, (mine, yours) in shown.items()
        for category in "ABCD"
        if (mine is None or category in mine) and not (yours is None or category in yours)
    }
    said = {path[-1].replace(ANY_TOOL, "another") for path, _ in wider_sinks(child, parent)}
    assert said == wider


def test_a_surrogate_is_weaker_than_a_token() -> None:
    """A child shows the grammar of values that its parent hides."""
    token = Rule("r", frozenset(Stage), DetectSpec("d"), dict.fromkeys(AUDIENCES, ()))
    surrogate = replace(token, pseudonym=PseudonymForm.SURROGATE)
    for ours, theirs, is_weaker in ((token, surrogate, False), (surrogate, token, True)):
        parent = Policy("parent", AUDIENCES, "public", (theirs,))
        child = replace(parent, rules=(ours,))
        said = [each.key for each in weaknesses_of_child(child, parent, lambda _a, _b: True)]
        assert said == (["as"] if is_weaker else [])


HOSTS = ("a.org", "*.a.org", "b.a.org", "*.b.a.org", "c.b.a.org", "a.a.org")
TYPES = ("image/png", "image/gif")
MEDIA_BOUNDS = st.none() | st.builds(
    MediaBounds,
    types=st.frozensets(st.sampled_from(TYPES), min_size=1),
    max_bytes=st.integers(1, 3),
    max_count=st.integers(1, 3),
    strictest_audience=st.sampled_from(AUDIENCES),
    hosts=st.frozensets(st.sampled_from(HOSTS)),
)
MEDIA = st.builds(Media, images=MEDIA_BOUNDS, files=MEDIA_BOUNDS, answer_images=MEDIA_BOUNDS)


def let_in(media: Media) -> set[tuple[object, ...]]:
    """Every request of one kind that policy lets in, as far as these tests can tell them apart."""
    asked = list(product(AUDIENCES, TYPES, range(1, 4), range(1, 4)))
    links = ("a.org", "x.a.org", "b.a.org", "x.b.a.org", "c.b.a.org", "a.a.org", "xa.org")
    found: set[tuple[object, ...]] = set()
    for kind, bounds in (
        (MediaKind.IMAGES, media.images),
        (MediaKind.FILES, media.files),
        (MediaKind.ANSWER_IMAGES, media.answer_images),
    ):
        if bounds is None:
            continue
        allowed = AUDIENCES[AUDIENCES.index(bounds.strictest_audience) :]
        found |= {
            (kind, audience, type_, size, count)
            for audience, type_, size, count in asked
            if audience in allowed
            and type_ in bounds.types
            and size <= bounds.max_bytes
            and count <= bounds.max_count
        }
        found |= {
            (kind, audience, link)
            for audience in allowed
            for link in links
            if link in bounds.hosts
            or any(each[0] == "*" and link.endswith(each[1:]) for each in bounds.hosts)
        }
    return found


@settings(deadline=None, max_examples=500)
@given(MEDIA, MEDIA)
def test_a_child_lets_in_no_more_media_than_its_parent(ours: Media, theirs: Media) -> None:
    """A picture gets to a model by a child policy that the parent keeps from it."""
    parent = Policy("parent", AUDIENCES, "public", (), media=theirs)
    child = replace(parent, id="child", media=ours, extends="parent")
    is_accepted = not list(wider_media(child, parent))
    event(f"accepted: {is_accepted}")
    assert is_accepted == (let_in(ours) <= let_in(theirs))


@settings(deadline=None, max_examples=200)
@given(MEDIA, st.sampled_from(AUDIENCES), st.sampled_from(AUDIENCES))
def test_who_is_stricter_sends_no_media_that_who_is_looser_may_not(
    media: Media, one: str, other: str
) -> None:
    """A minor could send a picture that an adult may not."""
    policy = Policy("p", AUDIENCES, "public", (), media=media)
    if policy.is_stricter_or_same(one, other):
        for kind in MediaKind:
            assert policy.takes_media(kind, other) or not policy.takes_media(kind, one)
