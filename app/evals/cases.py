"""The cases and suites of a project, with all that they may name."""

from pathlib import Path

from app.catalog.cases import Cases, read_cases
from app.catalog.contracts import Siblings
from app.compose.check import prompt_variables
from app.domain.catalog import Catalog
from app.guardrails.plan import Builds
from app.guardrails.surrogates import SURROGATES
from app.metrics.definitions import METRICS


def siblings_of(builds: Builds) -> Siblings:
    """What files of a project may name besides one another.

    Args:
        builds: Kinds of detectors, and those that were built.
    """
    metrics = frozenset({*METRICS, "adherence:"})
    return Siblings(builds.kinds, prompt_variables, builds.detector, frozenset(SURROGATES), metrics)


def cases_of(root: Path, catalog: Catalog, builds: Builds) -> Cases:
    """Read them as they are now.

    Args:
        root: The project's folder.
        catalog: What they are about.
        builds: Kinds of detectors, and those that were built.

    Raises:
        ContentError: Every problem of every file.
    """
    return read_cases(root, catalog, siblings_of(builds))
