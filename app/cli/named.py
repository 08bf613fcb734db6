"""What a command is given by name: found, or refused with the names that there are."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from app.guardrails.plan import PolicyPlan
    from app.pipeline.loaded import Loaded, Served


def plan_named(loaded: "Loaded", policy: str) -> "PolicyPlan":
    """The plan of a policy.

    Raises:
        BadParameter: There is no such policy.
    """
    from app.catalog.wording import unknown

    if policy not in loaded.plans:
        said = unknown("policy", policy, sorted(loaded.plans))
        raise typer.BadParameter(said, param_hint="policy")
    return loaded.plans[policy]


def served_named(loaded: "Loaded", name: str) -> "Served":
    """A persona, or one of its variants as ``persona:variant``.

    Raises:
        BadParameter: There is no such persona or variant.
    """
    from app.catalog.wording import unknown

    persona, _, variant = name.partition(":")
    if persona not in loaded.catalog.personas:
        known = sorted(loaded.catalog.personas)
        raise typer.BadParameter(unknown("persona", persona, known), param_hint="persona")
    served = loaded.served.get((persona, variant or None))
    if served is None:
        known = [each.id for each in loaded.catalog.personas[persona].variants]
        raise typer.BadParameter(unknown("variant", variant, known), param_hint="persona")
    return served
