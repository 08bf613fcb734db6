"""A conversation goes out as a request that the vendor's own types allow, and nothing is lost."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backends.chat_request import COMMON, Differences, chat_request
from app.domain.conversation import (
    Conversation,
    FilePart,
    ImagePart,
    Inline,
    JsonFormat,
    Linked,
    Message,
    Origin,
    Part,
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
from tests.servers.openai_server import request_problems

Json = Any
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
PICTURE = ImagePart(Inline("image/png", "QUJD"))
LINK = "https://example.org/a.pdf"


def wire(wanted: Conversation, differences: Differences = COMMON) -> Json:
    """The request body as the provider reads it."""
    return orjson.loads(chat_request(wanted, "some-model", differences))


def said(*messages: Message, **more: Any) -> Conversation:  # noqa: ANN401  # fields of a conversation
    """A conversation of these messages."""
    return Conversation(persona="tester", messages=messages, **more)


def message(role: Role, *parts: Part, name: str | None = None) -> Message:
    """A message of these parts."""
    return Message(role, Origin.CLIENT, parts, name)


def test_plain_conversation() -> None:
    """The persona's prompt would not come first, or the answer not come as a stream."""
    assert wire(conversation("Hi")) == {
        "model": "some-model",
        "messages": [{"role": "system", "content": PROMPT}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_answer_that_is_wanted_whole() -> None:
    """A whole answer would come as a stream, which costs both sides many times as much."""
    body = wire(conversation("Hi", is_stream=False))
    assert body["stream"] is False
    assert "stream_options" not in body
    assert not request_problems(body)


def test_client_system_messages_stay_below_the_prompt() -> None:
    """A client could speak before the persona does."""
    prompt = Message(Role.SYSTEM, Origin.PERSONA, (TextPart("prompt"),))
    messages = wire(said(prompt, message(Role.SYSTEM, TextPart("client"))))["messages"]
    assert [each["content"] for each in messages] == ["prompt", "client"]


def test_every_part_of_an_assistant_turn() -> None:
    """The model would not know what it said and called before."""
    turn = message(
        Role.ASSISTANT,
        ReasoningPart("not sent"),
        TextPart("Let me look."),
        RefusalPart("I cannot"),
        ToolCallPart("c1", "find", '{"a":1}'),
        name="Lexi",
    )
    results = message(Role.TOOL, ToolResultPart("c1", "one"), ToolResultPart("c2", "two"))
    assert wire(said(turn, results))["messages"] == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "refusal": "I cannot",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "find", "arguments": '{"a":1}'},
                }
            ],
            "name": "Lexi",
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
    ]


def test_a_result_in_several_texts_answers_one_call_once() -> None:
    """A provider would get two answers to one call, and refuse them or lose one."""
    result = message(Role.TOOL, ToolResultPart("c", "one"), ToolResultPart("c", "two"))
    body = wire(said(message(Role.ASSISTANT, ToolCallPart("c", "f", "{}")), result))
    assert body["messages"][1:] == [
        {
            "role": "tool",
            "tool_call_id": "c",
            "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
        }
    ]
    assert not request_problems(body)


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        pytest.param((ToolCallPart("c", "f", "{}"),), None, id="only a call"),
        pytest.param((ReasoningPart("r"),), "", id="only reasoning"),
        pytest.param((TextPart("a"),), "a", id="one text"),
        pytest.param(
            (TextPart("a"), TextPart("b")),
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            id="two texts",
        ),
    ],
)
def test_content_of_an_assistant_turn(parts: tuple[Part, ...], content: Json) -> None:
    """Providers refuse a turn that has neither content nor calls."""
    body = wire(said(message(Role.ASSISTANT, *parts)))
    assert body["messages"][0]["content"] == content
    assert not request_problems(body)


def test_pictures_and_files_stand_among_the_words() -> None:
    """The model reads the words without what they are about, or in another order."""
    parts = (
        TextPart("See"),
        PICTURE,
        ImagePart(Linked(LINK), detail="low"),
        TextPart("and"),
        FilePart(Inline("application/pdf", "JVBERi0="), name="lease.pdf"),
        FilePart(Inline("application/pdf", "JVBERi0=")),
    )
    (sent,) = wire(said(message(Role.USER, *parts)))["messages"]
    data = "data:application/pdf;base64,JVBERi0="
    assert sent["content"] == [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
        {"type": "image_url", "image_url": {"url": LINK, "detail": "low"}},
        {"type": "text", "text": "and"},
        {"type": "file", "file": {"filename": "lease.pdf", "file_data": data}},
        {"type": "file", "file": {"filename": "document", "file_data": data}},
    ]


def test_tools_and_choice() -> None:
    """The model would not see the tools that the client offers."""
    tools = (
        Tool("find", "Finds it.", MappingProxyType(SCHEMA), is_strict=True),
        Tool("bare"),
    )
    choice = ToolChoice(ToolChoiceMode.NAMED, "find")
    body = wire(said(tools=tools, tool_choice=choice, parallel_tool_calls=False))
    strict = {"name": "find", "description": "Finds it.", "parameters": SCHEMA, "strict": True}
    assert body["tools"] == [
        {"type": "function", "function": strict},
        {"type": "function", "function": {"name": "bare"}},
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "find"}}
    assert body["parallel_tool_calls"] is False


@pytest.mark.parametrize(
    ("wanted", "format_"),
    [
        pytest.param(JsonFormat(), {"type": "json_object"}, id="any JSON"),
        pytest.param(
            JsonFormat(SCHEMA, "place", "A place.", is_strict=True),
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "place",
                    "schema": SCHEMA,
                    "description": "A place.",
                    "strict": True,
                },
            },
            id="all of a schema",
        ),
        pytest.param(
            JsonFormat(SCHEMA),
            {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
            id="a schema without a name",
        ),
    ],
)
def test_response_format(wanted: JsonFormat, format_: Json) -> None:
    """The answer would not have the shape that the client asked for."""
    body = wire(said(response_format=wanted))
    assert body["response_format"] == format_
    assert not request_problems(body)


def test_sampling() -> None:
    """A wish would be dropped, or a wish nobody had be sent."""
    sampling = Sampling(0.0, 0.5, 9, ("a", "b"), 0, -1.0, 1.0)
    assert {name: value for name, value in wire(said(sampling=sampling)).items()} == {  # noqa: C416  # shows the whole body
        "model": "some-model",
        "messages": [],
        "stream": False,
        "temperature": 0.0,
        "top_p": 0.5,
        "max_tokens": 9,
        "stop": ["a", "b"],
        "seed": 0,
        "presence_penalty": -1.0,
        "frequency_penalty": 1.0,
    }


def test_limit_under_its_newer_name() -> None:
    """OpenAI's own reasoning models refuse the older name."""
    body = wire(conversation(max_tokens=9), Differences("max_completion_tokens"))
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body


def test_a_server_gets_what_it_knows() -> None:
    """A provider that names things otherwise would refuse the request, or forget the seed."""
    wanted = replace(conversation(), sampling=Sampling(seed=7))
    body = wire(wanted, Differences(seed_field="random_seed", takes_stream_options=False))
    assert body["random_seed"] == 7
    assert not {"seed", "stream_options"} & set(body)


@pytest.mark.parametrize(
    ("lack", "wanted"),
    [
        ("seed", {"sampling": Sampling(seed=7)}),
        ("json_schema", {"response_format": JsonFormat(SCHEMA)}),
        ("parallel_tool_calls", {"tools": (Tool("f"),), "parallel_tool_calls": False}),
    ],
)
def test_what_a_server_lacks_is_said_before_it_is_asked(lack: str, wanted: dict[str, Any]) -> None:
    """The provider reads it otherwise, and the answer is not what was asked for."""
    asked = replace(conversation(), **wanted)
    assert wire(asked)
    with pytest.raises(RequestError, match=lack) as refused:
        wire(asked, Differences(lacks=frozenset({lack})))
    assert refused.value.param == lack
    assert wire(conversation(), Differences(lacks=frozenset({lack})))


def test_what_nobody_asked_for_yields_to_what_a_server_lacks() -> None:
    """A persona could not be served by a server that lacks what its file says by default."""
    sampling = Sampling(temperature=0.0, yields=frozenset({"temperature"}))
    cool = replace(conversation(), sampling=sampling)
    assert wire(cool)["temperature"] == 0.0
    assert "temperature" not in wire(cool, Differences(lacks=frozenset({"temperature"})))


def test_what_is_left_out_for_models_that_refuse_it() -> None:
    """A persona with a temperature could not be served by models that reason."""
    warm = replace(conversation(), sampling=Sampling(temperature=0.5, seed=1))
    body = wire(warm, Differences(leaves_out=frozenset({"temperature"})))
    assert ("temperature" in body, body["seed"]) == (False, 1)


def test_subject_is_not_sent() -> None:
    """The name of an end user would reach the provider, where we cannot erase it."""
    assert b"user-7" not in chat_request(said(subject="user-7"), "m")


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(said(message(Role.USER, ToolResultPart("c", "x"))), id="result of a user"),
        pytest.param(said(message(Role.TOOL, TextPart("x"))), id="text of a tool"),
        pytest.param(said(message(Role.TOOL, PICTURE)), id="picture of a tool"),
        pytest.param(said(message(Role.SYSTEM, PICTURE)), id="picture above all"),
        pytest.param(said(message(Role.ASSISTANT, PICTURE)), id="own picture"),
        pytest.param(said(message(Role.USER, FilePart(Linked(LINK)))), id="file by address"),
        pytest.param(said(message(Role.ASSISTANT, ToolResultPart("c", "x"))), id="own result"),
        pytest.param(said(message(Role.USER, TextPart("\ud83d"))), id="half a surrogate pair"),
        pytest.param(said(tool_choice=ToolChoice(ToolChoiceMode.NAMED)), id="choice of nothing"),
    ],
)
def test_refused_conversations(wanted: Conversation) -> None:
    """A part would be dropped without a word."""
    with pytest.raises(RequestError):
        chat_request(wanted, "m")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
text_parts = st.builds(TextPart, texts)
media = st.one_of(
    st.just(PICTURE), st.builds(FilePart, st.just(PICTURE.source), name=st.none() | texts)
)
messages = st.one_of(
    st.lists(st.one_of(text_parts, media), min_size=1, max_size=3).map(
        lambda parts: message(Role.USER, *parts)
    ),
    st.builds(
        message, st.sampled_from([Role.SYSTEM, Role.USER]), text_parts, name=st.none() | texts
    ),
    st.lists(
        st.one_of(
            text_parts,
            st.builds(RefusalPart, texts),
            st.builds(ReasoningPart, texts),
            st.builds(ToolCallPart, texts, texts, texts),
        ),
        max_size=4,
    ).map(lambda parts: message(Role.ASSISTANT, *parts)),
    st.lists(st.builds(ToolResultPart, texts, texts), max_size=3).map(
        lambda parts: message(Role.TOOL, *parts)
    ),
)
conversations = st.builds(
    Conversation,
    persona=st.just("tester"),
    messages=st.lists(messages, max_size=4).map(tuple),
    tools=st.lists(
        st.builds(
            Tool, texts, texts, st.none() | st.just(SCHEMA), is_strict=st.none() | st.booleans()
        ),
        max_size=2,
    ).map(tuple),
    tool_choice=st.none()
    | st.builds(ToolChoice, st.sampled_from(list(ToolChoiceMode)), st.just("find")),
    parallel_tool_calls=st.none() | st.booleans(),
    response_format=st.none()
    | st.builds(JsonFormat, st.none() | st.just(SCHEMA), st.none() | st.just("place")),
    sampling=st.builds(
        Sampling,
        temperature=st.none() | st.floats(0, 2),
        max_tokens=st.none() | st.integers(1, 9),
        stop=st.lists(texts, max_size=2).map(tuple),
        seed=st.none() | st.integers(0, 9),
    ),
)


@settings(deadline=None, max_examples=150)
@given(conversations, st.sampled_from(["max_tokens", "max_completion_tokens"]))
def test_every_conversation_is_a_request_the_vendor_allows(
    wanted: Conversation, field: str
) -> None:
    """A strict provider would refuse what we send."""
    body = wire(wanted, Differences(field))
    assert request_problems(body) == []
    sent = orjson.dumps(body).decode()
    for each in wanted.messages:
        for part in each.parts:
            if isinstance(part, TextPart | RefusalPart | ToolResultPart):
                assert orjson.dumps(part.text).decode()[1:-1] in sent
