"""A persona as one of its variants changes it."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from app.compose.nearest import remedy
from app.domain.conversation import Json
from app.domain.errors import ContentError, Problem
from app.domain.persona import Persona


def with_variant(
    persona: Persona, variant: str | None, file: str
) -> tuple[Persona, Mapping[str, str]]:
    """The persona with the variant's settings merged over it, as ``extends`` merges.

    Returns:
        The persona, and for each value that the variant sets its path in the merged persona to
        its path in the file.

    Raises:
        ContentError: There is no such variant, or what it sets is no persona.
    """
    if variant is None:
        return persona, {}
    ids = [each.id for each in persona.variants]
    if variant not in ids:
        what = f"there is no variant '{variant}'; {remedy(variant, ids)}"
        raise ContentError([Problem(file, 0, 0, "variants", what)])
    index = ids.index(variant)
    path = f"variants[{index}].set"
    written_at: dict[str, str] = {}
    merged = _merge(
        persona.model_dump(mode="json"), persona.variants[index].set, ("", path), written_at
    )
    try:
        return Persona.model_validate(merged), written_at
    except ValidationError as exc:
        raise ContentError(
            [
                Problem(file, 0, 0, f"{path}{_path(error['loc'])}", error["msg"])
                for error in exc.errors(include_input=False, include_url=False)
            ]
        ) from exc


def _merge(base: Json, over: Json, paths: tuple[str, str], written_at: dict[str, str]) -> Json:
    """``over`` merged over ``base``. ``paths``: where that is, in the persona and in the file."""
    here, there = paths
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        merged = dict(base)
        for key, value in over.items():
            at = (f"{here}.{key}" if here else key, f"{there}.{key}")
            merged[key] = _merge(base.get(key), value, at, written_at)
        return merged
    if _has_ids(base) and _has_ids(over):
        items = list(base)
        places = {item["id"]: index for index, item in enumerate(items)}
        for index, item in enumerate(over):
            place = places.setdefault(item["id"], len(items))
            if place == len(items):
                items.append({})
            at = (f"{here}[{place}]", f"{there}[{index}]")
            items[place] = _merge(items[place], item, at, written_at)
        return items
    _note(over, paths, written_at)
    return over


def _note(value: Json, paths: tuple[str, str], written_at: dict[str, str]) -> None:
    here, there = paths
    written_at[here] = there
    if isinstance(value, Mapping):
        for key, item in value.items():
            _note(item, (f"{here}.{key}", f"{there}.{key}"), written_at)
    elif _is_list(value):
        for index, item in enumerate(value):
            _note(item, (f"{here}[{index}]", f"{there}[{index}]"), written_at)


def _has_ids(value: Json) -> bool:
    return _is_list(value) and all(isinstance(item, Mapping) and "id" in item for item in value)


def _is_list(value: Json) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _path(loc: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
