"""Kinds of detectors that other installed packages bring, by entry points."""

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from app.domain.errors import ContentError, DetectorError, Problem
from app.domain.persona import FileModel
from app.guardrails.detector import DetectorKind
from app.guardrails.kinds import KINDS

GROUP = "banneton.detectors"
"""The group of entry points; each names a ``DetectorKind``, under the kind's own name."""


def installed_kinds(names: Sequence[str]) -> Mapping[str, DetectorKind[Any]]:
    """The kinds of these names, loaded. Nothing of a package that is not named is imported.

    Raises:
        ContentError: A name is taken, or no package gives such a kind, or it is none.
    """
    kinds: dict[str, DetectorKind[Any]] = {}
    problems: list[Problem] = []
    for index, name in enumerate(names):
        try:
            kinds[name] = _load(name)
        except DetectorError as exc:
            problems.append(Problem("banneton.yaml", 0, 0, f"detectors[{index}]", str(exc)))
    if problems:
        raise ContentError(problems)
    return kinds


def _load(name: str) -> DetectorKind[Any]:
    if name in KINDS:
        raise DetectorError(
            f"is '{name}', which is built in; a detector of yours needs another name"
        )
    found = [*entry_points(group=GROUP, name=name)]
    if not found:
        there = ", ".join(sorted(entry_points(group=GROUP).names)) or "none"
        raise DetectorError(f"is '{name}', which no installed package gives; there are ({there})")
    if len(found) > 1:
        raise DetectorError(
            f"is '{name}', which more than one installed package gives; uninstall the others"
        )
    try:
        kind = found[0].load()
    except Exception as exc:
        what = f"is '{name}', and its package cannot be imported: {type(exc).__name__}"
        raise DetectorError(what) from exc
    if not isinstance(kind, DetectorKind) or not issubclass(kind.settings, FileModel):
        raise DetectorError(f"is '{name}', and what its package gives is no DetectorKind")
    if kind.name != name:
        raise DetectorError(f"is '{name}', and its package calls the detector by another name")
    return kind
