"""How behaviours were kept: what was measured of an answer, and what was done about it."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.policy import Action


class Conduct(StrEnum):
    """Whether an answer kept to a behaviour."""

    HELD = "held"
    FAILED = "failed"
    NOT_SCORED = "not_scored"
    """It was to be measured and could not be; never to be read as held."""
    NOT_DRAWN = "not_drawn"
    """This answer is not of the share that is measured."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of one behaviour in one attempt at an answer. Holds no text of it."""

    behaviour: str
    conduct: Conduct
    attempt: int = 1
    """Counted from 1; an attempt that failed and was made again never left."""
    action: Action = Action.ALLOW
    """What was done: flag, steer, retry or block."""
    reason: str = ""
    """Why it was not scored, in words that quote nothing."""
    is_outage: bool = False
    """A detector could not look; where the behaviour would block, the answer was stopped."""
    detector: str = ""
    revision: str = ""
    spec: str = ""
    score: float | None = None
    """The highest that the detector gave; 0 where it saw nothing, none where it was out."""
