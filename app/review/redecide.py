"""One recorded exchange, decided again: the reference that every faster way has to equal."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.decision import Decision, Outcome, StageTrace, Trace, severest
from app.domain.policy import Action
from app.domain.record import Status
from app.guardrails.decide import Ruling, decision, outcome_of, rulings
from app.guardrails.ruled import Asked, StageRules, asked
from app.ledger.recorded import LAST, Place, Recorded, place_of
from app.review.reconduct import Then, attempts_of, conducted
from app.review.replayed import Reason
from app.review.rulebook import Rulebook, ServedRules

STOPPING = frozenset({Outcome.BLOCK, Outcome.ESCALATE, Outcome.UNCHECKED})
"""Outcomes in which an exchange ends."""

Stops = Mapping[Place, frozenset[tuple[int, int | None, Outcome]]]
"""For each choice of an answer, all that stops it: part, finding and outcome."""

Needs = Mapping[Asked, frozenset[str]]
"""Who would have to look, for which rules; behaviours as ``behaviours.<id>``."""


@dataclass(frozen=True, slots=True)
class Part:
    """What was seen at one stage, and what is decided there."""

    trace: StageTrace
    rules: StageRules
    rulings: tuple[Ruling, ...]

    def only(self, rulings_: Sequence[Ruling]) -> "Part":
        """With some of its rulings."""
        return Part(self.trace, self.rules, tuple(rulings_))

    @property
    def decision(self) -> Decision:
        """The rulings as they are recorded."""
        return decision(self.trace, self.rulings)

    def not_asked(self) -> dict[Asked, set[str]]:
        """Who did not look and could change the outcome here, and for which rules."""
        then = {asked(ref) for ref in self.trace.ran}
        missing: dict[Asked, set[str]] = {}
        for rule in self.rules.rules:
            key = asked(rule.ref)
            if key not in then and rule.is_enforced and rule.can_say:
                missing.setdefault(key, set()).add(rule.id)
        return missing

    @property
    def rewrites(self) -> frozenset[tuple[int | None, Action]]:
        """Which findings change the text, and how."""
        return frozenset((each.index, each.action) for each in self.rulings if each.rewrites)


@dataclass(frozen=True, slots=True)
class Decided:
    """What one revision makes of an exchange."""

    served: ServedRules
    outcome: Outcome
    """As far as known."""
    is_known: bool
    """Whether there is all to look at that this revision would have let come."""
    needs: Needs
    parts: tuple[Part, ...]
    """What counts."""
    behaviours: Mapping[str, Outcome] = field(default_factory=dict)
    """What each behaviour makes of it."""
    stops: Stops = field(default_factory=dict)


def why_not(recorded: Recorded, before: Rulebook, after: Rulebook) -> Reason | None:
    """Why an exchange cannot be replayed; none where it can."""
    if recorded.status is None:
        return Reason.OPEN
    if recorded.status is Status.CUT_OFF:
        return Reason.CUT_OFF
    if recorded.input is None or recorded.answer is None:
        return Reason.FINDINGS_EXPIRED
    key = (recorded.persona, recorded.variant)
    ours = after.served.get(key)
    if ours is None or recorded.audience not in ours.policy.audiences:
        return Reason.PERSONA_GONE if ours is None else Reason.AUDIENCE_GONE
    theirs = before.served.get(key)
    is_there = theirs is not None and recorded.audience in theirs.policy.audiences
    return None if is_there else Reason.NOT_IN_BASE


def baseline(rules: ServedRules, recorded: Recorded) -> tuple[tuple[Decision, ...], Outcome]:
    """What rules decide about all that was seen, and the outcome of the whole.

    By the rules that the exchange was served under, this is what its record says.
    """
    request = [part.decision for part in _parts(rules, recorded, recorded.input)]
    answer = [part.decision for part in _parts(rules, recorded, recorded.answer)]
    then = {each.behaviour.id: each for each in rules.behaviours}
    measured = conducted(rules.behaviours, recorded.behaviours, then, {})
    outcome = severest(outcome_of(request), outcome_of(answer), measured.outcome)
    return (*request, *answer), outcome


def decided(
    rules: ServedRules, recorded: Recorded, then: Then, other: ServedRules | None
) -> Decided:
    """What rules make of an exchange that can be replayed.

    Args:
        rules: Of the persona, in one revision.
        recorded: The exchange.
        then: How its behaviours were measured.
        other: The persona's rules in the other revision; none where nobody has them.
    """
    request = [_trimmed(part) for part in _parts(rules, recorded, recorded.input)]
    here = [_without_remote(part) for part in request]
    is_stopped_here = any(ruling.stops for part in here for ruling in part.rulings)
    if is_stopped_here:  # then nothing outside is asked
        request = here
    outcome = outcome_of([part.decision for part in request])
    needs: dict[Asked, set[str]] = {}
    for part in request:
        _add(needs, part.not_asked(), without=part.rules.remote if is_stopped_here else ())
    parts = tuple(request)
    stops = outcome in STOPPING
    if is_stopped_here and outcome is Outcome.BLOCK:
        needs = {}  # whatever else looks here, it is blocked
    if stops or recorded.input_outcome in STOPPING:
        return Decided(rules, outcome, stops, _frozen(needs), parts)
    made = _answered(rules, recorded, then, other)
    _add(needs, made.needs)
    return Decided(
        rules,
        severest(outcome, made.outcome),
        made.is_known,
        _frozen(needs),
        parts + made.parts,
        made.behaviours,
        made.stops,
    )


def _answered(
    rules: ServedRules, recorded: Recorded, then: Then, other: ServedRules | None
) -> Decided:
    """What rules make of the answer alone."""
    answer = [_trimmed(part) for part in _parts(rules, recorded, recorded.answer)]
    count = attempts_of(recorded.behaviours)
    stops = [ruling for part in answer for ruling in part.rulings if ruling.stops]
    stopped = {place_of(ruling.about.path) for ruling in stops}
    newly: dict[int, bool] = {}
    for ruling in stops:
        place = place_of(ruling.about.path)
        if place not in recorded.stopped:
            attempt = _attempt(place, count)
            newly[attempt] = newly.get(attempt, False) or ruling.outcome is Outcome.BLOCK
    made = conducted(rules.behaviours if recorded.answer else (), recorded.behaviours, then, newly)
    counted = [_up_to(part, made.ends_at, count) for part in answer]
    outcome = outcome_of([part.decision for part in counted])
    gone_on = [
        place for place in recorded.stopped - stopped if _attempt(place, count) <= made.ends_at
    ]
    # Who waits for a whole answer did not look at one that was stopped, and would not now.
    is_cut = bool(recorded.stopped) and stopped >= recorded.stopped
    needs: dict[Asked, set[str]] = {}
    if other is None or not is_cut:
        waits: list[frozenset[Asked]] = [frozenset()] * len(answer)
    else:
        theirs = _parts(other, recorded, recorded.answer)
        waits = [a.rules.awaited & b.rules.awaited for a, b in zip(answer, theirs, strict=True)]
    for part, waiting in zip(answer, waits, strict=True):
        _add(needs, part.not_asked(), without=waiting)
    for key, behaviour in made.needs:
        _add(needs, {key: [f"behaviours.{behaviour}"]})
    return Decided(
        rules,
        severest(outcome, made.outcome),
        made.is_known and not gone_on,
        _frozen(needs),
        tuple(counted),
        made.by_behaviour,
        _stops(counted),
    )


def _parts(rules: ServedRules, recorded: Recorded, traces: Trace | None) -> list[Part]:
    made = []
    for trace in traces or ():
        at = rules.rules.at(trace.stage, recorded.audience, recorded.at, trace.draw)
        made.append(Part(trace, at, tuple(rulings(at, trace))))
    return made


def _trimmed(part: Part) -> Part:
    """Without outages of detectors that these rules would not have asked."""
    return part.only(
        [
            each
            for each in part.rulings
            if not each.is_unchecked or asked(each.rule.ref) in part.rules.ran
        ]
    )


def _without_remote(part: Part) -> Part:
    remote = part.rules.remote
    return part.only([each for each in part.rulings if asked(each.rule.ref) not in remote])


def _up_to(part: Part, attempt: int, count: int) -> Part:
    """Without what was seen of later attempts."""
    return part.only(
        [each for each in part.rulings if _attempt(place_of(each.about.path), count) <= attempt]
    )


def _attempt(place: Place, count: int) -> int:
    """Which attempt, from 1, a place belongs to, of so many."""
    return count if place[0] == LAST else place[0] + 1


def _add(
    needs: dict[Asked, set[str]],
    more: Mapping[Asked, Collection[str]],
    without: Collection[Asked] = (),
) -> None:
    for key, rules in more.items():
        if key not in without:
            needs.setdefault(key, set()).update(rules)


def _frozen(needs: Mapping[Asked, Collection[str]]) -> Needs:
    return {key: frozenset(rules) for key, rules in needs.items()}


def _stops(parts: Sequence[Part]) -> Stops:
    made: dict[Place, set[tuple[int, int | None, Outcome]]] = {}
    for number, part in enumerate(parts):
        for each in part.rulings:
            if each.stops:
                said = (number, each.index, each.outcome)
                made.setdefault(place_of(each.about.path), set()).add(said)
    return {place: frozenset(said) for place, said in made.items()}
