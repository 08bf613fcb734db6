"""What replaying records under a change says: which decisions turn, why, and how far to trust it.

All of it is data: ``orjson.dumps`` writes it as JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.decision import Outcome
from app.metrics.intervals import Share

_RANK = {outcome: rank for rank, outcome in enumerate(Outcome)}


class State(StrEnum):
    """How far the outcome after the change is known for an exchange, best first."""

    EXACT = "exact"
    """It would have ended so."""
    RERUN = "rerun"
    """It would have, by what detectors say now about the text that was kept, which is the text
    after rewrites."""
    NEEDS_DETECTOR = "needs_detector"
    """A rule looks for something that was not looked for then, and could make the outcome more
    severe than is said here."""
    COUNTERFACTUAL = "counterfactual"
    """It goes on where it was stopped then, so there is no answer, or no rest of one, to look at;
    or an answer would be asked for that was not. The outcome is that of what there is."""
    NOT_REPLAYABLE = "not_replayable"
    """Nothing can be said; ``Reason`` says why."""


class Reason(StrEnum):
    """Why an exchange cannot be replayed."""

    FINDINGS_EXPIRED = "findings_expired"
    """The policy that it was served under kept its findings no longer."""
    OPEN = "open"
    """It has not ended."""
    CUT_OFF = "cut_off"
    """The process died in it, and what was seen of the answer is lost."""
    PERSONA_GONE = "persona_gone"
    """The change has no such persona or variant: the request would be refused."""
    AUDIENCE_GONE = "audience_gone"
    """The persona's policy knows no such audience after the change: refused as well."""
    NOT_IN_BASE = "not_in_base"
    """The project before the change has no such persona, variant or audience to compare with."""


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """What of the change made an outcome another one."""

    rule: str
    """A rule's id, or a behaviour's where ``concern`` is ``behaviours``."""
    concern: str
    """The key that reads differently, such as ``then``, ``mode`` or ``waivers``."""
    what: str
    """In words, such as ``'block' becomes 'flag'``."""
    policy: str
    """That the persona is served under after the change."""
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Count:
    """So many exchanges of one name."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Flip:
    """Exchanges whose outcome becomes another one, for the same reasons."""

    before: Outcome
    """By the rules before the change."""
    after: Outcome
    """By the rules after it; as far as known where the state is not exact."""
    state: State
    causes: tuple[Cause, ...]
    count: int
    of: int
    """All exchanges that could be replayed."""
    share: float
    interval: tuple[float, float]
    """Where the share lies with 95 % confidence, if these exchanges are a sample."""
    personas: tuple[Count, ...]
    """Most first; a variant as ``persona:variant``."""
    audiences: tuple[Count, ...]
    examples: tuple[str, ...]
    """Request ids, the newest first."""

    @property
    def is_weaker(self) -> bool:
        """Whether it ends less severely than before. An outage is no milder than a block."""
        return _RANK[self.after] < min(_RANK[self.before], _RANK[Outcome.BLOCK])


def flip_order(flip: Flip) -> tuple[object, ...]:
    """Sorts flips: ``block`` to ``allow`` first, then by how far they fall, then the rest."""
    fall = _RANK[flip.before] - _RANK[flip.after]
    is_out = Outcome.UNCHECKED in {flip.before, flip.after}  # an outage is no decision
    states = list(State)
    return (
        fall < 0,
        is_out,
        -abs(fall),
        -_RANK[flip.before],
        states.index(flip.state),
        -flip.count,
        flip.causes,
    )


@dataclass(frozen=True, slots=True)
class Need:
    """A detector that would have to look before the outcome is known."""

    detector: str
    spec: str
    """Digest of the settings that change what is looked for; empty where it has none."""
    policy: str
    rules: tuple[str, ...]
    """Of the policy, by which it is needed; a behaviour as ``behaviours.<id>``."""
    count: int
    """Exchanges whose state is ``needs_detector`` because of it, perhaps among others."""
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Exchanges in which the rules before the change do not give what was recorded."""

    recorded: Outcome
    replayed: Outcome
    rules: tuple[str, ...]
    """Those whose lines in the record are other ones."""
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Whether the rules before the change give the decisions that were recorded."""

    agreed: int
    drifted: int
    """Served under the very catalog that the change is made to, and decided otherwise: the gateway
    is another version, or was installed with other extras."""
    drift: tuple[Disagreement, ...]
    other: int
    """Served under another revision of the catalog, and decided otherwise: files have changed."""
    differences: tuple[Disagreement, ...]
    """The same for these."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A catalog that some of the exchanges were served under."""

    catalog: str
    """Its digest."""
    count: int
    share: float
    """Of all records."""
    oldest: datetime
    newest: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """A persona that is served under another policy than in its records."""

    persona: str
    recorded: str
    policy: str
    """After the change."""
    count: int


@dataclass(frozen=True, slots=True)
class Turned:
    """How many exchanges went from one outcome to another, those that did not change among them."""

    before: Outcome
    after: Outcome
    state: State
    count: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """Records, decided again."""

    before: str
    """The digest of the catalog that the change is made to."""
    after: str
    total: int
    states: tuple[Count, ...]
    """Every state, by name, also where there is none."""
    reasons: tuple[Count, ...]
    """Why some could not be replayed, most first."""
    outcomes: tuple[Turned, ...]
    """The whole table, in the order of outcomes."""
    flips: tuple[Flip, ...]
    """``block`` to ``allow`` first."""
    needs: tuple[Need, ...]
    baseline: Baseline
    revisions: tuple[Revision, ...]
    """Most records first."""
    moved: tuple[Moved, ...]
    left_out: tuple[tuple[str, str], ...]
    """Policy and rule: rules that do not run in this installation, so nothing is said of them."""
    oldest: datetime | None
    """When the first of the exchanges opened; none where there are no records."""
    newest: datetime | None

    def state(self, state: State) -> int:
        """How many exchanges are in a state."""
        return next(each.count for each in self.states if each.name == state)

    @property
    def decided(self) -> int:
        """How many exchanges could be replayed."""
        return self.total - self.state(State.NOT_REPLAYABLE)

    @property
    def of_other_revisions(self) -> float:
        """The share of records that were served under another catalog than the one before."""
        return sum(each.share for each in self.revisions if each.catalog != self.before)

    @property
    def is_weaker(self) -> bool:
        """Whether any exchange ends less severely than before the change."""
        return any(flip.is_weaker for flip in self.flips)


def share_of(count: int, of: int) -> tuple[float, tuple[float, float]]:
    """A share and its interval."""
    share = Share(count, of)
    return share.point, share.interval


def counts(named: Sequence[tuple[str, int]]) -> tuple[Count, ...]:
    """Counts by name, most first."""
    ordered = sorted(named, key=lambda each: (-each[1], each[0]))
    return tuple(Count(name, count) for name, count in ordered)
