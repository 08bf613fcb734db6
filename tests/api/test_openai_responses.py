"""What of a Responses body gets in, and where it stands in the conversation."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.openai_responses import OpenAIResponses
from app.domain.conversation import (
    Conversation,
    Effort,
    Json,
    JsonFormat,
    Message,
    Origin,
    PersonaWishes,
    Reasoning,
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
from tests.api.wires import RESPONSES

CASES = Path(__file__).parents[1] / "cases" / "api" / "openai_responses_requests.yaml"
ROWS: list[dict[str, Json]] = yaml.load(CASES.read_text("utf-8"), yaml.CSafeLoader)
PLAIN: dict[str, Json] = {"model": "tutor", "input": "hi"}
READ = OpenAIResponses().conversation


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in ROWS])
def test_rows(row: dict[str, Json]) -> None:
    """A body gets in that should not, the other way round, or the error names the wrong field."""
    body = PLAIN | row.get("body", {})
    served = persona(**row.get("persona", {}))
    field = row.get("refused", row.get("invalid"))
    if field is None:
        assert READ(body, served).persona == "tutor"
        return
    with pytest.raises(RequestError) as failed:
        READ(body, served)
    assert (failed.value.param or "") == field
    assert isinstance(failed.value, FieldRefusedError) == ("refused" in row)
    assert row.get("says", "") in failed.value.message


def test_everything_finds_its_place() -> None:
    """A field that gets in is lost, or lands where it does not belong."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    body: dict[str, Json] = {
        "model": "tutor:warmer",
        "instructions": "Be brief.",
        "input": [
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "b"}],
                "content": [{"type": "reasoning_text", "text": "c"}],
                "encrypted_content": "sig=",
            },
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "d"}]},
            {"type": "function_call", "call_id": "i", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "j", "name": "f", "arguments": "[]"},
            {"type": "function_call_output", "call_id": "i", "output": "e"},
            {
                "type": "function_call_output",
                "call_id": "j",
                "output": [
                    {"type": "input_text", "text": "g"},
                    {"type": "input_text", "text": "h"},
                ],
            },
            {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "all"},
        ],
        "tools": [
            {
                "type": "function",
                "name": "f",
                "description": "F.",
                "parameters": schema,
                "strict": True,
            }
        ],
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "text": {
            "format": {
                "type": "json_schema",
                "name": "n",
                "description": "d",
                "schema": schema,
                "strict": False,
            }
        },
        "reasoning": {"effort": "high"},
        "temperature": 0,
        "top_p": 0.5,
        "max_output_tokens": 9,
        "stream": True,
        "user": "u",
        "previous_response_id": "resp_r1",
        "store": True,
        "banneton": {"audience": "minor", "session": "s"},
    }
    client = Origin.CLIENT
    assert READ(body, persona(system_messages="below")) == Conversation(
        persona="tutor",
        variant="warmer",
        dialect="openai_responses",
        messages=(
            Message(
                Role.SYSTEM, client, (TextPart("Be brief.", "instructions"),), path="instructions"
            ),
            Message(
                Role.SYSTEM, client, (TextPart("Be kind.", "input[0].content"),), path="input[0]"
            ),
            Message(
                Role.USER, client, (TextPart("a", "input[1].content[0].text"),), path="input[1]"
            ),
            Message(
                Role.ASSISTANT,
                client,
                (
                    ReasoningPart("b", "input[2].summary[0].text"),
                    ReasoningPart("c", "input[2].content[0].text", "openai:sig="),
                    RefusalPart("d", "input[3].content[0].refusal"),
                    ToolCallPart("i", "f", "{}", "input[4]"),
                    ToolCallPart("j", "f", "[]", "input[5]"),
                ),
                path="input[2]",
            ),
            Message(
                Role.TOOL,
                Origin.TOOL,
                (ToolResultPart("i", "e", "input[6].output"),),
                path="input[6]",
            ),
            Message(
                Role.TOOL,
                Origin.TOOL,
                (
                    ToolResultPart("j", "g", "input[7].output[0].text"),
                    ToolResultPart("j", "h", "input[7].output[1].text"),
                ),
                path="input[7]",
            ),
            Message(
                Role.ASSISTANT,
                client,
                (ReasoningPart("", "input[8].summary", "openai:all", is_redacted=True),),
                path="input[8]",
            ),
        ),
        tools=(Tool("f", "F.", schema, is_strict=True, path="tools[0]"),),
        tool_choice=ToolChoice(ToolChoiceMode.NAMED, "f"),
        parallel_tool_calls=False,
        response_format=JsonFormat(schema, "n", "d", is_strict=False, path="text.format"),
        sampling=Sampling(0, 0.5, 9, reasoning=Reasoning(Effort.HIGH)),
        is_stream=True,
        wants_usage=True,
        subject="u",
        wishes=PersonaWishes("minor", session="s"),
        continues="r1",
        keeps_turns=True,
    )


@pytest.mark.parametrize(
    ("said", "kept"), [({}, None), ({"store": False}, False), ({"store": True}, True)]
)
def test_what_is_kept_is_left_to_policy(said: dict[str, Json], *, kept: bool | None) -> None:
    """A client that says nothing of ``store`` is refused, or kept against its word."""
    assert READ(PLAIN | said, persona()).keeps_turns is kept


@given(body=RESPONSES.bodies, at=st.integers(0, 200), wrap=st.integers(0, 2))
@settings(deadline=None, max_examples=500)
def test_errors_quote_no_values(body: dict[str, Json], at: int, wrap: int) -> None:
    """The error for a wrong value repeats the value."""
    text = "ß8©4-λ1©9"
    places = list(leaves(body))
    holder, key = places[at % len(places)]
    holder[key] = (text, [text], {"type": text, "role": text})[wrap]
    said = ""
    try:
        READ(body, persona(system_messages="below"))
    except RequestError as exc:
        said = f"{exc.message} {exc.param}"
    assert text[:8] not in said
    assert text[1:] not in said
