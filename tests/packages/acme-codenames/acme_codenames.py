"""Finds the names of projects that nobody outside should read."""

import hashlib

from app.domain.finding import CLEAN, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.passage import Passage


class CodenamesSettings(FileModel):
    """Which names to look for."""

    names: tuple[str, ...]
    """In any case of letters."""


class Codenames:
    """Finds each name wherever it stands."""

    name = "codenames"
    revision = "1"  # another one whenever it finds something else
    scope = Scope.RESPONSE  # it looks at whole texts
    shapes: tuple[str, ...] | None = None  # always
    left_context = 0

    def __init__(self, settings: CodenamesSettings) -> None:
        self.names = [name.lower() for name in settings.names]
        self.spec = hashlib.sha256("\0".join(self.names).encode()).hexdigest()[:16]

    def inspect(self, passage: Passage) -> Detection:
        """Every layer is read: the text as it is, without look-alike letters, decoded."""
        places = set()
        for layer in passage.layers:
            for name in self.names:
                at = layer.text.lower().find(name)
                while at >= 0:
                    places.add(layer.span(at, at + len(name)))
                    at = layer.text.lower().find(name, at + 1)
        if not places:
            return CLEAN
        why = "a name of a project"
        return Found(
            tuple(
                Finding(self.name, "project", 1.0, "", *place, self.revision, why, self.spec)
                for place in sorted(places)
            )
        )


KIND = DetectorKind(
    name="codenames",
    summary="Finds the names of projects.",
    settings=CodenamesSettings,
    build=Codenames,
    selects=lambda _settings, _finding: True,
    is_as_strict=lambda settings, other: set(settings.names) >= set(other.names),
)
