"""A detector that cannot run: an outage is neither clean nor a block, and ends closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typing_extensions import override

from app.domain.finding import Detection, Finding
from app.domain.persona import FileModel
from app.domain.protocols import Outside
from app.guardrails.detector import Detector, DetectorKind, LocalDetector, RemoteDetector, Scope
from app.guardrails.kinds import KINDS
from app.guardrails.passage import Passage
from app.guardrails.plan import Builds
from app.main import load_project
from tests.pipeline.serving import serving
from tests.servers.openai_server import OpenAIServer, openai_server, text_answer

Json = Any


class FlakySettings(FileModel):
    """How it fails."""

    how: str
    """``raises`` here, or asks outside and ``hangs``."""


class Raises(LocalDetector):
    """Fails whatever it sees."""

    name = "flaky"
    revision = "1"
    spec = ""
    scope = Scope.RESPONSE
    shapes = None
    left_context = 0

    @override
    def inspect(self, passage: Passage) -> Detection:
        raise RuntimeError(passage.original)


class Hangs(RemoteDetector):
    """Never answers."""

    name = "flaky"
    revision = "1"
    spec = ""

    @override
    async def inspect_remotely(self, passage: Passage, outside: Outside) -> Detection:
        await asyncio.Event().wait()
        raise AssertionError(passage.original)


def build(settings: FlakySettings) -> Detector:
    """The detector that fails so."""
    return Raises() if settings.how == "raises" else Hangs()


def selects(_settings: FlakySettings, _finding: Finding) -> bool:
    """All."""
    return True


def is_as_strict(settings: FlakySettings, other: FlakySettings) -> bool:
    """Only the same."""
    return settings == other


FLAKY = DetectorKind("flaky", "Fails.", FlakySettings, build, selects, is_as_strict)

_RULE = """
  - id: shaky
    stages: [{stage}]
    detect: {{flaky: {{how: {how}}}}}
    then: {then}
    timeout_ms: 20
    {on_unchecked}
"""


@asynccontextmanager
async def shaky(root: Path, **rule: str) -> AsyncIterator[tuple[httpx2.AsyncClient, OpenAIServer]]:
    """The whole gateway in this process, with one more kind of detector and a rule that uses it."""
    policy = root / "policies/root.yaml"
    text = policy.read_text("utf-8")
    policy.write_text(text.replace("rules:\n", f"rules:{_RULE.format(**rule)}", 1), "utf-8")
    async with openai_server() as provider:
        deployment = root / "banneton.yaml"
        there = deployment.read_text("utf-8").replace("http://127.0.0.1:9/v1", provider.base_url)
        deployment.write_text(there.replace(', api_key: "${MODEL_KEY}"', ""), "utf-8")
        project = replace(load_project(root), builds=Builds({**KINDS, "flaky": FLAKY}))
        async with serving(project) as http:
            yield http, provider


async def ask(http: httpx2.AsyncClient, **more: Json) -> httpx2.Response:
    """One answer."""
    said = [{"role": "user", "content": "planted text"}]
    body = {"model": "lexi", "messages": said, **more}
    return await http.post("/v1/chat/completions", json=body)


@pytest.mark.parametrize("how", ["raises", "hangs"])
async def test_an_outage_at_the_input_ends_closed(root: Path, how: str) -> None:
    """A detector that is down would let everything through, or pass for a decision."""
    async with shaky(root, how=how, stage="input", then="flag", on_unchecked="") as (
        http,
        provider,
    ):
        made = (await ask(http)).json()
        assert made["choices"][0]["message"]["content"] == "Lexi cannot check that now."
        assert made["choices"][0]["finish_reason"] == "content_filter"
        assert made["banneton"]["outcome"] == "unchecked"
        (applied,) = made["banneton"]["applied"]
        assert applied == {"rule": "shaky", "action": "block", "findings": [], "unchecked": True}
        (unchecked,) = made["banneton"]["unchecked"]
        assert unchecked["detector"] == "flaky"
        assert "planted" not in unchecked["reason"]
        assert provider.requests == []
        refused = await ask(http, model="curt")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unchecked")
        records = (await http.get("/v1/records")).json()["records"]
        assert {record["outcome"] for record in records} == {"unchecked"}
        metrics = (await http.get("/metrics")).text
        assert 'banneton_detector_unchecked_total{detector="flaky"} 2.0' in metrics


@pytest.mark.parametrize("text", ["planted text", "planted text, ask-banned"])
@pytest.mark.parametrize("how", ["raises", "hangs"])
async def test_an_appeal_that_nobody_could_look_at_is_not_kept(
    root: Path, how: str, text: str
) -> None:
    """What a detector would have hidden is kept, shown to people, and written into a case."""
    async with shaky(root, how=how, stage="input", then="flag", on_unchecked="") as (http, _):
        made = (await ask(http)).json()["banneton"]
        appeal = {"request_id": made["request_id"], "appeal": {"text": text}}
        for _again in range(2):
            answer = await http.post("/v1/feedback", json=appeal)
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "detector_unavailable"
            assert "planted" not in answer.text


@pytest.mark.parametrize("how", ["raises", "hangs"])
@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
async def test_an_outage_at_the_output_ends_closed(root: Path, how: str, *, streams: bool) -> None:
    """An answer that nobody looked at would leave."""
    async with shaky(root, how=how, stage="output", then="block", on_unchecked="") as (
        http,
        provider,
    ):
        provider.play(text_answer("unseen words"))
        answer = await ask(http, stream=streams)
        assert "unseen" not in answer.text
        assert "Lexi cannot check that now." in answer.text
        assert '"outcome":"unchecked"' in answer.text


@pytest.mark.parametrize(
    ("wanted", "outcome", "calls"),
    [("allow", "allow", 1), ("flag", "flag", 1), ("escalate", "unchecked", 0)],
)
async def test_the_file_says_what_an_outage_does(
    root: Path, wanted: str, outcome: str, calls: int
) -> None:
    """A file that says otherwise would be overruled, or an outage pass for a decision."""
    said = f"on_unchecked: {wanted}"
    async with shaky(root, how="raises", stage="input", then="block", on_unchecked=said) as (
        http,
        provider,
    ):
        made = (await ask(http)).json()
        assert made["banneton"]["outcome"] == outcome
        assert len(made["banneton"]["unchecked"]) == 1
        assert len(provider.requests) == calls
