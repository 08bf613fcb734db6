"""Whether some settings are as strict as others, for the forms that many detectors share."""

from collections.abc import Collection


def chooses_all_of(chosen: Collection[str], other: Collection[str]) -> bool:
    """Whether all that another choice is about is chosen; where none is named, all are."""
    return not chosen or (bool(other) and set(chosen) >= set(other))


def is_at_most(limit: float | None, other: float | None) -> bool:
    """Whether a limit lets no more through than another; without one all goes through."""
    return other is None or (limit is not None and limit <= other)
