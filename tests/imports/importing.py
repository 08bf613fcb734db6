"""Suites of the shipped project, made of other tools' files."""

from pathlib import Path

from app.evals.cases import siblings_of
from app.imports.found import Found
from app.imports.suite_writer import Written, write_suite
from tests.evals.casework import shipped

FILES = Path(__file__).parent.parent / "cases" / "imports"


def written(found: Found) -> Written:
    """What was found, as a suite about the bank's service."""
    catalog, builds = shipped()
    return write_suite(found, "bank-service", catalog, siblings_of(builds), "a test")
