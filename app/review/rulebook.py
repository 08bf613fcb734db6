"""What decides in a project, without what runs it: replaying needs no detector and no model."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.catalog import Catalog
from app.domain.persona import Behaviour
from app.domain.policy import Policy
from app.guardrails.ruled import Asked, PolicyRules, asked
from app.pipeline.loaded import Loaded, Served


@dataclass(frozen=True, slots=True)
class RuledBehaviour:
    """A behaviour that is measured."""

    behaviour: Behaviour
    percent: float
    """On which share of answers."""
    asked: Asked


@dataclass(frozen=True, slots=True)
class ServedRules:
    """What decides about a persona's exchanges, or a variant's."""

    rules: PolicyRules
    behaviours: tuple[RuledBehaviour, ...]

    @property
    def policy(self) -> Policy:
        """The policy that it is served under."""
        return self.rules.policy

    def decides_as(self, other: "ServedRules") -> bool:
        """Whether nothing can be decided otherwise, whatever is seen."""
        ours, theirs = self.policy, other.policy
        return (ours.id, ours.audiences, ours.rules, ours.waivers, self.behaviours) == (
            theirs.id,
            theirs.audiences,
            theirs.rules,
            theirs.waivers,
            other.behaviours,
        )


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What decides in one revision of a project."""

    catalog: Catalog
    """Says where things are written."""
    served: Mapping[tuple[str, str | None], ServedRules]
    """By persona and variant."""


def rulebook(loaded: Loaded) -> Rulebook:
    """What decides in a project that is ready to serve."""
    rules = {id(plan): plan.rules() for plan in loaded.plans.values()}
    return Rulebook(
        loaded.catalog,
        {key: _served(served, rules[id(served.plan)]) for key, served in loaded.served.items()},
    )


def _served(served: Served, rules: PolicyRules) -> ServedRules:
    behaviours = tuple(
        RuledBehaviour(each.behaviour, each.percent, asked(each.run.ref))
        for each in served.behaviours
    )
    return ServedRules(rules, behaviours)
