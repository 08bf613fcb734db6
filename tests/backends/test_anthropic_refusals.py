"""What Anthropic's protocol cannot carry is refused before any call, by the field's name."""

from typing import Any

import pytest

from app.backends.anthropic_request import Options, anthropic_request
from app.domain.conversation import (
    Conversation,
    Effort,
    FilePart,
    ImagePart,
    Inline,
    JsonFormat,
    Message,
    Origin,
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
from app.domain.errors import RequestError
from tests.backends.provider_contract import SCHEMA, message, said

OLDER = Options("2023-06-01", "budget")
USER = message(Role.USER, TextPart("Hi", "messages[0].content"))
TOOLS = (Tool("find", parameters=SCHEMA),)


def refusal(wanted: Conversation, options: Options | None = None) -> RequestError:
    """Why a conversation cannot be said."""
    with pytest.raises(RequestError) as caught:
        anthropic_request(wanted, "some-model", options or Options())
    return caught.value


@pytest.mark.parametrize(
    ("options", "sampling", "field"),
    [
        pytest.param(None, {"seed": 0}, "seed", id="seed"),
        pytest.param(None, {"presence_penalty": 0.0}, "presence_penalty", id="presence"),
        pytest.param(None, {"frequency_penalty": 0.1}, "frequency_penalty", id="frequency"),
        pytest.param(
            None, {"temperature": 1.0}, "temperature", id="temperature, even the usual one"
        ),
        pytest.param(None, {"top_p": 1.0}, "top_p", id="top_p"),
        pytest.param(None, {"top_k": 1}, "top_k", id="top_k"),
        pytest.param(OLDER, {"temperature": 1.1}, "temperature", id="too warm"),
        pytest.param(
            None,
            {"stop": ("\n",), "stop_path": "stop_sequences[0]"},
            "stop_sequences[0]",
            id="stop at a blank",
        ),
        pytest.param(
            OLDER, {"reasoning": Reasoning(1023)}, "reasoning", id="too few tokens to think"
        ),
        pytest.param(
            OLDER,
            {"reasoning": Reasoning(2000), "max_tokens": 2000},
            "reasoning",
            id="no tokens left to say it",
        ),
        pytest.param(
            OLDER,
            {"reasoning": Reasoning(Effort.HIGH), "max_tokens": 2047},
            "reasoning",
            id="a short answer",
        ),
        pytest.param(
            OLDER,
            {"reasoning": Reasoning(2000), "temperature": 0.5},
            "temperature",
            id="temperature beside thinking",
        ),
        pytest.param(
            OLDER, {"reasoning": Reasoning(2000), "top_k": 5}, "top_k", id="top_k beside thinking"
        ),
    ],
)
def test_wishes_that_are_refused(
    options: Options | None, sampling: dict[str, Any], field: str
) -> None:
    """A wish would be dropped without a word, or the provider's error name no field."""
    failure = refusal(said(USER, sampling=Sampling(**sampling)), options)
    assert failure.param == field
    assert failure.message.startswith(field)


def call_with(arguments: str) -> Conversation:
    """A conversation whose assistant called with these arguments."""
    part = ToolCallPart("c1", "find", arguments, "messages[1].tool_calls[0].function")
    result = Message(Role.TOOL, Origin.TOOL, (ToolResultPart("c1", "one"),))
    return said(USER, message(Role.ASSISTANT, part), result, tools=TOOLS)


ARGUMENTS = "messages[1].tool_calls[0].function.arguments"
BUDGET = Sampling(reasoning=Reasoning(2000))
MUST = ToolChoice(ToolChoiceMode.REQUIRED)


@pytest.mark.parametrize(
    ("wanted", "options", "param"),
    [
        pytest.param(call_with("[1]"), None, ARGUMENTS, id="arguments that are a list"),
        pytest.param(call_with('{"a":'), None, ARGUMENTS, id="arguments that are cut off"),
        pytest.param(
            call_with('{"a": "\ud83d"}'), None, ARGUMENTS, id="half a letter in arguments"
        ),
        pytest.param(
            said(USER, response_format=JsonFormat()),
            None,
            "response_format",
            id="JSON without a schema",
        ),
        pytest.param(said(USER, tool_choice=MUST), None, "tool_choice", id="must call nothing"),
        pytest.param(
            said(USER, tools=TOOLS, tool_choice=ToolChoice(ToolChoiceMode.NAMED)),
            None,
            "tool_choice",
            id="choice of nothing",
        ),
        pytest.param(
            said(USER, tools=TOOLS, tool_choice=MUST, sampling=BUDGET),
            OLDER,
            "tool_choice",
            id="must call and think",
        ),
        pytest.param(
            said(USER, tools=(Tool("f", parameters={"type": "array"}, path="tools[0]"),)),
            None,
            "tools[0].parameters",
            id="parameters that are a list",
        ),
        pytest.param(said(), None, "messages", id="nothing but the prompt"),
        pytest.param(
            said(message(Role.ASSISTANT, TextPart("Hi")), USER),
            None,
            "messages",
            id="own beginning",
        ),
        pytest.param(
            said(message(Role.USER, TextPart(" "))), None, "messages[1]", id="nothing but blanks"
        ),
        pytest.param(
            said(Message(Role.USER, Origin.CLIENT, (TextPart("Hi"),), "Ann", "messages[1]")),
            None,
            "messages[1].name",
            id="a name",
        ),
        pytest.param(
            said(message(Role.USER, ToolResultPart("c", "x", "here"))),
            None,
            "here",
            id="result of a user",
        ),
        pytest.param(
            said(message(Role.TOOL, TextPart("x", "there"))),
            None,
            "there",
            id="text of a tool",
        ),
        pytest.param(
            said(USER, message(Role.TOOL)), None, "messages[1]", id="a tool that says nothing"
        ),
        pytest.param(
            said(USER, message(Role.TOOL, ImagePart(Inline("image/png", "QUJD"), "here"))),
            None,
            "here",
            id="a picture to no call",
        ),
        pytest.param(
            said(USER, message(Role.ASSISTANT, ToolResultPart("c", "x", "here"))),
            None,
            "here",
            id="own result",
        ),
        pytest.param(
            said(message(Role.SYSTEM, ReasoningPart("x", "here")), USER),
            None,
            "here",
            id="reasoning in instructions",
        ),
        pytest.param(
            said(message(Role.USER, ImagePart(Inline("image/tiff", "QUJD"), "here"))),
            None,
            "here",
            id="another kind of picture",
        ),
        pytest.param(
            said(message(Role.USER, ImagePart(Inline("image/png", "QUJD"), "here", detail="low"))),
            None,
            "here",
            id="a quick look",
        ),
        pytest.param(
            said(message(Role.USER, FilePart(Inline("text/csv", "QUJD"), "here"))),
            None,
            "here",
            id="another kind of file",
        ),
        pytest.param(
            said(message(Role.USER, FilePart(Inline("text/plain", "/w=="), "here"))),
            None,
            "here",
            id="text in another encoding",
        ),
        pytest.param(
            said(message(Role.USER, TextPart("\ud83d"))), None, None, id="half a surrogate pair"
        ),
        pytest.param(
            said(USER, passthrough={"logit_bias": {}}),
            None,
            "logit_bias",
            id="a field of another wire format",
        ),
    ],
)
def test_refused_conversations(
    wanted: Conversation, options: Options | None, param: str | None
) -> None:
    """A part would be dropped without a word, or the error not say which."""
    assert refusal(wanted, options).param == param
