"""Why an exchange is decided otherwise after a change: what reads differently, and where."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.catalog.origins import Origins, Written
from app.domain.decision import Outcome, severest
from app.domain.policy import Rule, rule_by_id, waivers_on
from app.review.redecide import Decided
from app.review.replayed import Cause
from app.review.rulebook import Rulebook, RuledBehaviour

_Made = Mapping[str, Outcome]
"""What each rule, or each behaviour, makes of an exchange."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Which exchanges a cause is about."""

    persona: str
    variant: str | None
    audience: str
    at: datetime


def causes(before: Decided, after: Decided, whose: Whose, book: Rulebook) -> tuple[Cause, ...]:
    """What makes the second outcome another one than the first, by what the change reads.

    Args:
        before: By the rules before the change.
        after: By those after it.
        whose: Whose exchange it is.
        book: After the change; says where things are written.
    """
    made = _by_rule(before), _by_rule(after)
    differ = _Differences(before, after, whose, book)
    found = [
        cause
        for name in _deciding(*made, before.outcome, after.outcome)
        if (cause := differ.of_rule(name, *_of(made, name))) is not None
    ]
    said = before.behaviours, after.behaviours
    found += [
        cause
        for name in _deciding(*said, before.outcome, after.outcome)
        if (cause := differ.of_behaviour(name, *_of(said, name))) is not None
    ]
    return tuple(sorted(found)) if found else (differ.at_all(),)


def _by_rule(decided: Decided) -> dict[str, Outcome]:
    made: dict[str, Outcome] = {}
    for part in decided.parts:
        for ruling in part.rulings:
            so_far = made.get(ruling.rule.id, Outcome.ALLOW)
            made[ruling.rule.id] = severest(so_far, ruling.outcome)
    return made


def _of(made: tuple[_Made, _Made], name: str) -> tuple[Outcome, Outcome]:
    was, now = (each.get(name, Outcome.ALLOW) for each in made)
    return was, now


def _deciding(before: _Made, after: _Made, was: Outcome, now: Outcome) -> Iterator[str]:
    """Those that made an outcome what it was or is, and do something else in the other."""
    for name in dict.fromkeys((*before, *after)):
        theirs, ours = _of((before, after), name)
        if theirs is not ours and (theirs is was or ours is now):
            yield name


class _Differences:
    """What reads differently for one exchange."""

    def __init__(self, before: Decided, after: Decided, whose: Whose, book: Rulebook) -> None:
        self._before = before.served
        self._after = after.served
        self._whose = whose
        self._catalog = book.catalog
        self._origins = Origins(book.catalog)
        self._policy = after.served.policy.id

    def of_rule(self, name: str, was: Outcome, now: Outcome) -> Cause | None:
        """What of a rule; none where it reads the same for this exchange."""
        ours = rule_by_id(self._after.policy.rules, name)
        theirs = rule_by_id(self._before.policy.rules, name)
        if ours is None:
            found = "rules", f"is gone; it did '{was}'", self._origins.policy(self._policy, "rules")
        elif theirs is None:
            written = self._origins.rule(self._policy, name)
            found = "rules", f"is new; it does '{now}'", written
        else:
            key = next(iter(self._keys(ours, theirs, Outcome.UNCHECKED in {was, now})), None)
            if key is None:
                return None
            found = key, f"'{was}' becomes '{now}'", self._written(name, key)
        if self._before.policy.id != self._policy:
            return self._moved(name, found[1])
        return self._cause(name, *found)

    def of_behaviour(self, name: str, was: Outcome, now: Outcome) -> Cause | None:
        """What of a behaviour; none where it reads the same."""
        ours, theirs = (_behaviour(each.behaviours, name) for each in (self._after, self._before))
        if ours == theirs:
            return None
        persona = self._whose.persona
        written = self._origins.persona(persona, "behaviours")
        ids = [each.id for each in self._catalog.personas[persona].behaviours]
        if name in ids:
            written = self._origins.persona(persona, f"behaviours[{ids.index(name)}]", "on_fail")
        what = f"'{was}' becomes '{now}'" if ours and theirs else "is new" if ours else "is gone"
        return self._cause(name, "behaviours", what, written)

    def at_all(self) -> Cause:
        """Where no single rule or behaviour tells."""
        if self._before.policy.id != self._policy:
            return self._moved("", "its rules decide together")
        return self._cause(
            "", "rules", "the rules decide together", self._origins.policy(self._policy)
        )

    def _keys(self, ours: Rule, theirs: Rule, is_outage: bool) -> Iterator[str]:  # noqa: FBT001  # read once
        audience, day = self._whose.audience, self._whose.at.date()
        if is_outage and ours.on_unchecked is not theirs.on_unchecked:
            yield "on_unchecked"
        if ours.then.get(audience) != theirs.then.get(audience):
            yield "then"
        waivers = [
            waivers_on(each.policy, ours.id, audience, day) for each in (self._after, self._before)
        ]
        if waivers[0] != waivers[1]:
            yield "waivers"
        if ours.enforced_percent != theirs.enforced_percent:
            yield "mode"
        if ours.detect != theirs.detect:
            yield "detect"
        if ours.stages != theirs.stages:
            yield "stages"

    def _written(self, rule: str, key: str) -> Written:
        policy, audience = self._policy, self._whose.audience
        match key:
            case "then":
                return self._origins.then(policy, rule, audience)
            case "mode":
                return self._origins.acts(policy, rule)
            case "waivers":
                listed = {(each.rule, each.audience) for each in self._after.policy.waivers}
                if (rule, audience) in listed:
                    return self._origins.waiver(policy, rule, audience)
                return self._origins.policy(policy, "waivers")
            case _:
                return self._origins.rule(policy, rule, key)

    def _moved(self, name: str, what: str) -> Cause:
        whose, was = self._whose, self._before.policy.id
        is_own = self._catalog.personas[whose.persona].policy == self._policy
        written = self._origins.persona(whose.persona, "policy" if is_own else "variants")
        return self._cause(name, "policy", f"served under it instead of '{was}': {what}", written)

    def _cause(self, name: str, concern: str, what: str, written: Written) -> Cause:
        source = written.source
        return Cause(name, concern, what, self._policy, source.file, source.line)


def _behaviour(behaviours: Iterable[RuledBehaviour], name: str) -> RuledBehaviour | None:
    return next((each for each in behaviours if each.behaviour.id == name), None)
