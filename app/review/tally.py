"""Counts of replayed exchanges: made in parts, added up in any order, told at the end."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from app.domain.decision import Outcome
from app.guardrails.ruled import Asked
from app.ledger.recorded import Recorded
from app.review.again import Again
from app.review.replayed import (
    Baseline,
    Cause,
    Count,
    Disagreement,
    Flip,
    Moved,
    Need,
    Reason,
    Replayed,
    Revision,
    State,
    Turned,
    counts,
    flip_order,
    share_of,
)
from app.review.rulebook import Rulebook

EXAMPLES = 5
"""How many request ids stand for a group."""

Example = tuple[datetime, str]
KeyT = TypeVar("KeyT")


@dataclass(frozen=True, slots=True)
class Alike:
    """Exchanges that replay alike: all but their ids and times is the same."""

    count: int
    oldest: datetime
    newest: datetime
    examples: tuple[Example, ...]
    """The newest, ``EXAMPLES`` of them or all."""


def alone(recorded: Recorded) -> Alike:
    """One exchange."""
    return Alike(1, recorded.at, recorded.at, ((recorded.at, recorded.request_id),))


@dataclass(slots=True)
class _Group:
    count: int = 0
    examples: tuple[Example, ...] = ()
    personas: Counter[str] = field(default_factory=Counter)
    audiences: Counter[str] = field(default_factory=Counter)
    rules: frozenset[str] = frozenset()

    def add(self, other: "_Group") -> None:
        self.count += other.count
        together = sorted({*self.examples, *other.examples}, reverse=True)
        self.examples = tuple(together[:EXAMPLES])
        self.personas.update(other.personas)
        self.audiences.update(other.audiences)
        self.rules |= other.rules

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(request_id for _, request_id in self.examples)


@dataclass(slots=True)
class _Span:
    count: int
    oldest: datetime
    newest: datetime

    def add(self, other: "_Span") -> None:
        self.count += other.count
        self.oldest = min(self.oldest, other.oldest)
        self.newest = max(self.newest, other.newest)


_FlipKey = tuple[Outcome, Outcome, State, tuple[Cause, ...]]
_AgainstKey = tuple[bool, Outcome, Outcome, tuple[str, ...]]


@dataclass(slots=True)
class Tally:
    """What has been counted so far."""

    total: int = 0
    agreed: int = 0
    states: Counter[State] = field(default_factory=Counter)
    reasons: Counter[Reason] = field(default_factory=Counter)
    outcomes: Counter[tuple[Outcome, Outcome, State]] = field(default_factory=Counter)
    moved: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    flips: dict[_FlipKey, _Group] = field(default_factory=dict)
    needs: dict[tuple[Asked, str], _Group] = field(default_factory=dict)
    against: dict[_AgainstKey, _Group] = field(default_factory=dict)
    revisions: dict[str, _Span] = field(default_factory=dict)

    def add(self, recorded: Recorded, said: Again | Reason, alike: Alike) -> None:
        """Count exchanges that replay as this one does."""
        self.total += alike.count
        span = _Span(alike.count, alike.oldest, alike.newest)
        _put(self.revisions, recorded.catalog, span)
        if isinstance(said, Reason):
            self.reasons[said] += alike.count
            self.states[State.NOT_REPLAYABLE] += alike.count
            return
        self.states[said.state] += alike.count
        self.outcomes[said.before, said.after, said.state] += alike.count
        if recorded.policy != said.policy:
            self.moved[recorded.persona, recorded.policy, said.policy] += alike.count
        group = _group(recorded, alike)
        if said.before is not said.after:
            key = (said.before, said.after, said.state, said.causes)
            _join(self.flips, key, group)
        for asked, rules in said.needs:
            _join(self.needs, (asked, said.policy), group, frozenset(rules))
        if said.against is None:
            self.agreed += alike.count
        else:
            given = said.against
            theirs = (given.is_same_catalog, recorded.outcome, given.outcome, given.rules)
            _join(self.against, theirs, group)

    def merge(self, other: "Tally") -> None:
        """Add what was counted elsewhere."""
        self.total += other.total
        self.agreed += other.agreed
        self.states.update(other.states)
        self.reasons.update(other.reasons)
        self.outcomes.update(other.outcomes)
        self.moved.update(other.moved)
        _join_all(self.flips, other.flips)
        _join_all(self.needs, other.needs)
        _join_all(self.against, other.against)
        for catalog, span in other.revisions.items():
            _put(self.revisions, catalog, span)

    def result(self, before: Rulebook, after: Rulebook) -> Replayed:
        """All of it, in an order that does not depend on how it was counted."""
        spans = self.revisions.values()
        return Replayed(
            before=before.catalog.digest,
            after=after.catalog.digest,
            total=self.total,
            states=tuple(Count(state.value, self.states[state]) for state in State),
            reasons=counts([(each.value, count) for each, count in self.reasons.items()]),
            outcomes=_table(self.outcomes),
            flips=_flips(self.flips, self.total - self.states[State.NOT_REPLAYABLE]),
            needs=_needs(self.needs),
            baseline=self._baseline(),
            revisions=_revisions(self.revisions, self.total),
            moved=tuple(Moved(*key, count) for key, count in sorted(self.moved.items())),
            left_out=_left_out(before, after),
            oldest=min((each.oldest for each in spans), default=None),
            newest=max((each.newest for each in spans), default=None),
        )

    def _baseline(self) -> Baseline:
        same, others = (
            {key: group for key, group in self.against.items() if key[0] is wanted}
            for wanted in (True, False)
        )
        return Baseline(
            self.agreed,
            sum(group.count for group in same.values()),
            _disagreements(same),
            sum(group.count for group in others.values()),
            _disagreements(others),
        )


def _group(recorded: Recorded, alike: Alike) -> _Group:
    name = (
        recorded.persona if recorded.variant is None else f"{recorded.persona}:{recorded.variant}"
    )
    return _Group(
        alike.count,
        alike.examples,
        Counter({name: alike.count}),
        Counter({recorded.audience: alike.count}),
    )


def _join(
    groups: dict[KeyT, _Group], key: KeyT, group: _Group, rules: frozenset[str] = frozenset()
) -> None:
    there = groups.setdefault(key, _Group())
    there.add(group)
    there.rules |= rules


def _join_all(groups: dict[KeyT, _Group], others: Mapping[KeyT, _Group]) -> None:
    for key, group in others.items():
        _join(groups, key, group)


def _put(spans: dict[str, _Span], name: str, span: _Span) -> None:
    there = spans.get(name)
    if there is None:
        spans[name] = _Span(span.count, span.oldest, span.newest)
    else:
        there.add(span)


def _table(outcomes: Mapping[tuple[Outcome, Outcome, State], int]) -> tuple[Turned, ...]:
    ranks, states = list(Outcome), list(State)
    ordered = sorted(
        outcomes.items(),
        key=lambda each: (
            ranks.index(each[0][0]),
            ranks.index(each[0][1]),
            states.index(each[0][2]),
        ),
    )
    return tuple(Turned(*key, count) for key, count in ordered)


def _flips(groups: Mapping[_FlipKey, _Group], of: int) -> tuple[Flip, ...]:
    made = []
    for (before, after, state, found), group in groups.items():
        share, interval = share_of(group.count, of)
        flip = Flip(
            before=before,
            after=after,
            state=state,
            causes=found,
            count=group.count,
            of=of,
            share=share,
            interval=interval,
            personas=counts(list(group.personas.items())),
            audiences=counts(list(group.audiences.items())),
            examples=group.ids,
        )
        made.append(flip)
    return tuple(sorted(made, key=flip_order))


def _needs(groups: Mapping[tuple[Asked, str], _Group]) -> tuple[Need, ...]:
    made = [
        Need(*asked, policy, tuple(sorted(group.rules)), group.count, group.ids)
        for (asked, policy), group in groups.items()
    ]
    return tuple(
        sorted(made, key=lambda each: (-each.count, each.detector, each.spec, each.policy))
    )


def _disagreements(groups: Mapping[_AgainstKey, _Group]) -> tuple[Disagreement, ...]:
    ordered = sorted(groups.items(), key=lambda each: (-each[1].count, *each[0]))
    return tuple(
        Disagreement(recorded, replayed, rules, group.count, group.ids)
        for (_, recorded, replayed, rules), group in ordered
    )


def _revisions(spans: Mapping[str, _Span], total: int) -> tuple[Revision, ...]:
    made = [
        Revision(catalog, span.count, span.count / total, span.oldest, span.newest)
        for catalog, span in spans.items()
    ]
    return tuple(sorted(made, key=lambda each: (-each.count, each.catalog)))


def _left_out(before: Rulebook, after: Rulebook) -> tuple[tuple[str, str], ...]:
    found = {
        (served.policy.id, rule)
        for book in (before, after)
        for served in book.served.values()
        for rule in served.rules.left_out
    }
    return tuple(sorted(found))
