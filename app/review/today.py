"""One record, decided again by the files as they are now, where nobody has those it was made by."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.decision import Outcome
from app.domain.policy import REWRITES
from app.ledger.recorded import Recorded
from app.review.again import Line, lines_of, shown_otherwise
from app.review.redecide import decided, why_not
from app.review.replayed import Reason, State
from app.review.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Today:
    """How an exchange would end now."""

    state: State
    outcome: Outcome
    """As far as the state says that it is known."""
    is_same_catalog: bool
    """Whether it was served by the files as they are now."""
    gone: Sequence[Line]
    """What rules did then and would not do now."""
    new: Sequence[Line]
    """What rules would do now and did not do then."""
    needs: Sequence[str]
    """Rules that look for something that was not looked for then, or not in this text; behaviours
    that are measured in a way that nobody measured then, as ``behaviours.<id>``."""


def decide_today(recorded: Recorded, today: Rulebook) -> Today | Reason:
    """What the rules of now make of what was seen then.

    What behaviours made of the answer holds only for the files that they were measured by: of any
    others they are among what it ``needs``.
    """
    reason = why_not(recorded, today, today)
    if reason is not None:
        return reason
    rules = today.served[recorded.persona, recorded.variant]
    is_same = recorded.catalog == today.catalog.digest
    then = {each.behaviour.id: each for each in rules.behaviours} if is_same else {}
    made = decided(rules, recorded, then, rules if is_same else None)
    was = lines_of(recorded.decisions)
    now = lines_of([part.decision for part in made.parts])
    is_rewritten_otherwise = any(
        action in REWRITES and not is_observed for _, _, action, is_observed, _ in was ^ now
    )
    needs = {rule for rules_ in made.needs.values() for rule in rules_}
    if is_rewritten_otherwise and not is_same:
        for shown in shown_otherwise(made, made, is_other=True).values():
            needs |= shown
    # What stops an answer first keeps from sight what would have stopped it later.
    comes_first = not is_same and any(
        len({outcome for *_, outcome in said}) > 1 for said in made.stops.values()
    )
    state = State.EXACT
    if not made.is_known or comes_first:
        state = State.COUNTERFACTUAL
    elif needs:
        state = State.NEEDS_DETECTOR
    return Today(
        state,
        made.outcome,
        is_same,
        sorted(was - now),
        sorted(now - was),
        sorted(needs) if state is State.NEEDS_DETECTOR else (),
    )
