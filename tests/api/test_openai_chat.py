"""What of a body gets in, and where it stands in the conversation."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.openai_chat import OpenAIChat
from app.domain.conversation import (
    Conversation,
    Json,
    JsonFormat,
    Message,
    Origin,
    PersonaWishes,
    ReasoningPart,
    RefusalPart,
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
from tests.api.bodies import leaves
from tests.api.scripted import persona
from tests.api.wires import CHAT

CASES = Path(__file__).parents[1] / "cases" / "api" / "openai_chat_requests.yaml"
ROWS: list[dict[str, Json]] = yaml.load(CASES.read_text("utf-8"), yaml.CSafeLoader)
PLAIN: dict[str, Json] = {"model": "tutor", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in ROWS])
def test_rows(row: dict[str, Json]) -> None:
    """A body gets in that should not, the other way round, or the error names the wrong field."""
    body = PLAIN | row.get("body", {})
    served = persona(**row.get("persona", {}))
    field = row.get("refused", row.get("invalid"))
    if field is None:
        assert OpenAIChat().conversation(body, served).persona == "tutor"
        return
    with pytest.raises(RequestError) as failed:
        OpenAIChat().conversation(body, served)
    assert (failed.value.param or "") == field
    assert isinstance(failed.value, FieldRefusedError) == ("refused" in row)
    assert row.get("says", "") in failed.value.message


@pytest.mark.parametrize(("levels", "gets_in"), [(64, True), (65, False)])
def test_depth_of_schemas(levels: int, *, gets_in: bool) -> None:
    """A schema that nests without end makes a later walk over it overflow."""
    schema: dict[str, Json] = {}
    for _ in range(levels - 1):
        schema = {"not": schema}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    body = PLAIN | {"tools": [tool]}
    if gets_in:
        assert OpenAIChat().conversation(body, persona()).tools[0].parameters == schema
        return
    with pytest.raises(RequestError, match="64 levels") as failed:
        OpenAIChat().conversation(body, persona())
    assert failed.value.param == "tools[0].function.parameters"


def test_everything_finds_its_place() -> None:
    """A field that gets in is lost, or lands where it does not belong."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    body: dict[str, Json] = {
        "model": "tutor:warmer",
        "messages": [
            {"role": "system", "content": "Be brief.", "name": "boss"},
            {"role": "user", "content": [{"type": "text", "text": "a"}], "name": "ann"},
            {
                "role": "assistant",
                "reasoning_content": "b",
                "content": [{"type": "refusal", "refusal": "c"}],
                "refusal": "d",
                "tool_calls": [
                    {"type": "function", "id": "i", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "i", "content": [{"type": "text", "text": "e"}]},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "description": "d", "schema": schema, "strict": False},
        },
        "temperature": 0,
        "top_p": 0.5,
        "max_completion_tokens": 9,
        "stop": "END",
        "seed": -1,
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "stream": True,
        "stream_options": {"include_usage": True},
        "user": "u",
        "banneton": {
            "audience": "minor",
            "variables": {"name": "Ann"},
            "session": "s",
            "scenario": "exam",
            "consent": "yes",
        },
    }
    call = ToolCallPart("i", "f", "{}", "messages[2].tool_calls[0].function")
    assert OpenAIChat().conversation(body, persona(system_messages="below")) == Conversation(
        persona="tutor",
        variant="warmer",
        messages=(
            Message(
                Role.SYSTEM,
                Origin.CLIENT,
                (TextPart("Be brief.", "messages[0].content"),),
                "boss",
                "messages[0]",
            ),
            Message(
                Role.USER,
                Origin.CLIENT,
                (TextPart("a", "messages[1].content[0].text"),),
                "ann",
                "messages[1]",
            ),
            Message(
                Role.ASSISTANT,
                Origin.CLIENT,
                (
                    ReasoningPart("b", "messages[2].reasoning_content"),
                    RefusalPart("c", "messages[2].content[0].refusal"),
                    RefusalPart("d", "messages[2].refusal"),
                    call,
                ),
                path="messages[2]",
            ),
            Message(
                Role.TOOL,
                Origin.TOOL,
                (ToolResultPart("i", "e", "messages[3].content[0].text"),),
                path="messages[3]",
            ),
        ),
        tools=(Tool("f", "", schema, is_strict=True, path="tools[0].function"),),
        tool_choice=ToolChoice(ToolChoiceMode.NAMED, "f"),
        parallel_tool_calls=False,
        response_format=JsonFormat(
            schema, "n", "d", is_strict=False, path="response_format.json_schema"
        ),
        sampling=Sampling(0, 0.5, 9, ("END",), -1, 1, -1),
        is_stream=True,
        wants_usage=True,
        subject="u",
        wishes=PersonaWishes("minor", {"name": "Ann"}, "s", "exam", "yes"),
    )


@given(body=CHAT.bodies, at=st.integers(0, 200), wrap=st.integers(0, 2))
@settings(deadline=None, max_examples=1000)
def test_errors_quote_no_values(body: dict[str, Json], at: int, wrap: int) -> None:
    """The error for a wrong value repeats the value."""
    text = "ß8©4-λ1©9"
    places = list(leaves(body))
    holder, key = places[at % len(places)]
    holder[key] = (text, [text], {"type": text, "role": text})[wrap]
    said = ""
    try:
        OpenAIChat().conversation(body, persona(system_messages="below"))
    except RequestError as exc:
        said = f"{exc.message} {exc.param}"
    assert text[:8] not in said
    assert text[1:] not in said
