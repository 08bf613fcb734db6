"""A catalog, compiled: what a request needs is looked up, never made."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn, assert_never

from app.compose.compose import ComposedPrompt
from app.domain.catalog import Catalog, Route
from app.domain.errors import RequestError
from app.domain.persona import Persona
from app.domain.rollout import PlannedRollout
from app.domain.wanted import Embeddings, Pictures, TextAnswer, Wanted
from app.guardrails.behaviours import PlannedBehaviour
from app.guardrails.plan import PolicyPlan

_ALL = 100.0


@dataclass(frozen=True, slots=True)
class Served:
    """A persona, or one of its variants, with all that serving it takes."""

    persona: Persona
    variant: str | None
    prompt: ComposedPrompt
    plan: PolicyPlan
    behaviours: tuple[PlannedBehaviour, ...]
    """Those that are measured."""
    route: Route
    embeddings: Route | None = None
    images: Route | None = None

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every way that its requests may go."""
        return tuple(each for each in (self.route, self.embeddings, self.images) if each)

    def route_to(self, wanted: Wanted) -> Route:
        """The way to what is wanted.

        Raises:
            RequestError: The persona's file names none.
        """
        match wanted:
            case TextAnswer():
                return self.route
            case Embeddings():
                return self.embeddings or _nowhere("embeddings")
            case Pictures():
                return self.images or _nowhere("images")
            case _ as never:
                assert_never(never)


def _nowhere(key: str) -> NoReturn:
    what = f"model: this persona takes no requests for {key}"
    remedy = f"'{key}: {{route: ...}}' in its file would say where they go"
    raise RequestError(f"{what}; {remedy}", param="model", code="no_route")


@dataclass(frozen=True, slots=True)
class Split:
    """The shares of a persona's variants in the range from 0 to 100 of a session's draw.

    Those with a share of their own stand at the beginning, in the order of the file; the one that
    is rolled out stands at the end. What lies between is the persona's as it is. So a rollout takes
    sessions from the persona alone, and a variant that grows moves sessions into itself and up the
    file, never out of itself.
    """

    persona: str
    served: tuple[Served, ...]
    bounds: tuple[float, ...]
    """Where the share of each ends."""
    rollout: str | None = None
    """The id of the rollout."""
    rolled_out: Served | None = None

    def of(self, draw: float, shares: Mapping[str, float]) -> Served | None:
        """The variant that a draw falls to; none is the persona as it is.

        Args:
            draw: In [0, 100).
            shares: How far each rollout has come, by its id; one that is not there has not begun.
        """
        if self.rolled_out is not None and self.rollout is not None:
            percent = shares.get(self.rollout, 0.0)
            if draw >= round(_ALL - percent, 6):
                return self.rolled_out
        at = bisect_right(self.bounds, draw)
        return self.served[at] if at < len(self.served) else None


@dataclass(frozen=True, slots=True)
class Shadow:
    """A variant that runs beside a share of exchanges, for nobody to see."""

    served: Served
    percent: float


@dataclass(frozen=True, slots=True)
class Loaded:
    """One catalog revision, ready to serve. A request keeps the one it began with."""

    catalog: Catalog
    served: Mapping[tuple[str, str | None], Served]
    """By persona and variant."""
    plans: Mapping[str, PolicyPlan]
    """By policy, also of policies that no persona uses."""
    routes: Mapping[str, Route]
    """Every route, as it is served."""
    splits: Mapping[str, Split] = field(default_factory=dict)
    """Of the personas that share their sessions with variants."""
    shadows: Mapping[str, tuple[Shadow, ...]] = field(default_factory=dict)
    """Of the personas that have any."""
    rollouts: Mapping[str, PlannedRollout] = field(default_factory=dict)
    """By persona."""

    def find(self, persona: str, variant: str | None) -> Served:
        """The persona or variant.

        Raises:
            RequestError: There is none; the message names neither what was asked for nor others.
        """
        found = self.served.get((persona, variant))
        if found is None:
            what = "persona" if (persona, None) not in self.served else "variant of this persona"
            raise RequestError(
                f"model: there is no such {what}; GET /v1/models lists what this key may use",
                param="model",
                code="model_not_found",
            )
        return found

    def plan(self, policy: str) -> PolicyPlan:
        """The policy's plan.

        Raises:
            RequestError: There is no such policy.
        """
        found = self.plans.get(policy)
        if found is None:
            raise RequestError(
                "policy: there is no such policy; name a persona instead, or a file of policies/",
                param="policy",
                code="not_found",
            )
        return found
