"""What of a body gets in, and where it stands in the conversation."""

from pathlib import Path

import pytest
import yaml

from app.api.anthropic_messages import AnthropicMessages
from app.domain.conversation import (
    CacheFor,
    Conversation,
    Effort,
    Json,
    JsonFormat,
    Message,
    Origin,
    PersonaWishes,
    Reasoning,
    ReasoningPart,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
    ToolResultPart,
)
from app.domain.errors import FieldRefusedError, RequestError
from app.domain.persona import IntBound, SamplingBounds
from app.pipeline.segments import segments, with_texts
from tests.api.scripted import persona

CASES = Path(__file__).parents[1] / "cases" / "api" / "anthropic_messages_requests.yaml"
ROWS: list[dict[str, Json]] = yaml.load(CASES.read_text("utf-8"), yaml.CSafeLoader)
PLAIN: dict[str, Json] = {
    "model": "tutor",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}
BELOW = persona(system_messages="below")
CLIENT, TOOL = Origin.CLIENT, Origin.TOOL


def _conversation(**body: Json) -> Conversation:
    return AnthropicMessages().conversation(PLAIN | body, BELOW)


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in ROWS])
def test_rows(row: dict[str, Json]) -> None:
    """A body gets in that should not, the other way round, or the error names the wrong field."""
    body = PLAIN | row.get("body", {})
    served = persona(**row.get("persona", {}))
    field = row.get("refused", row.get("invalid"))
    if field is None:
        assert AnthropicMessages().conversation(body, served).persona == "tutor"
        return
    with pytest.raises(RequestError) as failed:
        AnthropicMessages().conversation(body, served)
    assert (failed.value.param or "") == field
    assert isinstance(failed.value, FieldRefusedError) == ("refused" in row)
    assert row.get("says", "") in failed.value.message


BODY: dict[str, Json] = {
    "model": "tutor:warmer",
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "a"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "b", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "ZGF0YQ=="},
                {"type": "text", "text": "c"},
                {"type": "tool_use", "id": "i", "name": "f", "input": {"at": "Köln"}},
                {"type": "tool_use", "id": "j", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "i",
                    "content": [{"type": "text", "text": "d"}, {"type": "text", "text": "e"}],
                    "cache_control": {"type": "ephemeral", "ttl": "1h"},
                },
                {"type": "tool_result", "tool_use_id": "j", "content": "f", "is_error": True},
                {"type": "text", "text": "g"},
            ],
        },
    ],
    "tools": [
        {
            "name": "f",
            "description": "Looks.",
            "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}},
            "strict": True,
            "cache_control": {"type": "ephemeral"},
        }
    ],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    "cache_control": {"type": "ephemeral"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "max_tokens": 2000,
    "temperature": 1,
    "top_p": 0.5,
    "top_k": 7,
    "stop_sequences": ["END"],
    "stream": True,
    "metadata": {"user_id": "u"},
    "banneton": {"audience": "minor", "variables": {"name": "Ann"}, "session": "s"},
}


def test_everything_finds_its_place() -> None:
    """A field that gets in is lost, or lands where it does not belong."""
    minutes, hour = CacheFor.FIVE_MINUTES, CacheFor.ONE_HOUR
    said, results = "messages[1].content", "messages[2].content"
    assert _conversation(**BODY) == Conversation(
        persona="tutor",
        variant="warmer",
        dialect="anthropic_messages",
        messages=(
            Message(
                Role.SYSTEM,
                CLIENT,
                (TextPart("Be brief.", "system[0].text", minutes),),
                path="system",
            ),
            Message(Role.USER, CLIENT, (TextPart("a", "messages[0].content"),), path="messages[0]"),
            Message(
                Role.ASSISTANT,
                CLIENT,
                (
                    ReasoningPart("b", f"{said}[0].thinking", "anthropic:c2ln"),
                    ReasoningPart(
                        "", f"{said}[1].data", "anthropic.redacted:ZGF0YQ==", is_redacted=True
                    ),
                    TextPart("c", f"{said}[2].text"),
                    ToolCallPart("i", "f", '{"at":"Köln"}', f"{said}[3]", "input"),
                    ToolCallPart("j", "f", "{}", f"{said}[4]", "input"),
                ),
                path="messages[1]",
            ),
            Message(
                Role.TOOL,
                TOOL,
                (
                    ToolResultPart("i", "d", f"{results}[0].content[0].text"),
                    ToolResultPart("i", "e", f"{results}[0].content[1].text", cache=hour),
                ),
                path=f"{results}[0]",
            ),
            Message(
                Role.TOOL,
                TOOL,
                (ToolResultPart("j", "f", f"{results}[1].content", is_error=True),),
                path=f"{results}[1]",
            ),
            Message(
                Role.USER,
                CLIENT,
                (TextPart("g", f"{results}[2].text", minutes),),
                path="messages[2]",
            ),
        ),
        tools=(
            Tool(
                "f",
                "Looks.",
                {"type": "object", "properties": {"at": {"type": "string"}}},
                is_strict=True,
                path="tools[0]",
                parameters_field="input_schema",
                cache=minutes,
            ),
        ),
        tool_choice=ToolChoice(ToolChoiceMode.NAMED, "f"),
        parallel_tool_calls=False,
        response_format=JsonFormat({"type": "object"}, is_strict=True, path="output_config.format"),
        sampling=Sampling(
            1,
            0.5,
            2000,
            ("END",),
            reasoning=Reasoning(1024),
            top_k=7,
            stop_path="stop_sequences",
        ),
        is_stream=True,
        wants_usage=True,
        subject="u",
        wishes=PersonaWishes("minor", {"name": "Ann"}, "s"),
    )


@pytest.mark.parametrize(
    ("body", "wish"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}}, Effort.NONE),
        ({"thinking": {"type": "adaptive"}}, Effort.MEDIUM),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, Effort.LOW),
        ({"output_config": {"effort": "high"}}, Effort.HIGH),
    ],
)
def test_how_much_to_think(body: Json, wish: Effort | None) -> None:
    """A client that turns thinking on, off or over to the model gets something else."""
    reasoning = _conversation(**body).sampling.reasoning
    assert reasoning == (None if wish is None else Reasoning(wish))


@pytest.mark.parametrize(
    ("bound", "asked", "given"),
    [
        pytest.param(IntBound(), 9, 9, id="no bound"),
        pytest.param(IntBound(default=5, max=7), 9, 7, id="more than the most"),
        pytest.param(IntBound(default=5, max=7), 6, 6, id="less than the most"),
        pytest.param(IntBound(default=5), 9, 5, id="more than what is fixed"),
        pytest.param(IntBound(default=5), 4, 4, id="less than what is fixed, refused later"),
        pytest.param(IntBound(default=5, min=2), 9, 9, id="no most"),
    ],
)
def test_the_lesser_limit_on_tokens_holds(bound: IntBound, asked: int, given: int) -> None:
    """A client that has to name a number is refused for naming a high one, or gets more."""
    served = persona(sampling=SamplingBounds(max_tokens=bound))
    made = AnthropicMessages().conversation(PLAIN | {"max_tokens": asked}, served)
    assert made.sampling.max_tokens == given


@pytest.mark.parametrize(
    ("messages", "cached"),
    [
        pytest.param([{"role": "user", "content": "a"}], True, id="text"),
        pytest.param(
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i"}]}],
            True,
            id="a result",
        ),
        pytest.param(
            [
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "a", "signature": ""}],
                }
            ],
            False,
            id="reasoning, which has no breakpoint",
        ),
        pytest.param([{"role": "assistant", "content": []}], False, id="nothing"),
    ],
)
def test_a_breakpoint_for_the_whole_prompt(messages: Json, *, cached: bool) -> None:
    """What a client wants remembered is not, or a body without a place for it is a fault."""
    made = _conversation(messages=messages, cache_control={"type": "ephemeral", "ttl": "1h"})
    caches = [getattr(part, "cache", None) for part in made.messages[-1].parts]
    assert (CacheFor.ONE_HOUR in caches) == cached


def test_reasoning_that_policy_rewrites_is_signed_no_more() -> None:
    """A provider is sent its signature under a text that it never signed."""
    made = _conversation(**BODY)
    path = "messages[1].content[0].thinking"
    assert path in {one.path for one in segments(made)}
    kept, changed = with_texts(made, {path: "b"}), with_texts(made, {path: "x"})
    assert kept == made
    assert changed.messages[2].parts[0] == ReasoningPart("x", path)
    assert changed.messages[2].parts[1:] == made.messages[2].parts[1:]
