"""A persona's behaviours, ready to be measured: what a detector says, and what follows from it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from app.domain.conduct import Conduct, Measured
from app.domain.decision import Outcome, severest
from app.domain.errors import DetectorError
from app.domain.finding import Finding
from app.domain.persona import Behaviour, Persona, Verify
from app.domain.policy import Action
from app.domain.protocols import Outside
from app.guardrails.aside import done, is_long
from app.guardrails.context import Context
from app.guardrails.passage import Passage
from app.guardrails.plan import Builds
from app.guardrails.seen import Seen, ask_all, inspect_run, said_by
from app.guardrails.stage_plan import AwaitedRun, LocalRun, Run, patient


def last_action(behaviour: Behaviour) -> Action:
    """What is done where nothing more can be tried."""
    return Action(behaviour.then if behaviour.on_fail == "retry" else behaviour.on_fail)


def action_on_failing(behaviour: Behaviour, attempt: int) -> Action:
    """What is done where an attempt does not keep to a behaviour; attempts count from 1."""
    if behaviour.on_fail == "retry" and attempt <= behaviour.retries:
        return Action.RETRY
    return last_action(behaviour)


def action_on_outage(behaviour: Behaviour) -> Action:
    """What is done where it cannot be measured.

    An outage is no failure of the model's, so it is not asked again; but what may not leave where
    it fails may not leave unmeasured either.
    """
    return Action.BLOCK if last_action(behaviour) is Action.BLOCK else Action.FLAG


def measured_outcome(measured: Iterable[tuple[Action, bool]]) -> Outcome:
    """The severest thing that was done, given each action and whether an outage decided it."""
    pairs = list(measured)
    made = severest(*(Outcome(action) for action, is_outage in pairs if not is_outage))
    outs = [action for action, is_outage in pairs if is_outage]
    if Action.BLOCK in outs and made is not Outcome.BLOCK:
        return Outcome.UNCHECKED
    return severest(made, *(Outcome.FLAG for _ in outs))


@dataclass(frozen=True, slots=True)
class PlannedBehaviour:
    """A behaviour that is measured, with its detector."""

    behaviour: Behaviour
    percent: float
    run: Run
    is_expected: bool
    """Whether the detector should find something."""
    counts: Callable[[Finding], bool]
    """Whether a finding of the detector is one."""

    @property
    def last(self) -> Action:
        """What is done where nothing more can be tried."""
        return last_action(self.behaviour)

    @property
    def holds(self) -> bool:
        """Whether an answer has to wait until this has been measured."""
        return self.behaviour.on_fail == "retry" or self.last is Action.BLOCK

    def action(self, attempt: int) -> Action:
        """What is done where an attempt does not keep to it."""
        return action_on_failing(self.behaviour, attempt)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What follows for an attempt."""

    measured: tuple[Measured, ...]
    stop: Outcome | None = None
    """``block``, or ``unchecked`` where an outage decided: nothing of the answer leaves."""
    retries: tuple[Behaviour, ...] = ()
    """What the model is to be told before it answers again; none where it is not asked again."""
    appends: tuple[str, ...] = ()
    """What to add at the end of the answer."""


def plan_behaviours(persona: Persona, builds: Builds) -> tuple[PlannedBehaviour, ...]:
    """Make the behaviours that say how they are measured ready; all loading happens here."""
    return tuple(
        plan_behaviour(behaviour, behaviour.verify, persona.measure_percent, builds)
        for behaviour in persona.behaviours
        if behaviour.verify is not None
    )


def plan_behaviour(
    behaviour: Behaviour, verify: Verify, percent: float, builds: Builds
) -> PlannedBehaviour:
    """Make one ready; it is measured on ``percent`` of answers unless it says another share.

    Raises:
        DetectorError: Its detector is not installed here.
    """
    kind = builds.kinds[verify.detector]
    settings: Any = kind.settings.model_validate(verify.settings)
    detector = builds.detector(kind.name, settings)
    if detector is None:
        raise DetectorError(
            f"behaviour {behaviour.id!r} is measured by {kind.name!r}, which is not installed "
            "here; install it"
        )
    run = builds.run(kind, detector, behaviour.timeout_ms)
    return PlannedBehaviour(
        behaviour=behaviour,
        percent=percent if behaviour.percent is None else behaviour.percent,
        run=run,
        is_expected=verify.expect == "present",
        counts=lambda finding: (
            finding.score >= verify.min_score and kind.selects(settings, finding)
        ),
    )


async def look(
    planned: Sequence[PlannedBehaviour],
    texts: Mapping[int, str],
    context: Context,
    outside: Outside | None,
) -> Mapping[int, Seen]:
    """What the behaviours' detectors say of the text of each choice."""
    passages = {choice: Passage(text, context=context) for choice, text in texts.items()}
    runs = [each.run for each in planned]
    local = list({run.ref: run for run in runs if isinstance(run, LocalRun)}.values())
    awaited = patient(run for run in runs if isinstance(run, AwaitedRun))
    said = await ask_all(awaited, {str(at): each for at, each in passages.items()}, outside)
    seen: dict[int, Seen] = {}
    for choice, passage in passages.items():
        aside = is_long([passage.original])
        here = await done(partial(_look_here, local, passage), aside=aside)
        seen[choice] = here + said.get(str(choice), Seen())
    return seen


def _look_here(runs: Sequence[LocalRun], passage: Passage) -> Seen:
    return sum((said_by(run.ref, inspect_run(run, passage)) for run in runs), Seen())


def resolve(
    planned: Sequence[PlannedBehaviour], seen: Mapping[int, Seen], attempt: int
) -> Resolved:
    """What follows from what was seen; a pure function.

    An answer of several choices keeps to a behaviour where each of them does. Blocking comes before
    answering again, and that before what is added at the end.
    """
    measured = tuple(_measured(each, seen, attempt) for each in planned)
    pairs = list(zip(planned, measured, strict=True))
    if any(each.action is Action.BLOCK and not each.is_outage for each in measured):
        return Resolved(measured, stop=Outcome.BLOCK)
    if any(each.action is Action.BLOCK for each in measured):
        return Resolved(measured, stop=Outcome.UNCHECKED)
    again = tuple(each.behaviour for each, said in pairs if said.action is Action.RETRY)
    if again:
        return Resolved(measured, retries=again)
    appends = dict.fromkeys(
        each.behaviour.append for each, said in pairs if said.action is Action.STEER
    )
    return Resolved(measured, appends=tuple(appends))


def _measured(planned: PlannedBehaviour, seen: Mapping[int, Seen], attempt: int) -> Measured:
    ref = planned.run.ref
    base = Measured(
        planned.behaviour.id,
        Conduct.NOT_SCORED,
        attempt,
        detector=ref.detector,
        revision=ref.revision,
        spec=ref.spec,
    )
    if not seen:
        return replace(base, reason="the answer has no text")
    key = (ref.detector, ref.spec)
    outs = [
        run.reason
        for said in seen.values()
        for run in said.unchecked
        if (run.detector, run.spec) == key
    ]
    if outs:
        action = action_on_outage(planned.behaviour)
        return replace(base, action=action, reason=outs[0], is_outage=True)
    findings = [
        [each for each in said.findings if (each.detector, each.spec) == key]
        for said in seen.values()
    ]
    is_held = all(any(map(planned.counts, said)) is planned.is_expected for said in findings)
    return replace(
        base,
        conduct=Conduct.HELD if is_held else Conduct.FAILED,
        action=Action.ALLOW if is_held else planned.action(attempt),
        score=max((each.score for said in findings for each in said), default=0.0),
    )
