"""Find what authors describe by patterns of their own."""

from typing import Annotated

from pydantic import Field

from app.domain.errors import DetectorError
from app.domain.finding import Finding
from app.domain.persona import FileModel
from app.guardrails.detector import DetectorKind
from app.guardrails.matches import MatchDetector, Term, spec_digest
from app.guardrails.shapes import Shape

_REVISION = "1"


class Pattern(FileModel):
    """One pattern."""

    id: Annotated[str, Field(min_length=1)]
    """What a match is called: the category of its findings."""
    regex: Annotated[str, Field(min_length=1)]
    r"""RE2 syntax. The longest match counts. ``\b``, ``\w`` and ``\d`` are ASCII, so a word
    boundary stands between a Latin letter and a Chinese one."""
    ignore_case: bool = False
    """Whether capital and small letters are the same."""
    max_match: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Longer matches do not count, in code points. A pattern that has no bound of its own, as
    ``.*`` and ``+`` have none, needs it to be followed in a stream: without it, the whole answer
    is held until its end."""


class PatternsSettings(FileModel):
    """What to look for."""

    patterns: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    """Each is looked for on its own, in the text as it is and in its other readings."""


def _build(settings: PatternsSettings) -> MatchDetector:
    ids = [pattern.id for pattern in settings.patterns]
    if twice := {id_ for id_ in ids if ids.count(id_) > 1}:
        raise DetectorError(f"patterns: the id {min(twice)!r} is given twice; rename one")
    terms = []
    for pattern in settings.patterns:
        source = f"(?i){pattern.regex}" if pattern.ignore_case else pattern.regex
        try:
            terms.append(Term(pattern.id, Shape(source, max_match=pattern.max_match)))
        except DetectorError as exc:
            raise DetectorError(f"patterns: {pattern.id}: {exc}") from None
    return MatchDetector("patterns", _REVISION, spec_digest(settings.model_dump()), terms)


def _selects(_settings: PatternsSettings, _finding: Finding) -> bool:
    return True  # every setting changes what is looked for, so the spec tells them apart


def _is_as_strict(settings: PatternsSettings, other: PatternsSettings) -> bool:
    """Whether every pattern of ``other`` is there, with the same bound, ignoring case or not."""
    there = {
        (pattern.regex, pattern.ignore_case, pattern.max_match) for pattern in settings.patterns
    }
    return all(
        (pattern.regex, True, pattern.max_match) in there
        or (pattern.regex, pattern.ignore_case, pattern.max_match) in there
        for pattern in other.patterns
    )


KIND = DetectorKind(
    name="patterns",
    summary="Finds what your own patterns match, in time linear in the text.",
    settings=PatternsSettings,
    build=_build,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
    categories=lambda settings: [pattern.id for pattern in settings.patterns],
)
