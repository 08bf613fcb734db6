"""Projects for tests of evals."""

from tests.cli.conftest import root

__all__ = ["root"]
