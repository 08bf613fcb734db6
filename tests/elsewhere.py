"""The environment of the packages that cannot be installed beside the others."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
_FOLDER = REPOSITORY / ".venv-clients"


def python() -> Path:
    """Its interpreter; without it the test is skipped."""
    if not (_FOLDER / ".made").exists():
        pytest.skip("`make test` installs LiteLLM and LlamaIndex, which want another `openai`")
    return _FOLDER / "bin" / "python"
