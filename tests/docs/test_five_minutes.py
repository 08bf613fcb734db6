"""The five minutes are as they are written, from an empty folder."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from typing_extensions import override

from tests.docs.pages import DOCS, Reader
from tests.servers.openai_server import OpenAIServer, openai_server_in_thread


class _Newcomer(Reader):
    """Does what the page says; the provider is a server on this machine."""

    provider: OpenAIServer

    @override
    def _run(self, command: str) -> str:
        if command.startswith("banneton serve"):
            settings = self.root / "banneton.yaml"
            text = settings.read_text("utf-8")
            assert "preset: openai" in text
            here = text.replace("preset: openai", f'base_url: "{self.provider.base_url}"')
            settings.write_text(here, "utf-8")
        return super()._run(command)


def test_the_five_minutes_run_as_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first thing that somebody tries would fail, or do something else than the page says."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
    root = tmp_path / "hotel"
    root.mkdir()
    with ExitStack() as stack:
        reader = _Newcomer(root, stack)
        reader.provider = stack.enter_context(openai_server_in_thread())
        reader.read(DOCS / "tutorial" / "five-minutes.md")
        asked = [request.body["messages"] for request in reader.provider.requests]
    assert len(asked) == 1
    assert "ann@example.org" not in str(asked)
    assert "Ada" in asked[0][0]["content"]
