"""A policy as a table: its rules by audience, and where each cell is written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from app.catalog.origins import Origins
from app.domain.catalog import Catalog, Source
from app.domain.policy import (
    Action,
    Mode,
    Policy,
    Rule,
    Step,
    Waiver,
    outage_under,
    rule_by_id,
    steps_under,
    waivers_on,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What a rule does for an audience today."""

    audience: str
    steps: tuple[Step, ...]
    """As waivers leave them; those that allow are left out."""
    written: tuple[Step, ...]
    """As the file says."""
    source: Source
    taken_from: str | None
    """The looser audience that is named in its place; none where this one is named, or
    all are alike."""
    waivers: tuple[Waiver, ...]
    """Those that hold today."""
    on_unchecked: Action


@dataclass(frozen=True, slots=True)
class Row:
    """A rule."""

    rule: Rule
    source: Source
    inherited_from: str | None
    """The policy that says it first; none where that is this one."""
    changed_here: bool
    """Whether this policy changes a part of a rule that it inherits."""
    cells: tuple[Cell, ...]

    @property
    def observes(self) -> bool:
        """Whether it only looks."""
        return self.rule.mode is Mode.OBSERVE


@dataclass(frozen=True, slots=True)
class Waived:
    """A waiver with its place and its time."""

    waiver: Waiver
    source: Source
    days_left: int
    """Below 0 where it is over."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A policy."""

    policy: Policy
    chain: tuple[str, ...]
    """This policy, its parent, and so on to the root."""
    personas: tuple[str, ...]
    """Those that are served under it."""
    rows: tuple[Row, ...]
    waivers: tuple[Waived, ...]


def matrix(catalog: Catalog, policy: Policy, today: date) -> Matrix:
    """The table of a policy on a day (UTC)."""
    origins = Origins(catalog)
    chain = tuple(_chain(catalog, policy))
    return Matrix(
        policy,
        tuple(each.id for each in chain),
        tuple(sorted(p.id for p in catalog.personas.values() if p.policy == policy.id)),
        tuple(_row(origins, chain, rule, today) for rule in policy.rules),
        tuple(
            Waived(
                waiver,
                origins.waiver(policy.id, waiver.rule, waiver.audience).source,
                (waiver.expires - today).days,
            )
            for waiver in policy.waivers
        ),
    )


def _chain(catalog: Catalog, policy: Policy) -> Iterator[Policy]:
    at: Policy | None = policy
    while at is not None:
        yield at
        at = catalog.policies.get(at.extends) if at.extends is not None else None


def _row(origins: Origins, chain: Sequence[Policy], rule: Rule, today: date) -> Row:
    policy = chain[0]
    said_by = [each.id for each in chain[1:] if rule_by_id(each.rules, rule.id) is not None]
    parts = ("id", "stages", "detect", "then", "mode", "on_unchecked", "timeout_ms", "append")
    written = {origins.rule(policy.id, rule.id, part).source.file for part in parts}
    return Row(
        rule,
        origins.rule(policy.id, rule.id, "id").source,
        said_by[-1] if said_by else None,
        bool(said_by) and f"policies/{policy.id}.yaml" in written,
        tuple(_cell(origins, policy, rule, audience, today) for audience in policy.audiences),
    )


def _cell(origins: Origins, policy: Policy, rule: Rule, audience: str, today: date) -> Cell:
    written = origins.then(policy.id, rule.id, audience)
    named = written.key.partition(".then.")[2]
    differs = len(set(rule.then.values())) > 1
    waivers = waivers_on(policy, rule.id, audience, today)
    steps = steps_under(rule.then[audience], waivers)
    return Cell(
        audience,
        tuple(step for step in steps if step.do is not Action.ALLOW),
        rule.then[audience],
        written.source,
        named if differs and named and named != audience else None,
        waivers,
        outage_under(rule.on_unchecked, waivers),
    )
