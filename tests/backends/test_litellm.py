"""The backend of LiteLLM, which wants another ``openai`` than the rest of the tests."""

import subprocess
import sys

from tests import elsewhere


def test_contract() -> None:
    """The backend breaks a promise that all backends make, or one of its own."""
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/backends/litellm_contract.py"]
    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [elsewhere.python(), *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=elsewhere.REPOSITORY,
    )
    assert ended.returncode == 0, ended.stdout


def test_where_its_extra_is_missing() -> None:
    """The gateway would not start at all, or not say what to install."""
    code = (
        "import sys; sys.modules['litellm'] = None\n"
        "from pydantic import SecretStr\n"
        "from app import providers\n"
        "from app.domain.errors import ContentError\n"
        "from app.settings.backends import LiteLLMBackend\n"
        "settings = LiteLLMBackend.model_construct(\n"
        "    type='litellm', provider='cohere', api_key=SecretStr('k'))\n"
        "try:\n"
        "    providers.backend_of(settings, None, None, None)\n"
        "except ContentError as exc:\n"
        "    print(exc)\n"
    )
    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert "banneton.yaml: backends: type 'litellm' needs" in ended.stdout
    assert "pip install 'banneton[litellm]'" in ended.stdout


def test_it_is_loaded_only_where_it_is_used() -> None:
    """Every start would take seconds and memory for what few use."""
    code = "import sys, app.providers; sys.exit('litellm' in sys.modules)"
    subprocess.run([elsewhere.python(), "-c", code], check=True, timeout=120)  # noqa: S603  # as above
