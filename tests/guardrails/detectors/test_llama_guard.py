"""What a Llama Guard model says reaches the rules, and it is asked as it was trained to be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import DetectorError
from app.domain.finding import CLEAN
from app.domain.policy import Stage
from app.guardrails.context import Context
from app.guardrails.detectors.llama_guard import KIND, LlamaGuardDetector, LlamaGuardSettings
from app.guardrails.passage import Passage
from tests.guardrails.building import Says, run
from tests.guardrails.detectors.tables import Row, rows
from tests.guardrails.reaching import ask, far
from tests.servers.openai_server import error_answer, whole_answer

TEXT = "some words"


def wanted(row: Row) -> LlamaGuardSettings:
    """The rule's settings."""
    return LlamaGuardSettings.model_validate(row.get("settings", {}))


@pytest.mark.parametrize("row", [*rows("llama_guard", "caught"), *rows("llama_guard", "passed")])
async def test_hazards_reach_the_rule(row: Row) -> None:
    """What the model names would not reach the rule, or under another name."""
    async with far() as there:
        there.models.play(whole_answer(row["answer"]))
        seen = await ask(there, {"llama_guard": wanted(row).model_dump()}, TEXT)
    assert seen.unchecked == ()
    told = [each for each in seen.findings if KIND.selects(wanted(row), each)]
    assert [each.category for each in told] == row.get("finds", [])
    assert all((each.start, each.end, each.score) == (0, len(TEXT), 1.0) for each in told)


@pytest.mark.parametrize("row", rows("llama_guard", "unchecked"))
async def test_another_answer_leaves_the_text_unchecked(row: Row) -> None:
    """An answer that begins like a harmless one would count as one."""
    async with far() as there:
        there.models.play(whole_answer(row["answer"]))
        seen = await ask(there, {"llama_guard": {}}, TEXT)
    assert [each.reason for each in seen.unchecked] == [
        "the model's answer is not one of a Llama Guard model"
    ]


async def test_an_outage_leaves_the_text_unchecked() -> None:
    """A text would pass because the model is down."""
    async with far() as there:
        there.models.play(error_answer(503))
        seen = await ask(there, {"llama_guard": {}}, TEXT)
    assert [each.reason for each in seen.unchecked] == ["the model it asks: failed"]


async def test_what_the_model_is_asked() -> None:
    """The model would judge another turn than the one in question: it judges the last."""
    async with far() as there:
        there.models.answer = lambda _body: whole_answer("safe")
        for context in (
            Context(Stage.INPUT, question="earlier"),
            Context(Stage.OUTPUT, question="May I?", system="never sent"),
            Context(Stage.OUTPUT),
        ):
            await ask(there, {"llama_guard": {}}, TEXT, context=context)
        bodies = [seen.body for seen in there.models.requests]
    said = [[(m["role"], m["content"]) for m in body["messages"]] for body in bodies]
    assert said == [
        [("user", TEXT)],
        [("user", "May I?"), ("assistant", TEXT)],
        [("user", "-"), ("assistant", TEXT)],
    ]
    assert all(body["model"] == "llama-guard-model" for body in bodies)
    assert all(body["temperature"] == 0 and "response_format" not in body for body in bodies)


@pytest.mark.parametrize("row", rows("llama_guard", "signs"))
async def test_a_text_cannot_end_the_conversation(row: Row) -> None:
    """A text could write the model's own signs, and the answer after them."""
    async with far() as there:
        there.models.play(whole_answer("safe"))
        await ask(there, {"llama_guard": {}}, row["text"])
        (message,) = there.models.requests[0].body["messages"]
    assert row["lacks"] not in message["content"]
    assert message["content"].replace("< ", "<") == row["text"]


@given(st.text())
@settings(deadline=None)
def test_any_answer_is_hazards_or_an_outage(answer: str) -> None:
    """Words of a model would end the exchange, or count as harmless."""
    detector = LlamaGuardDetector(LlamaGuardSettings())
    if answer.strip() == "safe":
        assert run(detector.inspect_remotely(Passage(TEXT), Says(answer))) == CLEAN
        return
    with pytest.raises(DetectorError):
        run(detector.inspect_remotely(Passage(TEXT), Says(answer)))


def test_settings_are_compared_by_what_they_find() -> None:
    """A child policy could be made weaker by fewer hazards or another model."""
    load = LlamaGuardSettings.model_validate
    some = load({"categories": ["hate"]})
    assert KIND.is_as_strict(load({}), some)
    assert not KIND.is_as_strict(some, load({}))
    assert not KIND.is_as_strict(some, load({"categories": ["privacy"]}))
    assert not KIND.is_as_strict(load({"route": "other"}), load({}))
