"""A plan: all that is known of what a change does to users, and what of it is weaker."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

import orjson

from app.catalog.weakenings import Approved
from app.domain.prices import Price, Prices
from app.metrics.compare import Movement, Verdict
from app.review.change import Effect, Located
from app.review.compare import Review
from app.review.concerns.prompts import PromptChange
from app.review.replayed import Cause, Flip, Replayed
from app.review.wording import about, flip_in_words, movement_in_words, printable

_DIGITS = 12
_MILLION = 1_000_000
_REQUESTS = 1_000


class Evidence(StrEnum):
    """What shows that something is weaker."""

    FILES = "files"
    """What the files mean."""
    RECORDS = "records"
    """Recorded decisions that would end less severely."""
    METRICS = "metrics"
    """A product metric that is worse beyond noise."""


class Standing(StrEnum):
    """What became of an approval."""

    COUNTS = "counts"
    REFUSED = "refused"
    STALE = "stale"
    """What it approves is not in this change."""


@dataclass(frozen=True, slots=True)
class Weakening:
    """Something that is weaker than before."""

    id: str
    """Of what it says: another change has another id, whatever line it stands in."""
    evidence: Evidence
    what: str
    """In one line, without numbers of lines."""
    files: tuple[str, ...] = ()
    """Those that make it so."""
    follows: tuple[str, ...] = ()
    """Ids of what files weaken and what this comes from; it is approved with all of them."""
    approved: Approved | None = None
    """None where nobody has approved it who could before this change."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An approval, and what became of it."""

    approval: Approved
    standing: Standing
    why: str = ""


@dataclass(frozen=True, slots=True)
class Base:
    """What the change is compared with."""

    name: str
    """As it was asked for, such as ``origin/main``."""
    commit: str
    committed_at: datetime
    ahead: int = 0
    """Commits of it that the change does not have."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Metrics of the same cases before and after."""

    suites: tuple[str, ...]
    cases: int
    movements: tuple[Movement, ...]
    may_not_gate: Mapping[str, str] = field(default_factory=dict)
    """By metric, why a movement of it decides nothing, such as a judge that nobody checked."""
    notes: tuple[str, ...] = ()
    """What could not be run or scored, in words."""
    recorded_at: datetime | None = None
    """When the oldest of the recorded answers was made; none where models answered now."""

    def is_worse(self, movement: Movement) -> bool:
        """Whether a movement is for the worse, beyond noise, and may decide."""
        return movement.verdict is Verdict.WORSE and movement.metric.id not in self.may_not_gate


@dataclass(frozen=True, slots=True)
class PromptCost:
    """What a system prompt costs in a thousand requests, in USD."""

    before: float
    after: float
    cached_before: float
    """Where the provider has the start of it in its cache, as the price of that says."""
    cached_after: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change of files does."""

    review: Review
    base: Base
    made_at: datetime
    replayed: Replayed | None = None
    evaluated: Evaluated | None = None
    prices: Prices = field(default_factory=dict)
    weakenings: tuple[Weakening, ...] = ()
    """Of files first, then of records, then of metrics."""
    approvals: tuple[Judged, ...] = ()

    @property
    def open(self) -> tuple[Weakening, ...]:
        """What is weaker, and nobody has approved."""
        return tuple(each for each in self.weakenings if each.approved is None)

    @property
    def is_weaker(self) -> bool:
        """Whether anything is weaker than before that nobody has approved."""
        return bool(self.open)

    def weakening(self, id_: str) -> Weakening | None:
        """The one of this id, if there is one."""
        return next((each for each in self.weakenings if each.id == id_), None)

    def cost(self, prompt: PromptChange) -> PromptCost | None:
        """What a prompt costs before and after; none where nobody said what its model costs."""
        price = self.prices.get((prompt.target.backend, prompt.target.model))
        if price is None:
            return None
        cache = prompt.cache
        return PromptCost(
            before=_cost(price, prompt.tokens_before, 0),
            after=_cost(price, prompt.tokens_after, 0),
            cached_before=_cost(price, prompt.tokens_before, cache.stable_before),
            cached_after=_cost(price, prompt.tokens_after, cache.stable_after),
        )


def _cost(price: Price, tokens: int, cached: int) -> float:
    cached_price = price.input if price.cached is None else price.cached
    fresh = max(tokens - cached, 0)
    return (fresh * price.input + cached * cached_price) * _REQUESTS / _MILLION


def weakenings_of(
    review: Review, replayed: Replayed | None = None, evaluated: Evaluated | None = None
) -> tuple[Weakening, ...]:
    """All that is weaker, each once."""
    weaker = [each for each in review.changes if each.change.effect is Effect.WEAKER]
    found = [weakening_of(each) for each in weaker]
    if replayed is not None:
        found += [_of_flip(each, weaker) for each in replayed.flips if each.is_weaker]
    if evaluated is not None:
        found += [
            _made(Evidence.METRICS, movement_in_words(each))
            for each in evaluated.movements
            if evaluated.is_worse(each)
        ]
    return tuple({each.id: each for each in found}.values())


def weakening_of(located: Located) -> Weakening:
    """A change of files that makes something weaker."""
    file = located.source.file if located.source else "banneton.yaml"
    return _made(Evidence.FILES, printable(f"{file}: {about(located)}"), files=(file,))


def _of_flip(flip: Flip, weaker: Iterable[Located]) -> Weakening:
    by_cause = [[each for each in weaker if _is_of(cause, each)] for cause in flip.causes]
    follows: tuple[str, ...] = ()
    if by_cause and all(by_cause):
        follows = tuple(dict.fromkeys(weakening_of(e).id for found in by_cause for e in found))
    files = tuple(dict.fromkeys(cause.file for cause in flip.causes))
    return _made(Evidence.RECORDS, flip_in_words(flip), files=files, follows=follows)


def weakening_of_flip(plan: Plan, flip: Flip) -> Weakening | None:
    """The one that a flip is; none where it ends no less severely."""
    what = flip_in_words(flip)
    return next((each for each in plan.weakenings if each.what == what), None)


def _is_of(cause: Cause, located: Located) -> bool:
    """Whether a change of files is what turned a decision."""
    change = located.change
    if cause.concern == "behaviours":
        return change.concern == "behaviours" and f"'{cause.rule}'" in change.what
    return change.rule == cause.rule and cause.policy in located.policies


def _made(
    evidence: Evidence, what: str, *, files: tuple[str, ...] = (), follows: tuple[str, ...] = ()
) -> Weakening:
    digest = hashlib.sha256(orjson.dumps([evidence, what])).hexdigest()[:_DIGITS]
    return Weakening(f"w-{digest}", evidence, what, files, follows)


def with_approvals(
    plan: Plan,
    approvals: Mapping[str, Approved],
    refusal: Callable[[Approved, tuple[str, ...]], str],
    *,
    at_base: Mapping[str, Approved],
) -> Plan:
    """The plan with what people have approved.

    Args:
        plan: Before anybody approved anything.
        approvals: As the files hold them now, by id.
        refusal: Why an approval of something that these files make weaker does not count; empty
            where it does.
        at_base: Approvals as they were before the change.
    """
    judged = {
        name: _judged(each, plan.weakening(name), refusal, at_base, plan.made_at.date())
        for name, each in approvals.items()
    }
    counting = {
        name: each.approval for name, each in judged.items() if each.standing is Standing.COUNTS
    }
    weakenings = tuple(
        replace(each, approved=_approval_of(each, counting)) for each in plan.weakenings
    )
    return replace(plan, weakenings=weakenings, approvals=tuple(judged.values()))


def _judged(
    approval: Approved,
    weakening: Weakening | None,
    refusal: Callable[[Approved, tuple[str, ...]], str],
    at_base: Mapping[str, Approved],
    today: date,
) -> Judged:
    said = approval.said
    if weakening is None:
        return Judged(approval, Standing.STALE, "what it approves is not in this change")
    if said.what != weakening.what:  # the id alone is short enough to be met on purpose
        return Judged(approval, Standing.REFUSED, "it is about something else than its id")
    if said.expires is not None and said.expires < today:
        return Judged(approval, Standing.REFUSED, f"it expired on {said.expires}")
    known = at_base.get(approval.id)
    if known is not None and known.said == said and said.expires is None:
        why = "it was for an earlier change; only one with 'expires' counts again"
        return Judged(approval, Standing.REFUSED, why)
    if why := refusal(approval, weakening.files):
        return Judged(approval, Standing.REFUSED, why)
    return Judged(approval, Standing.COUNTS)


def _approval_of(weakening: Weakening, counting: Mapping[str, Approved]) -> Approved | None:
    if found := counting.get(weakening.id):
        return found
    if weakening.follows and all(each in counting for each in weakening.follows):
        return counting[weakening.follows[0]]
    return None
