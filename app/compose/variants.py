"""Where the values that a variant changes are written."""

from collections.abc import Iterator, Mapping, Sequence

from app.domain.conversation import Json
from app.domain.persona import Persona


def written_at(persona: Persona, changed: Persona, variant: str) -> Mapping[str, str]:
    """Path in the changed persona to path in the file, for each value that the variant sets.

    Args:
        persona: As its file says.
        changed: With the variant's changes.
        variant: The id of one of the persona's variants.
    """
    index = [each.id for each in persona.variants].index(variant)
    whole = changed.model_dump(mode="json")
    return dict(_paths(persona.variants[index].set, whole, "", f"variants[{index}].set"))


def _paths(change: Json, changed: Json, here: str, there: str) -> Iterator[tuple[str, str]]:
    yield here, there
    if isinstance(change, Mapping):
        for key, value in change.items():
            at = f"{here}.{key}" if here else key
            yield from _paths(value, changed[key], at, f"{there}.{key}")
    elif isinstance(change, Sequence) and not isinstance(change, str):
        for index, value in enumerate(change):
            place = _place(value, index, changed)
            yield from _paths(value, changed[place], f"{here}[{place}]", f"{there}[{index}]")


def _place(item: Json, index: int, changed: Sequence[Json]) -> int:
    """Things with an id are merged by it; other lists are replaced."""
    if isinstance(item, Mapping) and "id" in item:
        return [each["id"] for each in changed].index(item["id"])
    return index
