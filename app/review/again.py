"""A recorded exchange before and after a change: how it ends by either, and why."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.decision import Decision, Outcome
from app.domain.policy import Action, Stage
from app.guardrails.ruled import Asked
from app.ledger.recorded import Recorded
from app.review.causes import Whose, causes
from app.review.reconduct import Then
from app.review.redecide import Decided, baseline, decided, why_not
from app.review.replayed import Cause, Reason, State
from app.review.rulebook import Rulebook, RuledBehaviour, ServedRules

Line = tuple[Stage, str, Action, bool, bool]
"""A line of a decision, without the findings that it is about."""


@dataclass(frozen=True, slots=True)
class Against:
    """What the rules before the change give, where it is not what was recorded."""

    outcome: Outcome
    rules: tuple[str, ...]
    """Those whose lines are other ones."""
    is_same_catalog: bool


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
    needs: tuple[tuple[Asked, tuple[str, ...]], ...] = ()
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
    state = _state(was, now, is_rerun=is_rerun)
    needs = _needs(was, now) if state is State.NEEDS_DETECTOR else ()
    return Again(state, was.outcome, now.outcome, ours.policy.id, made, needs, against)


def _state(was: Decided, now: Decided, *, is_rerun: bool) -> State:
    if not (was.is_known and now.is_known):
        return State.COUNTERFACTUAL
    if was.needs or now.needs:
        return State.NEEDS_DETECTOR
    return State.RERUN if is_rerun else State.EXACT


def _needs(was: Decided, now: Decided) -> tuple[tuple[Asked, tuple[str, ...]], ...]:
    made: dict[Asked, set[str]] = {}
    for each in (was, now):
        for asked, rules in each.needs.items():
            made.setdefault(asked, set()).update(rules)
    return tuple((asked, tuple(sorted(rules))) for asked, rules in sorted(made.items()))


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
    said, given = (_lines(each) for each in (recorded.decisions, made))
    is_same_catalog = recorded.catalog == before.catalog.digest
    if said == given and outcome is recorded.outcome:
        return None
    return Against(outcome, tuple(sorted({each[1] for each in said ^ given})), is_same_catalog)


def _lines(decisions: Sequence[Decision]) -> frozenset[Line]:
    return frozenset(
        (each.stage, line.rule, line.action, line.is_observed, line.is_unchecked)
        for each in decisions
        for line in each.applied
    )
