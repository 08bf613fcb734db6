"""One thing that a change of files changes, and which way."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from app.domain.catalog import Source
from app.domain.policy import Action, Stage, is_at_least


class Effect(StrEnum):
    """Which way a change goes, worst first."""

    WEAKER = "weaker"
    """Something is treated less strictly, or cannot be shown not to be."""
    CHANGED = "changed"
    """Neither stricter nor weaker: actions that cannot be compared, words, models."""
    STRICTER = "stricter"
    """Something is treated more strictly."""
    COSMETIC = "cosmetic"
    """A file reads differently and means the same."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different in meaning."""

    effect: Effect
    concern: str
    """Which key it is about, such as ``then``."""
    what: str
    rule: str = ""
    audiences: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    keys: tuple[str, ...] = ()
    """Where in the persona's or policy's file, where no rule says it."""


@dataclass(frozen=True, slots=True)
class Located:
    """A change, whom it concerns, and where it is written."""

    change: Change
    policies: tuple[str, ...] = ()
    personas: tuple[str, ...] = ()
    """Those that it is about; for a policy's change, those served under it."""
    source: Source | None = None


def way(after: Action, before: Action) -> Effect | None:
    """Which way an action changes; none where it stays."""
    if after is before:
        return None
    if is_at_least(after, before):
        return Effect.STRICTER
    return Effect.WEAKER if is_at_least(before, after) else Effect.CHANGED


def listed(names: Iterable[str]) -> str:
    """Names as a sentence has them."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
