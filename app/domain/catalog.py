"""The immutable, validated, content-addressed snapshot of all that people wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.persona import Persona
from app.domain.policy import Policy


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value stands in a file."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """A Jinja template as text; ``prompts/assistant.md.j2`` has the id ``assistant``."""

    id: str
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Route:
    """A named way to a model."""

    id: str
    backend: str
    """A backend's id in ``banneton.yaml``."""
    model: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """One revision of everything. A request keeps the catalog it began with."""

    digest: str
    """``sha256:`` and 64 hexadecimal digits, the same on every machine for the same content."""
    personas: Mapping[str, Persona]
    policies: Mapping[str, Policy]
    prompts: Mapping[str, Prompt]
    routes: Mapping[str, Route]
    knowledge: Mapping[str, str]
    """Text by path, as personas name it."""
    sources: Mapping[tuple[str, str], Source] = field(default_factory=dict)
    """Where values stand: (file, path in it) to line and column, for provenance and explain.
    The path is that of the merged persona or policy; the source names the file that a value was
    inherited from."""
    variants: Mapping[tuple[str, str], Persona] = field(default_factory=dict)
    """Each persona with one variant's changes, by the ids of persona and variant."""
