"""What the catalog must know of its siblings, which ``main`` passes in."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from app.domain.catalog import Prompt
from app.domain.persona import FileModel
from app.domain.policy import Stage


class DetectorKind(Protocol):
    """A kind of detector, as far as files are concerned: ``app.guardrails`` has the whole of it."""

    @property
    def name(self) -> str:
        """What files call it."""
        ...

    @property
    def summary(self) -> str:
        """One sentence on what it finds."""
        ...

    @property
    def settings(self) -> type[FileModel]:
        """What may be written under ``detect: {name: …}``."""
        ...

    @property
    def is_as_strict(self) -> Callable[[Any, Any], bool]:
        """Whether the first settings find at least all that the second ones find."""
        ...

    @property
    def categories(self) -> Callable[[Any], Collection[str]] | None:
        """Every category that findings for these settings may have; none where not known."""
        ...

    @property
    def stages(self) -> frozenset[Stage]:
        """Where it has something to look at."""
        ...


class PromptInspector(Protocol):
    """Looks into a template without rendering it."""

    def __call__(self, prompt_id: str, prompts: Mapping[str, Prompt], /) -> frozenset[str]:
        """The names of the variables that the template, with all it includes, wants declared.

        Raises:
            ContentError: The template is not one, or includes what is not there.
        """
        ...


def accept_settings(_detector: str, _settings: FileModel) -> None:
    """Find nothing wrong with a detector's settings beyond what their model says."""


@dataclass(frozen=True, slots=True)
class Siblings:
    """What the catalog asks its siblings while it reads."""

    detectors: Mapping[str, DetectorKind]
    """By name."""
    inspect_prompt: PromptInspector
    validate: Callable[[str, FileModel], object] = accept_settings
    """Called with a detector's name and settings; raises ``DetectorError`` where it could not be
    built from them, such as for a pattern that its engine cannot run."""
    surrogates: frozenset[str] = frozenset()
    """Kinds of values for which there are surrogates."""
    metrics: frozenset[str] = frozenset()
    """Product metrics that suites may name; one that ends in ``:`` takes a behaviour after it."""
