"""A moderation endpoint's scores reach the rules, and nothing else is taken for scores."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import DetectorError
from app.domain.finding import CLEAN, Found
from app.guardrails.detectors.moderation import KIND, ModerationDetector, ModerationSettings
from app.guardrails.passage import Passage
from tests.guardrails.building import Says, run
from tests.guardrails.detectors.tables import Row, rows
from tests.guardrails.reaching import ask, far
from tests.servers.guard_server import Json, Reply, json_reply

TEXT = "some words"


def answer(row: Row) -> Json:
    """The endpoint's answer, as OpenAI writes it."""
    if "body" in row:
        return row["body"]
    flags = {name: score > 0.6 for name, score in row["scores"].items()}
    result = {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": row["scores"],
        "category_applied_input_types": {name: ["text"] for name in flags},
    }
    return {"id": "modr-1", "model": "omni-moderation-latest", "results": [result]}


@pytest.mark.parametrize("row", [*rows("moderation", "caught"), *rows("moderation", "passed")])
async def test_scores_reach_the_rule(row: Row) -> None:
    """What the endpoint says would not reach the rule, or more than it said."""
    wanted = ModerationSettings.model_validate(row.get("settings", {}))
    async with far() as there:
        there.services.answer = lambda _body: json_reply(answer(row))
        seen = await ask(there, {"moderation": wanted.model_dump()}, TEXT)
        assert there.services.requests == [{"model": "omni-moderation-latest", "input": TEXT}]
    assert seen.unchecked == ()
    told = {each.category: each.score for each in seen.findings if KIND.selects(wanted, each)}
    assert told == row.get("finds", {})


async def test_the_same_is_asked_once() -> None:
    """Every turn of a conversation would ask again about all turns before it."""
    async with far() as there:
        told: list[Row] = [{"body": {}}, {"scores": {"hate": 0.9}}, {"scores": {"hate": 0.2}}]
        there.services.answer = lambda _body: json_reply(answer(told.pop(0)))
        refused = await ask(there, {"moderation": {}}, TEXT)
        assert len(refused.unchecked) == 1
        first = await ask(there, {"moderation": {}}, TEXT)
        assert await ask(there, {"moderation": {}}, TEXT) == first
        assert [each.score for each in first.findings] == [0.9]
        other = await ask(there, {"moderation": {}}, TEXT, tenant="another")
        assert [each.score for each in other.findings] == [0.2]
        assert len(there.services.requests) == 3


@pytest.mark.parametrize("row", rows("moderation", "unchecked"))
async def test_another_answer_leaves_the_text_unchecked(row: Row) -> None:
    """An answer that says nothing about the text would count as harmless."""
    async with far() as there:
        there.services.answer = lambda _body: json_reply(answer(row))
        seen = await ask(there, {"moderation": {}}, TEXT)
    assert len(seen.unchecked) == 1
    assert seen.findings == ()


OUTAGES = {
    "the endpoint answered with HTTP 500": Reply(b"{}", status=500),
    "the endpoint answered with HTTP 302": Reply(status=302, headers={"location": "/predict"}),
    "the endpoint answered with something that is not JSON": Reply(
        b"<html>", content_type="text/html"
    ),
    "the endpoint's answer is not one of a moderation endpoint": Reply(b"{"),
    "the endpoint's answer is longer than 1048576 bytes": Reply(b" " * (2**20 + 1)),
    "no answer within 200 ms": Reply(waits=True),
}


@pytest.mark.parametrize("reason", OUTAGES)
async def test_an_outage_leaves_the_text_unchecked(reason: str) -> None:
    """A text would pass because the endpoint is down, or a redirect would take it elsewhere."""
    async with far() as there:
        there.services.answer = lambda _body: OUTAGES[reason]
        seen = await ask(
            there, {"moderation": {}}, TEXT, timeout_ms=200 if "200" in reason else 5000
        )
        assert len(there.services.requests) == 1
    assert [each.reason for each in seen.unchecked] == [reason]


async def test_an_endpoint_that_is_not_there_leaves_the_text_unchecked() -> None:
    """A text would pass because nobody listens."""
    async with far() as there:
        seen = await ask(there, {"moderation": {"endpoint": "none"}}, TEXT)
        nobody = await ask(there, {"moderation": {"endpoint": "nobody"}}, TEXT)
    assert [each.reason for each in seen.unchecked] == ["there is no endpoint 'none'"]
    assert [each.reason for each in nobody.unchecked] == [
        "the endpoint cannot be reached or does not speak HTTP"
    ]


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_answer_is_scores_or_an_outage(body: bytes) -> None:
    """Bytes from outside would end the exchange, or count as harmless."""
    detector = ModerationDetector(ModerationSettings())
    with pytest.raises(DetectorError):
        run(detector.inspect_remotely(Passage(TEXT), Says(body)))


@given(st.dictionaries(st.text(max_size=5), st.floats(0, 1), max_size=3))
@settings(deadline=None)
def test_every_score_from_the_floor_on_is_told(scores: dict[str, float]) -> None:
    """A category would be left out of the record."""
    result = {"flagged": False, "categories": {}, "category_scores": scores}
    body = orjson.dumps({"id": "m", "model": "m", "results": [result]})
    detector = ModerationDetector(ModerationSettings())
    if not scores:
        with pytest.raises(DetectorError):
            run(detector.inspect_remotely(Passage(TEXT), Says(body)))
        return
    said = run(detector.inspect_remotely(Passage(TEXT), Says(body)))
    kept = {name for name, score in scores.items() if score >= 0.1}
    assert said == CLEAN if not kept else isinstance(said, Found)
    assert kept == {each.category for each in said.findings} if isinstance(said, Found) else True


def test_settings_are_compared_by_what_they_find() -> None:
    """A child policy could be made weaker by fewer categories or higher thresholds."""

    def strict(ours: dict[str, object], theirs: dict[str, object]) -> bool:
        load = ModerationSettings.model_validate
        return KIND.is_as_strict(load(ours), load(theirs))

    assert strict({}, {})
    assert strict({}, {"categories": ["hate"]})
    assert not strict({"categories": ["hate"]}, {})
    assert not strict({"categories": ["hate"]}, {"categories": ["hate", "violence"]})
    assert strict({"min_score": 0.4}, {})
    assert not strict({"min_score": 0.6}, {})
    assert not strict({"thresholds": {"hate": 0.6}}, {})
    assert strict({"thresholds": {"hate": 0.4}}, {})
    assert not strict({}, {"thresholds": {"hate": 0.4}})
    assert not strict({"model": "another"}, {})
