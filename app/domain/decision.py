"""What policy did about what was found: the trace, and the decision made from it."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.finding import Finding
from app.domain.policy import Action, Stage


@dataclass(frozen=True, slots=True)
class DetectorRef:
    """A detector that ran, as a later policy revision needs to know it."""

    detector: str
    revision: str
    spec: str = ""
    """Digest of the settings that change what is looked for; empty where it has none."""


@dataclass(frozen=True, slots=True)
class UncheckedRun:
    """A detector that did not run to its end on one text."""

    detector: str
    spec: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class StageTrace:
    """Everything that detectors said at one stage: what a decision is a function of."""

    stage: Stage
    ran: tuple[DetectorRef, ...]
    """Which detectors looked (a pre-screen that proves a detector cannot match counts)."""
    findings: tuple[Finding, ...] = ()
    """All at or above the floor, whatever policy did with them."""
    unchecked: tuple[UncheckedRun, ...] = ()
    earlier: frozenset[str] = frozenset()
    """Paths of texts that belong to earlier turns which the client replays. Blocking one of them
    withholds that text from the model and lets the conversation go on."""
    draw: float = 0.0
    """Where in [0, 100) the exchange falls: a rule that acts for a share of traffic acts where the
    draw is below it."""


Trace = tuple[StageTrace, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """What policy did about some findings. Detection is not enforcement."""

    rule: str
    action: Action
    findings: tuple[int, ...] = ()
    """Indexes into the findings of the stage's trace; empty where an outage decided."""
    is_observed: bool = False
    """Decided and recorded, not acted on: the rule is in ``observe`` mode."""
    is_unchecked: bool = False
    """Decided by ``on_unchecked``, because the detector did not run."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Per stage: all that was applied."""

    stage: Stage
    applied: tuple[Applied, ...] = ()
    unchecked: tuple[UncheckedRun, ...] = ()


class Outcome(StrEnum):
    """Per exchange: the severest thing that policy did, least severe first."""

    ALLOW = "allow"
    FLAG = "flag"
    STEER = "steer"
    PSEUDONYMIZE = "pseudonymize"
    MASK = "mask"
    RETRY = "retry"
    ESCALATE = "escalate"
    BLOCK = "block"
    UNCHECKED = "unchecked"
    """Stopped because a detector could not run: an outage, not a decision about the text."""


_SEVERITY = {outcome: rank for rank, outcome in enumerate(Outcome)}


def severest(*outcomes: Outcome) -> Outcome:
    """The severest of these; ``allow`` where there are none."""
    return max(outcomes, key=_SEVERITY.__getitem__, default=Outcome.ALLOW)
