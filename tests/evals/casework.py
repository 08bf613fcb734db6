"""Checks as files write them, and turns in few words, for tests of evals."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from app.catalog.check_file import Check, JudgeFile
from app.catalog.check_reader import Named, read_check
from app.catalog.contracts import Siblings
from app.catalog.document import Node
from app.catalog.yaml_source import parse_document, read_document
from app.compose.check import prompt_variables
from app.domain.catalog import Catalog
from app.guardrails.plan import Builds
from app.main import load_project

ROOT = Path(__file__).parent.parent.parent
CASES = ROOT / "tests" / "cases" / "checks"


@cache
def shipped() -> tuple[Catalog, Builds]:
    """The shipped files, and the detectors that they use."""
    project = load_project(ROOT, reads_secrets=False)
    return project.read(), project.builds


def rows(table: str) -> Iterator[Node]:
    """The rows of a table, with what stands under each of their keys."""
    yield from read_document(CASES / f"{table}.yaml", ROOT).nearest("rows").items


def named(**judges: JudgeFile) -> Named:
    """What checks of the bank's service may name."""
    catalog, builds = shipped()
    siblings = Siblings(builds.kinds, prompt_variables, builds.detector)
    persona = catalog.personas["bank-service"]
    return Named(
        siblings,
        persona,
        catalog.policies[persona.policy],
        [*catalog.routes, "judge", "second"],
        judges,
        ["find_branch", "block_card"],
    )


def check(written: str | Node, **judges: JudgeFile) -> Check:
    """A check as a file has it."""
    node = parse_document(written.encode(), "check.yaml") if isinstance(written, str) else written
    return read_check(node, named(**judges))
