"""A conversation goes out as a generateContent request that the vendor's own types allow."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from app.backends.gemini_request import UNSIGNED_CALL, gemini_request
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
from tests.backends.talk import TOOLS, USER, conversations
from tests.servers.gemini_server import request_problems

Json = Any

TEXT = {"text": "Hi"}
CALL = ToolCallPart("c1", "find", "{}", "messages[1].tool_calls[0]")


def wire(wanted: Conversation, **options: Any) -> Json:  # noqa: ANN401  # of the tested function
    """The request body as the provider reads it; it must be one that the vendor allows."""
    body = orjson.loads(gemini_request(wanted, **options))
    assert request_problems(body) == []
    return body


def result(call_id: str, *parts: Part) -> Message:
    """What a tool answered."""
    first = ToolResultPart(call_id, "one", "messages[2].content")
    return Message(Role.TOOL, Origin.TOOL, (first, *parts), path="messages[2]")


def test_plain_conversation() -> None:
    """The persona's prompt would not stand above."""
    assert wire(conversation("Hi")) == {
        "systemInstruction": {"parts": [{"text": PROMPT}]},
        "contents": [{"role": "user", "parts": [TEXT]}],
    }


def test_turn_with_everything() -> None:
    """The model would not know what it thought, said and called before."""
    turn = message(
        Role.ASSISTANT,
        ReasoningPart("Hm.", signed="c2ln"),
        ReasoningPart("nobody signed this"),
        ReasoningPart("", signed="b3RoZXI=", is_redacted=True),
        TextPart("Let me look.", cache=CacheFor.ONE_HOUR),
        ReasoningPart("", signed="QUJD"),
        RefusalPart("I cannot."),
        TextPart(" "),
        ToolCallPart("c1", "find", '{"n": 12345678901234567890123}', signed="c2lo"),
        ToolCallPart("c2", "bare", ""),
    )
    failed = Message(Role.TOOL, Origin.TOOL, (ToolResultPart("c2", "Broken.", is_error=True),))
    two = result("c1", ToolResultPart("c1", "two"), ImagePart(Inline("image/png", "QUJD")))
    late = Message(Role.SYSTEM, Origin.CLIENT, (TextPart("Be brief."),))
    wanted = said(USER, turn, USER, late, two, failed, tools=TOOLS)
    body = wire(wanted)
    assert body["systemInstruction"]["parts"] == [{"text": PROMPT}, {"text": "Be brief."}]
    assert [each["role"] for each in body["contents"]] == ["user", "model", "user"]
    assert body["contents"][1]["parts"] == [
        {"text": "Hm.", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "Let me look."},
        {"text": "", "thoughtSignature": "QUJD"},
        {"text": "I cannot."},
        {
            "functionCall": {"id": "c1", "name": "find", "args": {"n": 1.2345678901234568e22}},
            "thoughtSignature": "c2lo",
        },
        {"functionCall": {"id": "c2", "name": "bare", "args": {}}},
    ]
    shown = {
        "id": "c1",
        "name": "find",
        "response": {"output": "one\ntwo"},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": "QUJD"}}],
    }
    broken = {"id": "c2", "name": "bare", "response": {"error": "Broken."}}
    assert body["contents"][2]["parts"] == [
        {"functionResponse": shown},
        {"functionResponse": broken},
        TEXT,
    ]
    assert b'"n": 12345678901234567890123' in gemini_request(wanted)


def test_each_step_has_a_signature() -> None:
    """A call of an earlier step that lost its signature would stop the conversation."""
    signed = message(Role.ASSISTANT, ToolCallPart("c2", "find", "{}", signed="c2ln"))
    turns = (USER, message(Role.ASSISTANT, CALL), result("c1"), signed, result("c2"))
    contents = wire(said(*turns, tools=TOOLS))["contents"]
    signatures = [contents[at]["parts"][0]["thoughtSignature"] for at in (1, 3)]
    assert signatures == [UNSIGNED_CALL, "c2ln"]


def test_pictures_and_files() -> None:
    """The model would answer about what it never saw."""
    parts = (
        ImagePart(Inline("image/webp", "QUJD")),
        ImagePart(Inline("image/png", "QUJD"), detail="high"),
        ImagePart(Linked("https://example.org/a.JPG?b=c.gif"), detail="low"),
        FilePart(Inline("application/pdf", "QUJD"), name="lease.pdf"),
        FilePart(Linked("gs://bread/notes.md")),
    )
    content = wire(said(message(Role.USER, TextPart("Hi"), *parts)))["contents"][0]["parts"]
    assert content == [
        TEXT,
        {"inlineData": {"mimeType": "image/webp", "data": "QUJD"}},
        {
            "inlineData": {"mimeType": "image/png", "data": "QUJD"},
            "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"},
        },
        {
            "fileData": {
                "mimeType": "image/jpeg",
                "fileUri": "https://example.org/a.JPG?b=c.gif",
            },
            "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"},
        },
        {"inlineData": {"mimeType": "application/pdf", "data": "QUJD"}},
        {"fileData": {"mimeType": "text/markdown", "fileUri": "gs://bread/notes.md"}},
    ]


@pytest.mark.parametrize(
    ("mode", "is_strict", "calling"),
    [
        pytest.param(None, None, None, id="nothing said"),
        pytest.param(ToolChoiceMode.AUTO, False, {"mode": "AUTO"}, id="may"),
        pytest.param(None, True, {"mode": "VALIDATED"}, id="strictly, where nothing is said"),
        pytest.param(ToolChoiceMode.AUTO, True, {"mode": "VALIDATED"}, id="may, strictly"),
        pytest.param(ToolChoiceMode.NONE, True, {"mode": "NONE"}, id="must not"),
        pytest.param(ToolChoiceMode.REQUIRED, True, {"mode": "ANY"}, id="must"),
        pytest.param(
            ToolChoiceMode.NAMED,
            None,
            {"mode": "ANY", "allowedFunctionNames": ["find"]},
            id="must, this one",
        ),
    ],
)
def test_tools_and_choice(
    mode: ToolChoiceMode | None,
    is_strict: bool | None,  # noqa: FBT001  # a parameter of the test
    calling: Json,
) -> None:
    """The model would not see the tools that the client offers, or not call the one it must."""
    tools = (Tool("find", "Finds it.", SCHEMA, is_strict=is_strict), Tool("bare"))
    name = "find" if mode is ToolChoiceMode.NAMED else None
    choice = None if mode is None else ToolChoice(mode, name)
    body = wire(said(USER, tools=tools, tool_choice=choice, parallel_tool_calls=True))
    declared = {"name": "find", "description": "Finds it.", "parametersJsonSchema": SCHEMA}
    assert body["tools"] == [{"functionDeclarations": [declared, {"name": "bare"}]}]
    assert body.get("toolConfig") == (calling and {"functionCallingConfig": calling})


def test_json() -> None:
    """The answer would not have the shape that the client asked for."""
    assert wire(said(USER, response_format=JsonFormat()))["generationConfig"] == {
        "responseMimeType": "application/json"
    }
    wanted = said(USER, response_format=JsonFormat(SCHEMA, "place", "A place."))
    assert wire(wanted)["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"description": "A place.", **SCHEMA},
    }


def test_sampling() -> None:
    """A wish would be dropped, or a wish nobody had be sent."""
    sampling = Sampling(
        temperature=0.0,
        top_p=0.5,
        max_tokens=9,
        stop=("a", "\n"),
        seed=0,
        presence_penalty=0.0,
        frequency_penalty=-1.0,
        top_k=3,
    )
    assert wire(said(USER, sampling=sampling))["generationConfig"] == {
        "temperature": 0.0,
        "topP": 0.5,
        "maxOutputTokens": 9,
        "stopSequences": ["a", "\n"],
        "seed": 0,
        "presencePenalty": 0.0,
        "frequencyPenalty": -1.0,
        "topK": 3,
    }


@pytest.mark.parametrize(
    ("thinking", "wish", "max_tokens", "sent"),
    [
        pytest.param("level", Effort.MINIMAL, 9, {"thinkingLevel": "MINIMAL"}, id="level"),
        pytest.param("level", 5000, None, {"thinkingLevel": "MEDIUM"}, id="tokens as a level"),
        pytest.param("budget", Effort.LOW, None, {"thinkingBudget": 4096}, id="effort as tokens"),
        pytest.param(
            "budget", Effort.HIGH, None, {"thinkingBudget": 24576}, id="no more than models take"
        ),
        pytest.param(
            "budget", Effort.HIGH, 99_999, {"thinkingBudget": 24576}, id="nor of a long answer"
        ),
        pytest.param(
            "budget", Effort.LOW, 4000, {"thinkingBudget": 2000}, id="half of a short answer"
        ),
        pytest.param("budget", 20000, 4000, {"thinkingBudget": 20000}, id="tokens as they are"),
    ],
)
def test_reasoning(thinking: str, wish: Effort | int, max_tokens: int | None, sent: Json) -> None:
    """The model would think too little, too long, or the provider refuse the request."""
    sampling = Sampling(reasoning=Reasoning(wish), max_tokens=max_tokens)
    config = wire(said(USER, sampling=sampling), thinking=thinking)["generationConfig"]
    assert config["thinkingConfig"] == {"includeThoughts": True, **sent}


def test_no_reasoning() -> None:
    """A client that wants a quick answer would wait and pay for thoughts."""
    wanted = said(USER, sampling=Sampling(reasoning=Reasoning(Effort.NONE)))
    config = wire(wanted, thinking="budget")["generationConfig"]
    assert config == {"thinkingConfig": {"thinkingBudget": 0}}


def linked(url: str) -> Conversation:
    """A picture at an address."""
    return said(message(Role.USER, ImagePart(Linked(url), "here")))


BACK = message(Role.ASSISTANT, CALL)
LISTED = message(Role.ASSISTANT, ToolCallPart("c1", "find", "[]", "messages[1].tool_calls[0]"))


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        pytest.param(said(USER, sampling=Sampling(temperature=2.1)), "temperature", id="too warm"),
        pytest.param(said(USER, sampling=Sampling(stop=("a", ""))), "stop", id="stop at nothing"),
        pytest.param(
            said(USER, sampling=Sampling(stop=tuple("abcdef"), stop_path="stop_sequences")),
            "stop_sequences",
            id="too many stops",
        ),
        pytest.param(
            said(USER, sampling=Sampling(reasoning=Reasoning(Effort.NONE))),
            "reasoning",
            id="no reasoning",
        ),
        pytest.param(
            said(USER, LISTED, result("c1"), tools=TOOLS),
            "messages[1].tool_calls[0].arguments",
            id="arguments that are a list",
        ),
        pytest.param(
            said(USER, BACK, result("c2"), tools=TOOLS),
            "messages[2].content",
            id="a result of no call",
        ),
        pytest.param(
            said(USER, tools=TOOLS, parallel_tool_calls=False),
            "parallel_tool_calls",
            id="one call at a time",
        ),
        pytest.param(
            said(USER, tool_choice=ToolChoice(ToolChoiceMode.REQUIRED)),
            "tool_choice",
            id="must call nothing",
        ),
        pytest.param(
            said(USER, tools=(Tool("f", parameters={"type": "string"}, path="tools[0]"),)),
            "tools[0].parameters",
            id="parameters that are a text",
        ),
        pytest.param(said(), "messages", id="nothing but the prompt"),
        pytest.param(
            said(message(Role.ASSISTANT, TextPart("Hi")), USER), "messages", id="own beginning"
        ),
        pytest.param(
            said(message(Role.USER, TextPart(" "))), "messages[1]", id="nothing but blanks"
        ),
        pytest.param(
            said(Message(Role.USER, Origin.CLIENT, (TextPart("Hi"),), "Ada", "messages[1]")),
            "messages[1].name",
            id="a name",
        ),
        pytest.param(linked("https://example.org/a.gif"), "here", id="a picture that moves"),
        pytest.param(linked("https://example.org/png"), "here", id="a picture of no known kind"),
        pytest.param(linked("https://[/a.png"), "here", id="no address"),
        pytest.param(
            said(message(Role.USER, ImagePart(Inline("image/gif", "QUJD"), "here"))),
            "here",
            id="another kind of picture",
        ),
        pytest.param(
            said(message(Role.USER, FilePart(Inline("image/png", "QUJD"), "here"))),
            "here",
            id="another kind of file",
        ),
        pytest.param(
            said(USER, BACK, result("c1", ImagePart(Linked("https://e.org/a.png"), "here"))),
            "here",
            id="a picture that a tool links",
        ),
        pytest.param(
            said(
                USER,
                BACK,
                result("c1", ImagePart(Inline("image/png", "QUJD"), "here", detail="low")),
            ),
            "here",
            id="a quick look at what a tool shows",
        ),
        pytest.param(
            said(USER, BACK, result("c1", TextPart("x", "here"))), "here", id="words of a tool"
        ),
        pytest.param(
            said(message(Role.USER, ToolResultPart("c", "x", "here"))),
            "here",
            id="result of a user",
        ),
        pytest.param(
            said(USER, message(Role.TOOL, TextPart("x", "there")), tools=TOOLS),
            "messages[1]",
            id="a tool that answers no call",
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
        gemini_request(wanted)
    assert caught.value.param == param


def test_subject_is_not_sent() -> None:
    """The name of an end user would reach the provider, where we cannot erase it."""
    assert b"user-7" not in gemini_request(said(USER, subject="user-7"))


@settings(deadline=None, max_examples=50)
@given(conversations())
def test_every_conversation_is_a_request_the_vendor_allows(wanted: Conversation) -> None:
    """A strict provider would refuse what we send, or not get all of what was said."""
    sent = orjson.dumps(wire(wanted)).decode()
    for each in wanted.messages:
        for part in each.parts:
            if isinstance(part, TextPart | RefusalPart | ToolResultPart) and part.text.strip():
                assert orjson.dumps(part.text).decode() in sent
