"""A conversation goes out as an Anthropic request that the vendor's own types allow."""

import base64
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from app.backends.anthropic_request import Options, anthropic_request
from app.domain.conversation import (
    CacheFor,
    Conversation,
    Effort,
    FilePart,
    ImagePart,
    Inline,
    JsonFormat,
    Linked,
    Message,
    Origin,
    Part,
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
from app.domain.errors import RequestError
from tests.backends.contract import PROMPT, conversation
from tests.backends.provider_contract import SCHEMA, message, said
from tests.backends.talk import conversations
from tests.servers.anthropic_server import request_problems

Json = Any

OLDER = Options("2023-06-01", "budget")
USER = message(Role.USER, TextPart("Hi", "messages[0].content"))
TEXT = {"type": "text", "text": "Hi"}
TOOLS = (Tool("find", parameters=SCHEMA),)
HOUR = {"type": "ephemeral", "ttl": "1h"}


def wire(wanted: Conversation, options: Options | None = None) -> Json:
    """The request body as the provider reads it; it must be one that the vendor allows."""
    used = options or Options()
    body = orjson.loads(anthropic_request(wanted, "some-model", used))
    assert request_problems(body, version=used.version) == []
    return body


def sampled(options: Options | None = None, **sampling: Any) -> Json:  # noqa: ANN401  # fields of a sampling
    """The body of a request with these wishes."""
    return wire(said(USER, sampling=Sampling(**sampling)), options)


def test_plain_conversation() -> None:
    """The persona's prompt would not stand above, or the answer not come as a stream."""
    assert wire(conversation("Hi")) == {
        "model": "some-model",
        "max_tokens": 4096,
        "system": [{"type": "text", "text": PROMPT}],
        "messages": [{"role": "user", "content": [TEXT]}],
        "stream": True,
    }


def test_instructions_of_the_client_stay_below_the_prompt() -> None:
    """A client could speak before the persona does, or its instructions be lost."""
    late = message(Role.SYSTEM, TextPart("Be brief."))
    body = wire(said(USER, late, USER))
    assert [each["text"] for each in body["system"]] == [PROMPT, "Be brief."]
    assert [each["role"] for each in body["messages"]] == ["user"]


def test_turn_with_everything() -> None:
    """The model would not know what it thought, said and called before."""
    turn = message(
        Role.ASSISTANT,
        ReasoningPart("Hm.", signed="sig"),
        ReasoningPart("", signed="opaque", is_redacted=True),
        ReasoningPart("nobody signed this"),
        TextPart("Let me look."),
        RefusalPart("I cannot."),
        ToolCallPart("c1", "find", '{"n": 12345678901234567890123}'),
        ToolCallPart("c2", "bare", ""),
    )
    results = [
        Message(Role.TOOL, Origin.TOOL, (ToolResultPart("c1", "one"),)),
        Message(Role.TOOL, Origin.TOOL, (ToolResultPart("c2", "", is_error=True),)),
    ]
    wanted = said(USER, turn, *results, USER, tools=TOOLS)
    body = wire(wanted)
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "text", "text": "Let me look."},
        {"type": "text", "text": "I cannot."},
        {"type": "tool_use", "id": "c1", "name": "find", "input": {"n": 1.2345678901234568e22}},
        {"type": "tool_use", "id": "c2", "name": "bare", "input": {}},
    ]
    assert body["messages"][2] == {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "c1",
                "content": [{"type": "text", "text": "one"}],
            },
            {"type": "tool_result", "tool_use_id": "c2", "is_error": True},
            TEXT,
        ],
    }
    assert b'"n": 12345678901234567890123' in anthropic_request(wanted, "m", Options())


def test_results_come_before_what_the_user_says() -> None:
    """The provider refuses results that stand after words."""
    call = message(Role.ASSISTANT, ToolCallPart("c1", "find", "{}"))
    result = Message(Role.TOOL, Origin.TOOL, (ToolResultPart("c1", "one"),))
    blocks = wire(said(USER, call, USER, result, tools=TOOLS))["messages"][-1]["content"]
    assert [each["type"] for each in blocks] == ["tool_result", "text"]


def test_results_of_several_calls_in_one_message() -> None:
    """What one tool answered would be taken for the answer of another."""
    calls = message(
        Role.ASSISTANT, ToolCallPart("c1", "find", "{}"), ToolCallPart("c2", "find", "{}")
    )
    picture = ImagePart(Inline("image/png", "QUJD"))
    parts = (ToolResultPart("c1", "one"), picture, ToolResultPart("c2", "two"))
    wanted = said(USER, calls, Message(Role.TOOL, Origin.TOOL, parts), tools=TOOLS)
    results = wire(wanted)["messages"][2]["content"]
    assert [each["tool_use_id"] for each in results] == ["c1", "c2"]
    assert [each["type"] for each in results[0]["content"]] == ["text", "image"]


def test_thinking_comes_first() -> None:
    """The provider refuses a turn that begins with anything else."""
    turn = message(Role.ASSISTANT, TextPart("So."), ReasoningPart("Hm.", signed="sig"))
    assert wire(said(USER, turn, USER))["messages"][1]["content"][0]["type"] == "thinking"


def test_thinking_between_calls_keeps_its_place() -> None:
    """The provider refuses thinking that was moved."""
    parts = (
        ReasoningPart("a", signed="1"),
        TextPart("b"),
        ReasoningPart("c", signed="2"),
        TextPart("d"),
    )
    blocks = wire(said(USER, message(Role.ASSISTANT, *parts), USER))["messages"][1]["content"]
    assert [each.get("thinking", each.get("text")) for each in blocks] == ["a", "b", "c", "d"]


def test_a_turn_with_nothing_to_say_is_left_out() -> None:
    """The provider refuses empty turns, and a client would be told that of its own history."""
    empty = message(Role.ASSISTANT, TextPart(" "), ReasoningPart("nobody signed this"))
    body = wire(said(USER, empty, USER))
    assert body["messages"] == [{"role": "user", "content": [TEXT, TEXT]}]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        pytest.param(
            ImagePart(Inline("image/png", "QUJD")),
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"},
            },
            id="picture",
        ),
        pytest.param(
            ImagePart(Linked("https://example.org/a.png"), detail="high"),
            {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
            id="linked picture",
        ),
        pytest.param(
            FilePart(Inline("application/pdf", "QUJD"), name="lease.pdf"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "QUJD"},
                "title": "lease.pdf",
            },
            id="PDF",
        ),
        pytest.param(
            FilePart(Linked("https://example.org/a.pdf")),
            {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
            id="linked PDF",
        ),
        pytest.param(
            FilePart(Inline("text/plain", base64.b64encode("Zürich".encode()).decode())),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "Zürich"},
            },
            id="text file",
        ),
        pytest.param(
            TextPart("a", cache=CacheFor.ONE_HOUR),
            {"type": "text", "text": "a", "cache_control": HOUR},
            id="text to be remembered",
        ),
        pytest.param(
            ImagePart(Linked("https://example.org/a.png"), cache=CacheFor.FIVE_MINUTES),
            {
                "type": "image",
                "source": {"type": "url", "url": "https://example.org/a.png"},
                "cache_control": {"type": "ephemeral", "ttl": "5m"},
            },
            id="picture to be remembered",
        ),
    ],
)
def test_parts_of_a_user(part: Part, block: Json) -> None:
    """The model would answer about something that it never saw."""
    body = wire(said(message(Role.USER, TextPart("Hi"), part)))
    assert body["messages"][0]["content"] == [TEXT, block]


def test_picture_that_a_tool_answers_with() -> None:
    """The model would not see what its tool found."""
    call = message(Role.ASSISTANT, ToolCallPart("c1", "find", "{}", cache=CacheFor.ONE_HOUR))
    parts = (
        ToolResultPart("c1", "This:", cache=CacheFor.FIVE_MINUTES),
        ImagePart(Inline("image/png", "QUJD")),
        ToolResultPart("c1", "", cache=CacheFor.ONE_HOUR),
    )
    wanted = said(USER, call, Message(Role.TOOL, Origin.TOOL, parts), tools=TOOLS)
    body = wire(wanted)
    assert body["messages"][1]["content"][0]["cache_control"] == HOUR
    result = body["messages"][2]["content"][0]
    assert [each["type"] for each in result["content"]] == ["text", "image"]
    assert result["cache_control"] == HOUR


def test_tools() -> None:
    """The model would not see the tools that the client offers."""
    tools = (
        Tool("find", "Finds it.", SCHEMA, is_strict=True, cache=CacheFor.ONE_HOUR),
        Tool("bare"),
        Tool("untyped", parameters={"properties": {}}),
    )
    assert wire(said(USER, tools=tools))["tools"] == [
        {
            "name": "find",
            "description": "Finds it.",
            "input_schema": SCHEMA,
            "strict": True,
            "cache_control": HOUR,
        },
        {"name": "bare", "input_schema": {"type": "object"}},
        {"name": "untyped", "input_schema": {"type": "object", "properties": {}}},
    ]


@pytest.mark.parametrize(
    ("choice", "is_parallel", "sent"),
    [
        pytest.param(None, None, None, id="nothing said"),
        pytest.param(None, True, None, id="several at a time, which is the rule"),
        pytest.param(
            None, False, {"type": "auto", "disable_parallel_tool_use": True}, id="one at a time"
        ),
        pytest.param(ToolChoice(ToolChoiceMode.AUTO), None, {"type": "auto"}, id="may"),
        pytest.param(ToolChoice(ToolChoiceMode.NONE), False, {"type": "none"}, id="must not"),
        pytest.param(
            ToolChoice(ToolChoiceMode.REQUIRED),
            False,
            {"type": "any", "disable_parallel_tool_use": True},
            id="must, one",
        ),
        pytest.param(
            ToolChoice(ToolChoiceMode.NAMED, "find"),
            None,
            {"type": "tool", "name": "find"},
            id="this one",
        ),
    ],
)
def test_choice_of_tools(choice: ToolChoice | None, is_parallel: bool | None, sent: Json) -> None:  # noqa: FBT001  # a parameter of the test
    """The model would call a tool that it must not, or several where one was wanted."""
    wanted = said(USER, tools=TOOLS, tool_choice=choice, parallel_tool_calls=is_parallel)
    assert wire(wanted).get("tool_choice") == sent


def test_choice_without_tools() -> None:
    """The provider refuses a choice among nothing, also one that asks for nothing."""
    may = said(USER, tool_choice=ToolChoice(ToolChoiceMode.AUTO), parallel_tool_calls=False)
    assert "tool_choice" not in wire(may)


def test_json_of_a_schema() -> None:
    """The answer would not have the shape that the client asked for."""
    plain = wire(said(USER, response_format=JsonFormat(SCHEMA, "place")))
    assert plain["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    wanted = JsonFormat(SCHEMA, "place", "A place.")
    described = wire(
        said(USER, response_format=wanted, sampling=Sampling(reasoning=Reasoning(Effort.LOW)))
    )
    assert described["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": {"description": "A place.", **SCHEMA}},
    }


def test_sampling() -> None:
    """A wish would be dropped, or a wish nobody had be sent."""
    body = sampled(OLDER, temperature=0.0, top_p=0.5, top_k=4, max_tokens=9, stop=("a", "b"))
    sent = {name: body[name] for name in ("temperature", "top_p", "top_k", "max_tokens")}
    assert sent == {"temperature": 0.0, "top_p": 0.5, "top_k": 4, "max_tokens": 9}
    assert body["stop_sequences"] == ["a", "b"]
    assert sampled(Options(max_tokens=77))["max_tokens"] == 77


@pytest.mark.parametrize(
    ("options", "wish", "max_tokens", "sent"),
    [
        pytest.param(Options(), Effort.NONE, None, {"thinking": {"type": "disabled"}}, id="none"),
        pytest.param(OLDER, 0, None, {"thinking": {"type": "disabled"}}, id="no tokens"),
        pytest.param(
            Options(),
            Effort.MINIMAL,
            9,
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}, "max_tokens": 9},
            id="least effort",
        ),
        pytest.param(
            Options(),
            5000,
            None,
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}},
            id="tokens as an effort",
        ),
        pytest.param(
            OLDER,
            Effort.LOW,
            None,
            {"thinking": {"type": "enabled", "budget_tokens": 4096}, "max_tokens": 8192},
            id="effort as tokens, beside those of the answer",
        ),
        pytest.param(
            OLDER,
            Effort.HIGH,
            3000,
            {"thinking": {"type": "enabled", "budget_tokens": 1500}, "max_tokens": 3000},
            id="effort as tokens, half of a short answer",
        ),
        pytest.param(
            OLDER,
            1024,
            1025,
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1025},
            id="tokens that just fit",
        ),
    ],
)
def test_reasoning(
    options: Options, wish: Effort | int, max_tokens: int | None, sent: dict[str, Json]
) -> None:
    """The model would think too little, too long, or the provider refuse the request."""
    body = sampled(options, reasoning=Reasoning(wish), max_tokens=max_tokens)
    for name in ("thinking", "output_config", "max_tokens"):
        if name in sent or name != "max_tokens":
            assert body.get(name) == sent.get(name)


def test_fields_of_its_own_format_pass_through() -> None:
    """A field that the persona lets through would be lost, or stand in for one of ours."""
    passing = {"service_tier": "auto", "max_tokens": 1_000_000}
    wanted = said(USER, dialect="anthropic_messages", passthrough=passing)
    body = wire(wanted)
    assert (body["service_tier"], body["max_tokens"]) == ("auto", 4096)


def test_subject_is_not_sent() -> None:
    """The name of an end user would reach the provider, where we cannot erase it."""
    assert b"user-7" not in anthropic_request(said(USER, subject="user-7"), "m", Options())


@settings(deadline=None, max_examples=50)
@given(conversations())
def test_every_conversation_is_a_request_the_vendor_allows(wanted: Conversation) -> None:
    """A strict provider would refuse what we send, or not get all of what was said."""
    sent = orjson.dumps(wire(wanted)).decode()
    for each in wanted.messages:
        for part in each.parts:
            if isinstance(part, TextPart | RefusalPart | ToolResultPart) and part.text.strip():
                assert orjson.dumps(part.text).decode() in sent


@pytest.mark.parametrize(
    ("options", "reasoning", "sent"),
    [
        (Options(), None, {}),
        (Options("2023-06-01"), None, {"temperature": 0.2, "top_k": 3}),
        (Options("2023-06-01", "budget"), Reasoning(2048), {}),
        (Options("2023-06-01", "budget"), Reasoning(Effort.NONE), {"temperature": 0.2, "top_k": 3}),
    ],
)
def test_what_nobody_asked_for_yields(
    options: Options, reasoning: Reasoning | None, sent: dict[str, Json]
) -> None:
    """A persona's own temperature, or that of a judge, would fail with the models of today."""
    wished = Sampling(temperature=0.2, top_k=3, max_tokens=9000, reasoning=reasoning)
    soft = replace(wished, yields=frozenset({"temperature", "top_k"}))
    asked = said(message(Role.USER, TextPart("Hi")), sampling=soft)
    body = orjson.loads(anthropic_request(asked, "some-model", options))
    assert {name: body[name] for name in ("temperature", "top_k") if name in body} == sent
    if not sent:
        with pytest.raises(RequestError):
            anthropic_request(replace(asked, sampling=wished), "some-model", options)
