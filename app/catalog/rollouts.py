"""Which rollouts the files plan, each with the one name of what it compares."""

import hashlib
from collections.abc import Mapping

from app.catalog.digest import canonical
from app.domain.catalog import Catalog
from app.domain.conversation import Json
from app.domain.persona import Persona
from app.domain.rollout import PlannedRollout

_SAYS_NOTHING = frozenset({"description", "owner", "variants", "rollout"})
"""What changes nothing that is served, and the shares of others."""


def rollouts_of(catalog: Catalog) -> dict[str, PlannedRollout]:
    """The rollouts of a catalog, by persona.

    A rollout's id is a digest of its plan and of what the persona and the variant serve, their
    templates and knowledge among it: what was seen before a change says nothing of after. Policies
    and routes are not part of it: they hold for both sides alike, and change without notice.
    """
    return {
        name: PlannedRollout(_id_of(catalog, persona), name, persona.rollout)
        for name, persona in catalog.personas.items()
        if persona.rollout is not None
    }


def _id_of(catalog: Catalog, persona: Persona) -> str:
    if persona.rollout is None:
        raise TypeError("this persona plans no rollout")
    varied = catalog.variants[persona.id, persona.rollout.variant]
    content = {
        "plan": persona.rollout.model_dump(mode="json"),
        "control": _served(catalog, persona),
        "variant": _served(catalog, varied),
        # Any template may include any of these.
        "parts": {n: each.text for n, each in catalog.prompts.items() if n.endswith(".j2")},
    }
    return hashlib.sha256(canonical(content)).hexdigest()[:32]


def _served(catalog: Catalog, persona: Persona) -> Mapping[str, Json]:
    return {
        "persona": persona.model_dump(mode="json", exclude=set(_SAYS_NOTHING)),
        "prompt": catalog.prompts[persona.prompt].text,
        "knowledge": [catalog.knowledge[path] for path in persona.knowledge],
    }
