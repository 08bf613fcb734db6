"""From a catalog to all that requests need of it, made once at load."""

from collections.abc import Mapping
from itertools import accumulate

from app.catalog.rollouts import rollouts_of
from app.compose.compose import compile_prompt
from app.domain.catalog import Catalog, Route
from app.domain.persona import Persona
from app.domain.rollout import PlannedRollout
from app.guardrails.behaviours import plan_behaviours
from app.guardrails.plan import Builds, PolicyPlan
from app.pipeline.loaded import Loaded, Served, Shadow, Split


def serve(
    catalog: Catalog,
    plans: Mapping[str, PolicyPlan],
    routes: Mapping[str, Route],
    builds: Builds,
) -> Loaded:
    """A catalog, ready to serve.

    Args:
        catalog: What the files mean.
        plans: Of its policies.
        routes: As they are served.
        builds: Detectors that were built already.

    Raises:
        ContentError: What only shows when it is put together.
    """
    versions: dict[tuple[str, str | None], Persona] = {
        (name, None): persona for name, persona in catalog.personas.items()
    }
    versions.update({(name, variant): each for (name, variant), each in catalog.variants.items()})
    served: dict[tuple[str, str | None], Served] = {}
    for (name, variant), persona in versions.items():
        ways = {place: routes[route] for place, route in persona.routes.items()}
        served[name, variant] = Served(
            persona=persona,
            variant=variant,
            prompt=compile_prompt(catalog.personas[name], catalog, variant=variant),
            plan=plans[persona.policy],
            behaviours=plan_behaviours(persona, builds),
            route=ways["route"],
            embeddings=ways.get("embeddings.route"),
            images=ways.get("images.route"),
        )
    rollouts = rollouts_of(catalog)
    return Loaded(
        catalog,
        served,
        plans,
        routes,
        splits=_splits(catalog, served, rollouts),
        shadows=_shadows(catalog, served),
        rollouts=rollouts,
    )


Versions = Mapping[tuple[str, str | None], Served]
"""By persona and variant."""


def _splits(
    catalog: Catalog, served: Versions, rollouts: Mapping[str, PlannedRollout]
) -> dict[str, Split]:
    """The split of each persona that has one."""
    splits: dict[str, Split] = {}
    for name, persona in catalog.personas.items():
        sharing = [each for each in persona.variants if each.percent and not each.shadow]
        planned = rollouts.get(name)
        if sharing or planned is not None:
            splits[name] = Split(
                name,
                tuple(served[name, each.id] for each in sharing),
                tuple(round(end, 6) for end in accumulate(each.percent for each in sharing)),
                None if planned is None else planned.id,
                None if planned is None else served[name, planned.plan.variant],
            )
    return splits


def _shadows(catalog: Catalog, served: Versions) -> dict[str, tuple[Shadow, ...]]:
    """The shadows of each persona that has any."""
    found = {
        name: tuple(
            Shadow(served[name, each.id], each.percent)
            for each in persona.variants
            if each.shadow and each.percent
        )
        for name, persona in catalog.personas.items()
    }
    return {name: shadows for name, shadows in found.items() if shadows}
