"""Detectors that ask outside, through the whole gateway, at real servers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
import yaml

from app.domain.policy import Stage
from app.main import check_text, load_project
from tests.pipeline.serving import serving
from tests.servers.guard_server import API_KEY, SECRET, GuardServer, Reply, guard_server, json_reply
from tests.servers.openai_server import (
    OpenAIServer,
    Play,
    error_answer,
    openai_server,
    text_answer,
    whole_answer,
)

Json = Any
JUDGE = {"judge": {"question": "Does it praise anybody?"}}


@dataclass
class There:
    """The gateway, and what it asks."""

    http: httpx2.AsyncClient
    models: OpenAIServer
    services: GuardServer

    def says(self, answer: str, score: int) -> None:
        """What the model answers, and how it judges."""

        def play(body: Json) -> Play:
            if body["model"] == "judge-model":
                return whole_answer(orjson.dumps({"score": score}).decode())
            return text_answer(answer) if body["stream"] else whole_answer(answer)

        self.models.answer = play

    def asked(self, model: str) -> list[Json]:
        """The requests that a model got."""
        return [seen.body for seen in self.models.requests if seen.body["model"] == model]

    async def ask(self, text: str, **more: Json) -> httpx2.Response:
        """One answer."""
        said = [{"role": "user", "content": text}]
        return await self.http.post(
            "/v1/chat/completions", json={"model": "lexi", "messages": said, **more}
        )

    async def record(self) -> Json:
        """The newest record."""
        return (await self.http.get("/v1/records?limit=1")).json()["records"][0]


def add(root: Path, *rules: Json, **endpoints: Json) -> None:
    """Give a project rules that ask outside, and where they may ask."""
    policy = yaml.safe_load((root / "policies/root.yaml").read_text("utf-8"))  # noqa: TID251  # the test's own file
    policy["rules"] += rules
    (root / "policies/root.yaml").write_text(yaml.safe_dump(policy), "utf-8")
    deployment = yaml.safe_load((root / "banneton.yaml").read_text("utf-8"))  # noqa: TID251  # as above
    deployment["routes"]["judge"] = {"backend": "model", "model": "judge-model"}
    deployment["endpoints"] = endpoints
    (root / "banneton.yaml").write_text(yaml.safe_dump(deployment), "utf-8")


@asynccontextmanager
async def gateway(root: Path, *rules: Json) -> AsyncIterator[There]:
    """The whole gateway with these rules."""
    async with openai_server() as models, guard_server() as services:
        for name, secret in (("key", API_KEY), ("secret", SECRET)):
            (root / name).write_text(secret, "utf-8")
        guard = {"type": "webhook", "url": services.base_url + "/guard", "secret": "file:secret"}
        url = services.base_url + "/v1/moderations"
        moderation = {"type": "service", "url": url, "api_key": "file:key"}
        add(root, *rules, guard=guard, moderation=moderation)
        deployment = (root / "banneton.yaml").read_text("utf-8")
        deployment = deployment.replace("http://127.0.0.1:9/v1", models.base_url)
        (root / "banneton.yaml").write_text(
            deployment.replace("api_key: ${MODEL_KEY}", "api_key: file:key"), "utf-8"
        )
        async with serving(load_project(root)) as http:
            yield There(http, models, services)


def rule(detect: Json, *stages: str, then: Json = "block", **more: Json) -> Json:
    """A rule of a policy's file."""
    made = {"id": "asks", "stages": list(stages), "detect": detect, "then": then}
    return {**made, "timeout_ms": 5000, **more}


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
async def test_a_judge_stops_an_answer(root: Path, *, streams: bool) -> None:
    """A judge would be asked of whole answers only, or after the answer has left."""
    async with gateway(root, rule(JUDGE, "output")) as there:
        there.says("You are wonderful.", 9)
        answer = await there.ask("Hello", stream=streams)
        assert "wonderful" not in answer.text
        assert "Lexi cannot help with that." in answer.text
        record = await there.record()
        assert record["outcome"] == "block"
        assert record["closing"]["detector_usage"]["input_tokens"] == 7
        there.says("You are wonderful.", 9)
        again = await there.ask("Hello", stream=streams)
        assert "wonderful" not in again.text
        assert len(there.asked("judge-model")) == 1, "the same was asked twice"
        assert (await there.record())["closing"]["detector_usage"] is None
        metrics = (await there.http.get("/metrics")).text
        assert 'banneton_detector_tokens_total{gen_ai_token_type="input"} 7.0' in metrics
        there.says("It is four.", 0)
        assert "It is four." in (await there.ask("2+2", stream=False)).text


async def test_what_was_rewritten_is_all_that_leaves(root: Path) -> None:
    """Raw personal data would go to a judge, a webhook or a moderation endpoint."""
    rules = (
        rule(JUDGE, "input", then="flag"),
        rule({"webhook": {"endpoint": "guard"}}, "input", id="hook"),
        rule({"moderation": {}}, "input", id="moderated"),
    )
    clean = {
        "id": "m",
        "model": "o",
        "results": [
            {"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.0}}
        ],
    }
    async with gateway(root, *rules) as there:
        there.says("Fine.", 0)
        there.services.answer = lambda body: json_reply(
            {"version": "banneton.guard/1", "findings": []} if "version" in body else clean
        )
        answer = await there.ask("Write to jane@example.org today")
        assert answer.json()["banneton"]["outcome"] == "pseudonymize"
        assert answer.json()["banneton"]["unchecked"] == []
        said = orjson.dumps([there.services.requests, there.asked("judge-model")]).decode()
        assert len(there.services.requests) == 2
        assert said.count("EMAIL_ADDRESS_") == 3
        assert "jane" not in said


async def test_findings_of_a_service_are_places_in_the_original(root: Path) -> None:
    """What a service finds after a rewrite would be masked at the wrong place."""
    hook = rule({"webhook": {"endpoint": "guard"}}, "input", then="mask")
    async with gateway(root, hook) as there:
        there.says("Fine.", 0)

        def find(body: Json) -> Reply:
            at = body["text"].index("bluebird")
            place = {"category": "codename", "score": 1, "start": at, "end": at + 8}
            return json_reply({"version": "banneton.guard/1", "findings": [place]})

        there.services.answer = find
        text = "jane@example.org knows bluebird well"
        answer = (await there.ask(text)).json()["banneton"]
        (found,) = [each for each in answer["findings"] if each["detector"] == "webhook"]
        assert text[found["start"] : found["end"]] == "bluebird"
        (asked,) = there.asked("served-model")
        assert asked["messages"][-1]["content"].endswith(" knows [removed] well")


async def test_an_outage_outside_ends_closed_and_says_nothing(root: Path) -> None:
    """A text would pass because a judge is down, or the outage would quote it."""
    async with gateway(root, rule(JUDGE, "input")) as there:
        there.models.answer = lambda _body: error_answer(500)
        made = (await there.ask("a planted text")).json()
        assert made["banneton"]["outcome"] == "unchecked"
        (unchecked,) = made["banneton"]["unchecked"]
        assert unchecked["reason"] == "the model it asks: failed"
        assert "planted" not in orjson.dumps(await there.record()).decode()


async def test_check_over_http_asks_and_the_command_line_does_not(root: Path) -> None:
    """A threshold could not be tried, or a check in CI would need a key and the network."""
    async with gateway(root, rule(JUDGE, "input")) as there:
        there.says("", 8)
        body = {"policy": "root", "stage": "input", "text": "You are wonderful."}
        made = (await there.http.post("/v1/guardrails/check", json=body)).json()
        assert (made["outcome"], made["scores"]["judge"]) == ("block", 0.8)
    loaded = load_project(root, reads_secrets=False).load()
    result = await check_text(loaded, "root", "public", Stage.INPUT, "You are wonderful.")
    assert result.outcome == "unchecked"
    assert [each.reason for each in result.unchecked] == ["nothing outside can be asked here"]
