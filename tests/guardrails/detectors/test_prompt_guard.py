"""Servers for classification are asked as they document, and long texts window by window."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import DetectorError
from app.guardrails.detectors.prompt_guard import KIND, PromptGuardDetector, PromptGuardSettings
from app.guardrails.passage import Passage
from tests.guardrails.building import Says, run
from tests.guardrails.detectors.tables import Row, rows
from tests.guardrails.reaching import ask, far
from tests.servers.guard_server import Json, Reply, json_reply

TEXT = "some words"


def wanted(row: Row) -> PromptGuardSettings:
    """The rule's settings."""
    where = {"endpoint": row["wire"], "wire": row["wire"]}
    return PromptGuardSettings.model_validate_json(
        orjson.dumps({**where, **row.get("settings", {})})
    )


def answer(row: Row) -> Json:
    """The server's answer, as it documents it."""
    if "body" in row:
        return row["body"]
    if row["wire"] == "tei":
        return [[{"label": name, "score": score} for name, score in row["scores"].items()]]
    data = {"index": 0, "label": row["label"], "probs": row["probs"], "num_classes": 2}
    return {"id": "c", "object": "list", "created": 1, "model": "m", "data": [data], "usage": {}}


@pytest.mark.parametrize("row", [*rows("prompt_guard", "caught"), *rows("prompt_guard", "passed")])
async def test_scores_reach_the_rule(row: Row) -> None:
    """The probability of being harmless would count as that of an attack."""
    async with far() as there:
        there.services.answer = lambda _body: json_reply(answer(row))
        seen = await ask(there, {"prompt_guard": wanted(row).model_dump()}, TEXT)
    assert seen.unchecked == ()
    told = [each.score for each in seen.findings if KIND.selects(wanted(row), each)]
    assert told == ([row["finds"]] if "finds" in row else [])


@pytest.mark.parametrize("row", rows("prompt_guard", "unchecked"))
async def test_another_answer_leaves_the_text_unchecked(row: Row) -> None:
    """An answer about something else would count as harmless."""
    async with far() as there:
        there.services.answer = lambda _body: json_reply(answer(row))
        seen = await ask(there, {"prompt_guard": wanted(row).model_dump()}, TEXT)
    assert [each.reason for each in seen.unchecked] == [
        "the endpoint's answer is not one about these texts"
    ]


async def test_a_text_that_is_too_long_for_the_model_is_unchecked() -> None:
    """A server that refuses what its model cannot read whole would be taken to be content."""
    async with far() as there:
        there.services.answer = lambda _body: Reply(b"{}", status=413)
        seen = await ask(there, {"prompt_guard": {"endpoint": "tei"}}, TEXT)
    assert [each.reason for each in seen.unchecked] == ["the endpoint answered with HTTP 413"]


def attacks(body: Json) -> Reply:
    """Takes for an attack what says so, whichever way it is asked."""
    if "inputs" in body:
        labels = [
            [{"label": "LABEL_1", "score": score}, {"label": "LABEL_0", "score": 1 - score}]
            for (text,) in body["inputs"]
            for score in [1.0 if "attack" in text else 0.0]
        ]
        return json_reply(labels)
    data = [
        {"index": at, "label": "LABEL_1" if "attack" in text else "LABEL_0", "probs": [0.0, 1.0]}
        for at, text in enumerate(body["input"])
    ]
    return json_reply({"data": data[::-1]})


@pytest.mark.parametrize("wire", ["tei", "vllm"])
@pytest.mark.parametrize("at", [0, 95, 149, 3000, 8994])
async def test_an_attack_is_found_wherever_it_stands(wire: str, at: int) -> None:
    """The end of a long text would not be read, or an attack at the edge of two windows missed."""
    numbers = "".join(f"{number:04}." for number in range(1800))  # no two windows are alike
    text = numbers[:at] + "attack" + numbers[at:8994]
    detect: dict[str, Any] = {"endpoint": wire, "wire": wire, "window_chars": 100}
    async with far() as there:
        there.services.answer = attacks
        seen = await ask(there, {"prompt_guard": detect}, text)
        assert len(there.services.requests) == 6
    assert seen.unchecked == ()
    assert seen.findings
    assert all(found.start <= at and at + 6 <= found.end for found in seen.findings)


@given(st.binary(max_size=200), st.sampled_from(["tei", "vllm"]))
@settings(deadline=None)
def test_any_answer_is_scores_or_an_outage(body: bytes, wire: str) -> None:
    """Bytes from outside would end the exchange, or count as harmless."""
    detector = PromptGuardDetector(PromptGuardSettings.model_validate({"wire": wire}))
    with pytest.raises(DetectorError):
        run(detector.inspect_remotely(Passage(TEXT), Says(body)))


def test_settings_are_compared_by_what_they_find() -> None:
    """A child policy could be made weaker by a higher score or another model."""
    load = PromptGuardSettings.model_validate
    assert KIND.is_as_strict(load({"min_score": 0.3}), load({}))
    assert not KIND.is_as_strict(load({"min_score": 0.7}), load({}))
    assert not KIND.is_as_strict(load({"model": "other"}), load({}))
    assert not KIND.is_as_strict(load({"window_chars": 500}), load({}))
