"""The immutable, validated, content-addressed snapshot of all that people wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from app.domain.data_use import DataUse
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


class Feature(StrEnum):
    """What a request may need that not every model has."""

    TOOLS = "tools"
    IMAGES = "images"
    """Pictures that it looks at."""
    FILES = "files"
    JSON_SCHEMA = "json_schema"
    REASONING = "reasoning"
    EMBEDDINGS = "embeddings"
    """Vectors of texts."""
    PICTURES = "pictures"
    """Pictures that it makes."""
    CHOICES = "choices"
    """Several answers to one request."""
    LOGPROBS = "logprobs"
    """Tokens, and how likely each of them was."""


@dataclass(frozen=True, slots=True)
class When:
    """Which requests a target takes; what is left empty takes all."""

    audience: tuple[str, ...] = ()
    persona: tuple[str, ...] = ()
    max_context_tokens: int | None = None
    """Of the system prompt and everything that the client sent, by our estimate."""

    def takes(self, persona: str, audience: str) -> bool:
        """Whether it takes a persona's requests for an audience, if nothing else is against it."""
        return (not self.persona or persona in self.persona) and (
            not self.audience or audience in self.audience
        )


@dataclass(frozen=True, slots=True)
class Target:
    """One model on one backend."""

    backend: str
    """A backend's id in ``banneton.yaml``."""
    model: str
    weight: float = 1
    """Its share among the targets that take a request."""
    when: When = When()
    lacks: frozenset[Feature] = frozenset()
    """It takes no request that needs one of these."""


@dataclass(frozen=True, slots=True)
class Route:
    """A named way to a model."""

    id: str
    targets: tuple[Target, ...]
    """One is drawn, by weight."""
    fallbacks: tuple[Target, ...] = ()
    """Asked in this order where the one that was drawn fails before it has said anything."""
    retries: int = 0
    """How often a target is asked again before the next one is."""
    deadline_ms: int | None = None
    """From the first call to the first event of an answer, over all targets."""
    provider_may: frozenset[DataUse] = frozenset()
    """What its providers may do with what they are sent, beyond answering."""

    @property
    def all_targets(self) -> tuple[Target, ...]:
        """Every model that it may lead to."""
        return (*self.targets, *self.fallbacks)


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
