"""A conversation goes out as a Converse request that the vendor's own model allows."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from app.backends.bedrock_request import bedrock_request
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
from tests.servers.bedrock_server import request_problems

Json = Any

USER = message(Role.USER, TextPart("Hi", "messages[0].content"))
TEXT = {"text": "Hi"}
TOOLS = (Tool("find", parameters=SCHEMA),)
HOUR = {"cachePoint": {"type": "default", "ttl": "1h"}}


def wire(wanted: Conversation, **options: Any) -> Json:  # noqa: ANN401  # of the tested function
    """The request body as the provider reads it; it must be one that the vendor allows."""
    body = orjson.loads(bedrock_request(wanted, **options))
    assert request_problems(body) == []
    return body


def result(call_id: str, *parts: Part) -> Message:
    """What a tool answered."""
    return Message(Role.TOOL, Origin.TOOL, (ToolResultPart(call_id, "one"), *parts), path="here")


def test_plain_conversation() -> None:
    """The persona's prompt would not stand above."""
    assert wire(conversation("Hi")) == {
        "system": [{"text": PROMPT}],
        "messages": [{"role": "user", "content": [TEXT]}],
    }


def test_turn_with_everything() -> None:
    """The model would not know what it thought, said and called before."""
    turn = message(
        Role.ASSISTANT,
        TextPart("Let me look.", cache=CacheFor.ONE_HOUR),
        ReasoningPart("Hm.", signed="sig"),
        ReasoningPart("", signed="QUJD", is_redacted=True),
        ReasoningPart("nobody signed this"),
        RefusalPart("I cannot."),
        ToolCallPart("c1", "find", '{"n": 12345678901234567890123}'),
        ToolCallPart("c2", "bare", ""),
    )
    failed = Message(Role.TOOL, Origin.TOOL, (ToolResultPart("c2", "", is_error=True),))
    picture = ImagePart(Inline("image/png", "QUJD"), cache=CacheFor.FIVE_MINUTES)
    wanted = said(USER, turn, USER, result("c1", picture), failed, tools=TOOLS)
    body = wire(wanted)
    assert body["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "QUJD"}},
        {"text": "Let me look."},
        HOUR,
        {"text": "I cannot."},
        {"toolUse": {"toolUseId": "c1", "name": "find", "input": {"n": 1.2345678901234568e22}}},
        {"toolUse": {"toolUseId": "c2", "name": "bare", "input": {}}},
    ]
    png = {"image": {"format": "png", "source": {"bytes": "QUJD"}}}
    assert body["messages"][2]["content"] == [
        {"toolResult": {"toolUseId": "c1", "content": [{"text": "one"}, png]}},
        {"toolResult": {"toolUseId": "c2", "content": [], "status": "error"}},
        TEXT,
    ]
    assert b'"n": 12345678901234567890123' in bedrock_request(wanted)


def test_marks_of_what_is_to_be_remembered() -> None:
    """A prompt that the provider could remember would be paid for each time."""
    parts = (
        ToolResultPart("c1", "a", cache=CacheFor.FIVE_MINUTES),
        ToolResultPart("c1", "b", cache=CacheFor.ONE_HOUR),
    )
    prompt = Message(Role.SYSTEM, Origin.PERSONA, (TextPart("p", cache=CacheFor.ONE_HOUR),))
    call = message(Role.ASSISTANT, ToolCallPart("c1", "find", "{}", cache=CacheFor.ONE_HOUR))
    answered = Message(Role.TOOL, Origin.TOOL, parts)
    tools = (Tool("find", cache=CacheFor.ONE_HOUR),)
    body = wire(Conversation("tester", (prompt, USER, call, answered), tools=tools))
    assert body["system"] == [{"text": "p"}, HOUR]
    assert body["messages"][1]["content"][1] == HOUR
    assert body["messages"][2]["content"][1:] == [HOUR]
    assert body["toolConfig"]["tools"][1] == HOUR


def test_documents_have_names_of_few_letters_and_only_once() -> None:
    """The provider refuses other names, and the same one twice."""
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    files = (
        FilePart(Inline("application/pdf", "QUJD"), name="Lease (v2).pdf"),
        FilePart(Inline(word, "QUJD"), name="Mietvertrag_Zürich  neu.docx"),
        FilePart(Inline("text/csv", "QUJD"), name="合同"),
        FilePart(Inline("text/plain", "QUJD")),
        FilePart(Inline("text/markdown", "QUJD"), name="x" * 300),
    )
    content = wire(said(message(Role.USER, TextPart("Hi"), *files)))["messages"][0]["content"]
    documents = [each["document"] for each in content[1:]]
    assert [each["format"] for each in documents] == ["pdf", "docx", "csv", "txt", "md"]
    assert [each["name"] for each in documents] == [
        "Lease (v2) pdf 1",
        "Mietvertrag Z rich neu docx 2",
        "document 3",
        "document 4",
        f"{'x' * 180} 5",
    ]
    assert documents[0]["source"] == {"bytes": "QUJD"}


def test_tools_and_choice() -> None:
    """The model would not see the tools that the client offers, or not call the one it must."""
    tools = (Tool("find", "Finds it.", SCHEMA, is_strict=True), Tool("bare"))
    named = ToolChoice(ToolChoiceMode.NAMED, "find")
    spec = {
        "name": "find",
        "description": "Finds it.",
        "inputSchema": {"json": SCHEMA},
        "strict": True,
    }
    assert wire(said(USER, tools=tools, tool_choice=named))["toolConfig"] == {
        "tools": [
            {"toolSpec": spec},
            {"toolSpec": {"name": "bare", "inputSchema": {"json": {"type": "object"}}}},
        ],
        "toolChoice": {"tool": {"name": "find"}},
    }
    for mode, word in ((ToolChoiceMode.AUTO, "auto"), (ToolChoiceMode.REQUIRED, "any")):
        body = wire(said(USER, tools=TOOLS, tool_choice=ToolChoice(mode)))
        assert body["toolConfig"]["toolChoice"] == {word: {}}


def test_json_of_a_schema() -> None:
    """The answer would not have the shape that the client asked for."""
    wanted = said(USER, response_format=JsonFormat(SCHEMA, "place", "A place."))
    text_format = wire(wanted)["outputConfig"]["textFormat"]
    schema = text_format["structure"]["jsonSchema"]
    assert text_format["type"] == "json_schema"
    assert orjson.loads(schema["schema"]) == SCHEMA
    assert (schema["name"], schema["description"]) == ("place", "A place.")


def test_sampling() -> None:
    """A wish would be dropped, or a wish nobody had be sent."""
    sampling = Sampling(0.0, 0.5, 9, ("a", "\n"))
    assert wire(said(USER, sampling=sampling))["inferenceConfig"] == {
        "temperature": 0.0,
        "topP": 0.5,
        "maxTokens": 9,
        "stopSequences": ["a", "\n"],
    }


@pytest.mark.parametrize(
    ("thinking", "wish", "max_tokens", "sent"),
    [
        pytest.param(
            "effort", Effort.MINIMAL, None, {"outputConfig": {"effort": "low"}}, id="effort"
        ),
        pytest.param(
            "effort",
            20_000,
            9,
            {"outputConfig": {"effort": "high"}, "inferenceConfig": {"maxTokens": 9}},
            id="tokens as an effort",
        ),
        pytest.param(
            "budget",
            Effort.LOW,
            None,
            {
                "additionalModelRequestFields": {
                    "thinking": {"type": "enabled", "budget_tokens": 4096}
                },
                "inferenceConfig": {"maxTokens": 8192},
            },
            id="effort as tokens, beside those of the answer",
        ),
        pytest.param(
            "budget",
            Effort.LOW,
            4000,
            {
                "additionalModelRequestFields": {
                    "thinking": {"type": "enabled", "budget_tokens": 2000}
                },
                "inferenceConfig": {"maxTokens": 4000},
            },
            id="effort as tokens, half of a short answer",
        ),
        pytest.param(
            "budget",
            Effort.NONE,
            None,
            {"additionalModelRequestFields": {"thinking": {"type": "disabled"}}},
            id="none",
        ),
    ],
)
def test_reasoning(thinking: str, wish: Effort | int, max_tokens: int | None, sent: Json) -> None:
    """The model would think too little, too long, or the provider refuse the request."""
    sampling = Sampling(reasoning=Reasoning(wish), max_tokens=max_tokens)
    body = wire(said(USER, sampling=sampling), thinking=thinking)
    assert {
        name: field for name, field in body.items() if name not in ("system", "messages")
    } == sent


CALL = message(Role.ASSISTANT, ToolCallPart("c1", "find", "[]", "messages[1].tool_calls[0]"))
MUST_NOT = ToolChoice(ToolChoiceMode.NONE)


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        pytest.param(said(USER, sampling=Sampling(top_k=1)), "top_k", id="top_k"),
        pytest.param(said(USER, sampling=Sampling(seed=0)), "seed", id="seed"),
        pytest.param(
            said(USER, sampling=Sampling(presence_penalty=0.0)), "presence_penalty", id="presence"
        ),
        pytest.param(
            said(USER, sampling=Sampling(frequency_penalty=0.0)),
            "frequency_penalty",
            id="frequency",
        ),
        pytest.param(said(USER, sampling=Sampling(temperature=1.5)), "temperature", id="too warm"),
        pytest.param(said(USER, sampling=Sampling(stop=("a", ""))), "stop", id="stop at nothing"),
        pytest.param(
            said(USER, sampling=Sampling(reasoning=Reasoning(Effort.NONE))),
            "reasoning",
            id="no reasoning",
        ),
        pytest.param(
            said(USER, CALL, result("c1"), tools=TOOLS),
            "messages[1].tool_calls[0].arguments",
            id="arguments that are a list",
        ),
        pytest.param(said(USER, result("c1")), "tools", id="results without tools"),
        pytest.param(
            said(USER, tools=TOOLS, tool_choice=MUST_NOT), "tool_choice", id="must not call"
        ),
        pytest.param(
            said(USER, tool_choice=ToolChoice(ToolChoiceMode.REQUIRED)),
            "tool_choice",
            id="must call nothing",
        ),
        pytest.param(
            said(USER, tools=TOOLS, parallel_tool_calls=False),
            "parallel_tool_calls",
            id="one call at a time",
        ),
        pytest.param(
            said(USER, response_format=JsonFormat()), "response_format", id="JSON without a schema"
        ),
        pytest.param(said(), "messages", id="nothing but the prompt"),
        pytest.param(
            said(message(Role.ASSISTANT, TextPart("Hi")), USER), "messages", id="own beginning"
        ),
        pytest.param(
            said(message(Role.USER, TextPart(" "))), "messages[1]", id="nothing but blanks"
        ),
        pytest.param(
            said(message(Role.USER, ImagePart(Linked("https://example.org/a.png"), "here"))),
            "here",
            id="linked picture",
        ),
        pytest.param(
            said(message(Role.USER, ImagePart(Inline("image/tiff", "QUJD"), "here"))),
            "here",
            id="another kind of picture",
        ),
        pytest.param(
            said(message(Role.USER, ImagePart(Inline("image/png", "QUJD"), "here", detail="low"))),
            "here",
            id="a quick look",
        ),
        pytest.param(
            said(message(Role.USER, TextPart("Hi"), FilePart(Inline("image/png", "QUJD"), "here"))),
            "here",
            id="another kind of file",
        ),
        pytest.param(
            said(message(Role.USER, FilePart(Inline("text/csv", "QUJD"), "here"))),
            "here",
            id="a file and no words",
        ),
        pytest.param(
            said(message(Role.USER, ToolResultPart("c", "x", "here"))),
            "here",
            id="result of a user",
        ),
        pytest.param(
            said(USER, message(Role.TOOL, TextPart("x", "there")), tools=TOOLS),
            "there",
            id="text of a tool",
        ),
        pytest.param(
            said(USER, message(Role.ASSISTANT, ToolResultPart("c", "x", "here")), tools=TOOLS),
            "here",
            id="own result",
        ),
        pytest.param(
            said(message(Role.USER, TextPart("\ud83d"))), None, id="half a surrogate pair"
        ),
        pytest.param(
            said(USER, passthrough={"logit_bias": {}}), "logit_bias", id="a field of a wire format"
        ),
    ],
)
def test_refused_conversations(wanted: Conversation, param: str | None) -> None:
    """A part or wish would be dropped without a word, or the error not say which."""
    with pytest.raises(RequestError) as caught:
        bedrock_request(wanted)
    assert caught.value.param == param


def test_subject_is_not_sent() -> None:
    """The name of an end user would reach the provider, where we cannot erase it."""
    assert b"user-7" not in bedrock_request(said(USER, subject="user-7"))


@settings(deadline=None, max_examples=50)
@given(conversations())
def test_every_conversation_is_a_request_the_vendor_allows(wanted: Conversation) -> None:
    """A strict provider would refuse what we send, or not get all of what was said."""
    sent = orjson.dumps(wire(wanted)).decode()
    for each in wanted.messages:
        for part in each.parts:
            if isinstance(part, TextPart | RefusalPart | ToolResultPart) and part.text.strip():
                assert orjson.dumps(part.text).decode() in sent
