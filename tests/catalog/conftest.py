"""A good catalog to change, and detectors that know their settings and find nothing."""

import re
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import re2
from pydantic import Field

from app.catalog.cases import Cases, read_cases
from app.catalog.contracts import Siblings
from app.catalog.read import read_catalog
from app.domain.catalog import Catalog, Prompt
from app.domain.errors import ContentError, DetectorError, Problem
from app.domain.persona import FileModel
from app.domain.policy import Stage
from app.metrics.definitions import METRICS
from app.pipeline.gates import GATE_METRICS

CASES = Path(__file__).parent.parent / "cases" / "bad_catalogs"
GOOD = CASES / "_good"


class Injection(FileModel):
    """Settings of a detector that has only one way to run."""


class Words(FileModel):
    """Settings of a detector of words."""

    words: Annotated[tuple[str, ...], Field(min_length=1)]
    """The words."""
    match: str = "whole"
    """How they match."""


class Pattern(FileModel):
    """A named pattern."""

    id: str
    """Its name."""
    regex: str
    """An RE2 pattern."""


class Patterns(FileModel):
    """Settings of a detector of patterns."""

    patterns: tuple[Pattern, ...]
    """The patterns."""


class Judge(FileModel):
    """Settings of a detector that asks a model."""

    question: str
    """The question."""
    route: str = "judge"
    """Whom to ask."""
    expect: str = "no"
    """What the answer should be."""


class Webhook(FileModel):
    """Settings of a detector that asks a service."""

    endpoint: str
    """Whom to ask."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A detector's kind, as far as the catalog cares."""

    name: str
    settings: type[FileModel]
    is_as_strict: Callable[[Any, Any], bool]
    categories: Callable[[Any], Collection[str]] | None = None
    summary: str = "Finds things."
    stages: frozenset[Stage] = frozenset(Stage)


KINDS = (
    Kind("injection", Injection, lambda _new, _old: True),
    Kind("words", Words, lambda new, old: set(new.words) >= set(old.words)),
    Kind(
        "patterns",
        Patterns,
        lambda new, old: set(new.patterns) >= set(old.patterns),
        lambda settings: [pattern.id for pattern in settings.patterns],
    ),
    Kind("judge", Judge, lambda _new, _old: False),
    Kind("webhook", Webhook, lambda _new, _old: False),
)


def build(name: str, settings: FileModel) -> None:
    """Refuse patterns that RE2 cannot run, as the detector would."""
    if name != "patterns" or not isinstance(settings, Patterns):
        return
    options = re2.Options()
    options.log_errors = False
    for index, pattern in enumerate(settings.patterns):
        try:
            re2.compile(pattern.regex, options)
        except re2.error:
            path = ("patterns", index, "regex")
            raise DetectorError("is not an RE2 pattern", path=path) from None


def inspect_prompt(prompt_id: str, prompts: Mapping[str, Prompt]) -> frozenset[str]:
    """The variables of a template, and a problem where it opens what it does not close."""
    prompt = prompts[prompt_id]
    if prompt.text.count("{{") != prompt.text.count("}}"):
        raise ContentError([Problem(prompt.file, 1, 1, "", "does not close '{{'")])
    return frozenset(re.findall(r"\{\{ variables\.(\w+) \}\}", prompt.text))


def read(root: Path) -> Catalog:
    """Read a catalog with the detectors above."""
    return read_catalog(
        root,
        detectors=KINDS,
        inspect_prompt=inspect_prompt,
        validate=build,
        surrogates={"EMAIL_ADDRESS", "PERSON"},
        gate_metrics=GATE_METRICS,
    )


def siblings() -> Siblings:
    """What cases may name: the detectors above, and the product metrics."""
    kinds = {kind.name: kind for kind in KINDS}
    metrics = frozenset({*METRICS, "adherence:"})
    return Siblings(kinds, inspect_prompt, build, metrics=metrics)


def cases(root: Path) -> Cases:
    """Read a catalog and all cases with the detectors above."""
    return read_cases(root, read(root), siblings())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the good catalog."""
    copy = tmp_path / "project"
    shutil.copytree(GOOD, copy)
    return copy


@pytest.fixture
def kinds() -> tuple[Kind, ...]:
    """The kinds of detectors that the good catalog uses."""
    return KINDS


@pytest.fixture
def read_root() -> Callable[[Path], Catalog]:
    """Read a catalog with the detectors above."""
    return read


@pytest.fixture
def cases_of() -> Callable[[Path], Cases]:
    """Read a catalog and all cases with the detectors above."""
    return cases
