"""Behaviours of a recorded answer, decided again from what was measured then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.conduct import Conduct, Measured
from app.domain.decision import Outcome
from app.domain.persona import Behaviour
from app.domain.policy import Action
from app.guardrails.behaviours import action_on_failing, action_on_outage, measured_outcome
from app.guardrails.ruled import Asked
from app.review.rulebook import RuledBehaviour

Then = Mapping[str, RuledBehaviour]
"""How each behaviour was measured when the record was made, as far as that is known."""


@dataclass(frozen=True, slots=True)
class Conducted:
    """What follows from behaviours."""

    outcome: Outcome
    ends_at: int
    """The attempt, from 1, that would have been the last; what was seen of later ones is void."""
    is_known: bool
    """Whether there is as much of the answer as would have been."""
    needs: tuple[tuple[Asked, str], ...] = ()
    """Who would have to look, for which behaviour."""
    by_behaviour: Mapping[str, Outcome] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Act:
    behaviour: Behaviour
    action: Action
    is_outage: bool


def attempts_of(measured: Sequence[Measured]) -> int:
    """How many attempts at the answer there were."""
    return max((each.attempt for each in measured), default=1)


def conducted(
    rules: Sequence[RuledBehaviour],
    measured: Sequence[Measured],
    then: Then,
    newly_stopped: Mapping[int, bool],
) -> Conducted:
    """What behaviours make of an answer.

    Args:
        rules: Those to decide by.
        measured: What was measured of the answer.
        then: By which it was measured.
        newly_stopped: Attempts, from 1, in which policy stops a choice now that it did not stop
            then; and whether it blocks it.
    """
    usable, needs, is_known = _usable(rules, measured, then)
    count = attempts_of(measured)
    done: list[_Act] = []
    ends_at = count
    for attempt in range(1, count + 1):
        acts = [_act(rule.behaviour, said) for rule, said in usable if said.attempt == attempt]
        if attempt in newly_stopped:
            # A choice that policy stops is not measured. Whether there were others is not kept.
            outs = any(act.is_outage and act.action is Action.BLOCK for act in acts)
            again = any(act.action is Action.RETRY for act in acts)
            is_same = newly_stopped[attempt] and not outs and not again
            is_known &= is_same or all(act.action is Action.ALLOW for act in acts)
            ends_at = attempt
            break
        done += acts
        if any(act.action is Action.BLOCK for act in acts):
            ends_at = attempt
            break
        if all(act.action is not Action.RETRY for act in acts):
            ends_at = attempt
            break
        is_known &= attempt < count  # else it would be asked again, and nobody knows what it says
    return Conducted(
        measured_outcome((act.action, act.is_outage) for act in done),
        ends_at,
        is_known,
        needs,
        {
            rule.behaviour.id: measured_outcome(
                (act.action, act.is_outage) for act in done if act.behaviour is rule.behaviour
            )
            for rule, _ in usable
        },
    )


def _act(behaviour: Behaviour, said: Measured) -> _Act:
    match said.conduct:
        case Conduct.FAILED:
            return _Act(behaviour, action_on_failing(behaviour, said.attempt), is_outage=False)
        case Conduct.NOT_SCORED if said.is_outage:
            return _Act(behaviour, action_on_outage(behaviour), is_outage=True)
        case _:
            return _Act(behaviour, Action.ALLOW, is_outage=False)


def _usable(
    rules: Sequence[RuledBehaviour], measured: Sequence[Measured], then: Then
) -> tuple[list[tuple[RuledBehaviour, Measured]], tuple[tuple[Asked, str], ...], bool]:
    """What was measured as these rules want it; what was not; and whether each would be."""
    usable: list[tuple[RuledBehaviour, Measured]] = []
    needs: list[tuple[Asked, str]] = []
    is_known = True
    for rule in rules:
        behaviour = rule.behaviour
        was = then.get(behaviour.id)
        said = [each for each in measured if each.behaviour == behaviour.id]
        if not said:
            # Not of this scenario then, as it would not be now; or not measured at all.
            if was is None or was.behaviour.scenarios != behaviour.scenarios:
                needs.append((rule.asked, behaviour.id))
            continue
        if all(each.conduct is Conduct.NOT_DRAWN for each in said):
            if was is None or rule.percent > was.percent:
                needs.append((rule.asked, behaviour.id))
            continue
        if was is None or not _is_answered(rule, was, said):
            needs.append((rule.asked, behaviour.id))
            continue
        is_known &= rule.percent >= was.percent
        is_known &= behaviour.scenarios in {(), was.behaviour.scenarios}
        usable += ((rule, each) for each in said)
    return usable, tuple(needs), is_known


def _is_answered(rule: RuledBehaviour, was: RuledBehaviour, said: Sequence[Measured]) -> bool:
    """Whether what was measured is what the behaviour asks for."""
    scored = {Conduct.HELD, Conduct.FAILED}
    return rule.behaviour.verify == was.behaviour.verify and all(
        (each.detector, each.spec) == rule.asked for each in said if each.conduct in scored
    )
