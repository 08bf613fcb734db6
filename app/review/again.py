"""A recorded exchange before and after a change: how it ends by either, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.decision import Decision, Outcome
from app.domain.policy import REWRITES, Action, Stage
from app.guardrails.ruled import Asked
from app.ledger.recorded import Recorded
from app.review.causes import Whose, causes
from app.review.reconduct import Then
from app.review.redecide import Decided, Needs, baseline, decided, why_not
from app.review.replayed import Cause, Reason, State
from app.review.rulebook import Rulebook, RuledBehaviour, ServedRules

_Needs = tuple[tuple[Asked, tuple[str, ...]], ...]

Line = tuple[Stage, str, Action, bool, bool]
"""A line of a decision, without the findings that it is about."""


@dataclass(frozen=True, slots=True)
class Against:
    """What the rules before the change give, where it is not what was recorded."""

    outcome: Outcome
    rules: tuple[str, ...]
    """Those whose lines are other ones."""
    is_same_catalog: bool
    is_rewritten_otherwise: bool
    """Whether the text that was passed on is another one."""


@dataclass(frozen=True, slots=True)
class Again:
    """What replaying says of one exchange."""

    state: State
    before: Outcome
    after: Outcome
    policy: str
    """After the change."""
    causes: tuple[Cause, ...] = ()
    """Where the outcomes differ."""
    needs: _Needs = ()
    """Who would have to look, and for which rules."""
    against: Against | None = None
    """None where the rules before the change give what was recorded."""


def again(
    recorded: Recorded, before: Rulebook, after: Rulebook, *, is_rerun: bool = False
) -> Again | Reason:
    """Decide an exchange by two revisions.

    Args:
        recorded: The exchange.
        before: What the change is made to.
        after: With the change.
        is_rerun: Whether some of what was seen is what detectors say now of kept text.
    """
    reason = why_not(recorded, before, after)
    if reason is not None:
        return reason
    key = (recorded.persona, recorded.variant)
    theirs, ours = before.served[key], after.served[key]
    then = _then(recorded, before, after, theirs, ours)
    was = decided(theirs, recorded, then, ours)
    against = None if is_rerun else _against(recorded, theirs, before)
    if ours.decides_as(theirs):
        return Again(State.EXACT, was.outcome, was.outcome, ours.policy.id, against=against)
    now = decided(ours, recorded, then, theirs)
    made: tuple[Cause, ...] = ()
    if was.outcome is not now.outcome:
        whose = Whose(recorded.persona, recorded.variant, recorded.audience, recorded.at)
        made = causes(was, now, whose, after)
    needs = _needs(was, now, against)
    was_known = was.is_known or against is None  # then it is what was recorded
    is_known = was_known and now.is_known and not _comes_first(was, now)
    state = _state(needs, is_known=is_known, is_rerun=is_rerun)
    if state is not State.NEEDS_DETECTOR:
        needs = ()
    return Again(state, was.outcome, now.outcome, ours.policy.id, made, needs, against)


def _state(needs: _Needs, *, is_known: bool, is_rerun: bool) -> State:
    if not is_known:
        return State.COUNTERFACTUAL
    if needs:
        return State.NEEDS_DETECTOR
    return State.RERUN if is_rerun else State.EXACT


def _comes_first(was: Decided, now: Decided) -> bool:
    """Whether the outcome depends on how far an answer comes.

    What stops it first keeps from sight what would have stopped it later in another way, and how
    much has come by then depends on how it comes.
    """
    return any(
        len({outcome for *_, outcome in said}) > 1 and was.stops.get(place) != said
        for place, said in now.stops.items()
    )


def _needs(was: Decided, now: Decided, against: Against | None) -> _Needs:
    made: dict[Asked, set[str]] = {}
    is_other = against is not None and against.is_rewritten_otherwise
    for needs in (was.needs, now.needs, shown_otherwise(was, now, is_other=is_other)):
        for asked, rules in needs.items():
            made.setdefault(asked, set()).update(rules)
    return tuple((asked, tuple(sorted(rules))) for asked, rules in sorted(made.items()))


def shown_otherwise(was: Decided, now: Decided, *, is_other: bool) -> Needs:
    """Who was shown rewritten text, and would be shown another one now.

    Those are the detectors outside and behaviours: where the two revisions do not rewrite alike,
    what they said is not about what they would see.

    Args:
        was: Before the change.
        now: After it.
        is_other: Whether what was recorded is another text already.
    """
    made: dict[Asked, set[str]] = {}
    for theirs, ours in zip(was.parts, now.parts, strict=False):
        if theirs.rewrites == ours.rewrites and not is_other:
            continue
        for rule in ours.rules.rules:
            asked = (rule.ref.detector, rule.ref.spec)
            if asked in ours.rules.remote and rule.is_enforced and rule.can_say:
                made.setdefault(asked, set()).add(rule.id)
        if ours.trace.stage is Stage.OUTPUT:
            for each in now.served.behaviours:
                made.setdefault(each.asked, set()).add(f"behaviours.{each.behaviour.id}")
    return {asked: frozenset(rules) for asked, rules in made.items()}


def _then(
    recorded: Recorded, before: Rulebook, after: Rulebook, theirs: ServedRules, ours: ServedRules
) -> Then:
    """How behaviours were measured: known for the two catalogs at hand.

    Of a record of another one, only those that the change leaves alone can be told: whatever they
    were, both sides read the same from what was measured.
    """
    if recorded.catalog == before.catalog.digest:
        return {each.behaviour.id: each for each in theirs.behaviours}
    if recorded.catalog == after.catalog.digest:
        return {each.behaviour.id: each for each in ours.behaviours}
    same: Sequence[RuledBehaviour] = [each for each in theirs.behaviours if each in ours.behaviours]
    return {each.behaviour.id: each for each in same}


def _against(recorded: Recorded, rules: ServedRules, before: Rulebook) -> Against | None:
    made, outcome = baseline(rules, recorded)
    said, given = (lines_of(each) for each in (recorded.decisions, made))
    is_same_catalog = recorded.catalog == before.catalog.digest
    if said == given and outcome is recorded.outcome:
        return None
    other = said ^ given
    return Against(
        outcome,
        tuple(sorted({rule for _, rule, *_ in other})),
        is_same_catalog,
        any(action in REWRITES and not is_observed for _, _, action, is_observed, _ in other),
    )


def lines_of(decisions: Sequence[Decision]) -> frozenset[Line]:
    """What decisions say, to be compared."""
    return frozenset(
        (each.stage, line.rule, line.action, line.is_observed, line.is_unchecked)
        for each in decisions
        for line in each.applied
    )
