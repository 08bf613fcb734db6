"""What a detector saw, and where."""

from dataclasses import dataclass

FLOOR = 0.1
"""Findings that score lower are not kept: the record's fixed floor, whatever policy says."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a detector saw. Holds no text, so that it can be recorded as it is."""

    detector: str
    """The detector's name, such as ``pii``."""
    category: str
    """The detector's own word for the kind, such as ``EMAIL_ADDRESS`` or ``jailbreak``."""
    score: float
    """How sure the detector is, in [0, 1]."""
    path: str
    """The message and part, as the client's dialect names it, such as ``messages[1].content``."""
    start: int
    """First code point, counted in the original text of ``path``."""
    end: int
    """One past the last code point."""
    revision: str
    """Revision of the detector's code or weights."""
    explanation: str = ""
    """Why, in words that quote nothing of the text."""
    spec: str = ""
    """Digest of the settings that change what is looked for; empty where the detector has none."""


@dataclass(frozen=True, slots=True)
class Clean:
    """The detector ran over the whole text and saw nothing at or above the floor."""


@dataclass(frozen=True, slots=True)
class Found:
    """The detector ran over the whole text and saw these, ordered by start."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Unchecked:
    """The detector did not run to its end. Never to be read as clean."""

    reason: str
    """Why, in words that quote nothing of the text."""


Detection = Clean | Found | Unchecked

CLEAN = Clean()
