"""A conversation goes out as a Responses request that the vendor's own types allow."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from app.backends.responses_request import Options, responses_request
from app.backends.turns import without
from app.domain.conversation import (
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
from app.domain.wanted import TextAnswer
from tests.backends.contract import PROMPT, conversation
from tests.backends.provider_contract import SCHEMA, message, said
from tests.backends.talk import conversations
from tests.servers.responses_server import request_problems

Json = Any

USER = message(Role.USER, TextPart("Hi", "messages[0].content"))
HI = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
TOOLS = (Tool("find", parameters=SCHEMA),)
INCLUDE = ["reasoning.encrypted_content"]


def wire(wanted: Conversation, options: Options | None = None) -> Json:
    """The request body as the provider reads it; it must be one that the vendor allows."""
    body = orjson.loads(responses_request(wanted, "some-model", options or Options()))
    assert request_problems(body) == []
    return body


def items(*messages: Message) -> Json:
    """What stands below the prompt."""
    return wire(said(*messages))["input"]


def output(text: str) -> Json:
    """A text of the assistant."""
    return {"type": "output_text", "text": text, "annotations": []}


def test_plain_conversation() -> None:
    """The persona's prompt would not stand above, or the provider keep what was said."""
    assert wire(conversation("Hi")) == {
        "model": "some-model",
        "instructions": PROMPT,
        "input": [HI],
        "include": INCLUDE,
        "store": False,
        "stream": True,
    }


def test_instructions_of_the_client_stay_below_the_prompt() -> None:
    """A client could speak from where the persona does, or its instructions be lost."""
    body = wire(said(message(Role.SYSTEM, TextPart("Be brief."), TextPart("Be kind.")), USER))
    assert body["instructions"] == PROMPT
    developer = [{"type": "input_text", "text": text} for text in ("Be brief.", "Be kind.")]
    assert body["input"][0] == {"type": "message", "role": "developer", "content": developer}


def test_a_conversation_without_a_prompt() -> None:
    """What a client says first would be taken for the persona's."""
    late = message(Role.SYSTEM, TextPart("Be brief."))
    body = wire(Conversation("tester", (late, USER)))
    assert "instructions" not in body
    assert body["input"][0]["role"] == "developer"


def test_turn_with_everything() -> None:
    """The model would not know what it thought, said and called before."""
    turn = message(
        Role.ASSISTANT,
        ReasoningPart("Hm."),
        ReasoningPart("Well.", signed="sig"),
        ReasoningPart("", signed="opaque", is_redacted=True),
        TextPart("Let me look."),
        TextPart(""),
        RefusalPart("I cannot."),
        ReasoningPart("nobody signed this"),
        ToolCallPart("c1", "find", '{"n": 1e400'),
        ToolCallPart("c2", "bare", ""),
    )
    results = [
        Message(Role.TOOL, Origin.TOOL, (ToolResultPart("c1", "one"),)),
        Message(Role.TOOL, Origin.TOOL, (ToolResultPart("c2", "", is_error=True),)),
    ]
    assert items(USER, turn, *results, USER) == [
        HI,
        {
            "type": "reasoning",
            "summary": [
                {"type": "summary_text", "text": "Hm."},
                {"type": "summary_text", "text": "Well."},
            ],
            "encrypted_content": "sig",
        },
        {"type": "reasoning", "summary": [], "encrypted_content": "opaque"},
        {
            "type": "message",
            "role": "assistant",
            "content": [output("Let me look."), {"type": "refusal", "refusal": "I cannot."}],
        },
        {"type": "function_call", "call_id": "c1", "name": "find", "arguments": '{"n": 1e400'},
        {"type": "function_call", "call_id": "c2", "name": "bare", "arguments": ""},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": ""},
        HI,
    ]


@pytest.mark.parametrize(
    ("parts", "kinds"),
    [
        pytest.param((), [], id="reasoning alone"),
        pytest.param((TextPart(""),), [], id="and nothing said"),
        pytest.param((TextPart("So."),), ["reasoning", "message"], id="and words"),
        pytest.param(
            (ReasoningPart("", signed="b"), TextPart("So.")),
            ["reasoning", "reasoning", "message"],
            id="and more of it, and words",
        ),
    ],
)
def test_reasoning_that_led_to_nothing_stays_out(parts: tuple[Part, ...], kinds: list[str]) -> None:
    """The provider refuses reasoning without what it led to, and the conversation would end."""
    turn = message(Role.ASSISTANT, ReasoningPart("Hm.", signed="a"), *parts)
    made = items(USER, turn, USER)
    assert [item["type"] for item in made[1:-1]] == kinds


def test_reasoning_of_words_is_not_that_of_others() -> None:
    """What nobody signed would go back with the signature of something else."""
    turn = message(
        Role.ASSISTANT,
        ReasoningPart("nobody signed this"),
        TextPart("So."),
        ReasoningPart("Hm.", signed="a"),
        TextPart("Yes."),
    )
    made = items(USER, turn, USER)
    assert [item["type"] for item in made[1:-1]] == ["message", "reasoning", "message"]
    assert made[2]["summary"] == [{"type": "summary_text", "text": "Hm."}]


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        pytest.param(
            ImagePart(Inline("image/png", "QUJD")),
            {
                "type": "input_image",
                "image_url": "data:image/png;base64,QUJD",
                "detail": "auto",
            },
            id="picture",
        ),
        pytest.param(
            ImagePart(Linked("https://example.org/a.png"), detail="low"),
            {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "low"},
            id="linked picture, a quick look",
        ),
        pytest.param(
            FilePart(Inline("application/pdf", "QUJD"), name="lease.pdf"),
            {
                "type": "input_file",
                "filename": "lease.pdf",
                "file_data": "data:application/pdf;base64,QUJD",
            },
            id="file",
        ),
        pytest.param(
            FilePart(Inline("application/pdf", "QUJD")),
            {
                "type": "input_file",
                "filename": "file.pdf",
                "file_data": "data:application/pdf;base64,QUJD",
            },
            id="file without a name",
        ),
        pytest.param(
            FilePart(Linked("https://example.org/a.pdf"), name="lease.pdf"),
            {"type": "input_file", "file_url": "https://example.org/a.pdf"},
            id="linked file",
        ),
    ],
)
def test_parts_of_a_user(part: Part, wanted: Json) -> None:
    """The model would answer about something that it never saw."""
    (made,) = items(message(Role.USER, TextPart("Hi"), part))
    assert made["content"] == [*HI["content"], wanted]


def test_picture_that_a_tool_answers_with() -> None:
    """The model would not see what its tool found, or take it for that of another call."""
    calls = message(
        Role.ASSISTANT, ToolCallPart("c1", "find", "{}"), ToolCallPart("c2", "find", "{}")
    )
    picture = ImagePart(Inline("image/png", "QUJD"))
    parts = (ToolResultPart("c1", "This:"), picture, ToolResultPart("c2", "two"))
    made = items(USER, calls, Message(Role.TOOL, Origin.TOOL, parts))
    assert [each["type"] for each in made[3]["output"]] == ["input_text", "input_image"]
    assert (made[4]["call_id"], made[4]["output"]) == ("c2", "two")


def test_tools() -> None:
    """The model would not see the tools, or hold to a schema that nobody asked it to hold to."""
    tools = (Tool("find", "Finds it.", SCHEMA, is_strict=True), Tool("bare"))
    assert wire(said(USER, tools=tools))["tools"] == [
        {
            "type": "function",
            "name": "find",
            "description": "Finds it.",
            "parameters": SCHEMA,
            "strict": True,
        },
        {
            "type": "function",
            "name": "bare",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
    ]


def test_pictures_in_the_answer() -> None:
    """The model would answer without the picture that the client asked for."""
    wanted = TextAnswer(images_path="modalities")
    assert wire(said(USER, wanted=wanted))["tools"] == [{"type": "image_generation"}]
    both = wire(said(USER, tools=TOOLS, wanted=wanted))["tools"]
    assert [tool["type"] for tool in both] == ["function", "image_generation"]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        pytest.param(None, None, id="nothing said"),
        pytest.param(ToolChoice(ToolChoiceMode.AUTO), "auto", id="may"),
        pytest.param(ToolChoice(ToolChoiceMode.NONE), "none", id="must not"),
        pytest.param(ToolChoice(ToolChoiceMode.REQUIRED), "required", id="must"),
        pytest.param(
            ToolChoice(ToolChoiceMode.NAMED, "find"),
            {"type": "function", "name": "find"},
            id="this one",
        ),
    ],
)
def test_choice_of_tools(choice: ToolChoice | None, sent: Json) -> None:
    """The model would call a tool that it must not, or none where one was wanted."""
    assert wire(said(USER, tools=TOOLS, tool_choice=choice)).get("tool_choice") == sent


def test_one_call_at_a_time() -> None:
    """The model would make several calls where one was wanted."""
    wanted = said(USER, tools=TOOLS, parallel_tool_calls=False)
    assert wire(wanted)["parallel_tool_calls"] is False
    without_tools = said(USER, parallel_tool_calls=False)
    assert "parallel_tool_calls" not in wire(without_tools)


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        pytest.param(JsonFormat(), {"type": "json_object"}, id="any JSON"),
        pytest.param(
            JsonFormat(SCHEMA),
            {"type": "json_schema", "name": "answer", "schema": SCHEMA},
            id="a schema",
        ),
        pytest.param(
            JsonFormat(SCHEMA, "place", "A place.", is_strict=True),
            {
                "type": "json_schema",
                "name": "place",
                "description": "A place.",
                "schema": SCHEMA,
                "strict": True,
            },
            id="a schema with all that can be said of it",
        ),
    ],
)
def test_json(wanted: JsonFormat, sent: Json) -> None:
    """The answer would not have the shape that the client asked for."""
    assert wire(said(USER, response_format=wanted))["text"] == {"format": sent}


def test_sampling() -> None:
    """A wish would be dropped, or a wish nobody had be sent."""
    wishes = Sampling(temperature=0.0, top_p=0.5, max_tokens=16)
    body = wire(said(USER, sampling=wishes))
    sent = {name: body[name] for name in ("temperature", "top_p", "max_output_tokens")}
    assert sent == {"temperature": 0.0, "top_p": 0.5, "max_output_tokens": 16}
    assert not body.keys() & {"reasoning", "text", "tools", "tool_choice"}


@pytest.mark.parametrize(
    ("options", "wish", "sent"),
    [
        pytest.param(Options(), None, None, id="nothing said"),
        pytest.param(Options(), Effort.NONE, {"effort": "none"}, id="none"),
        pytest.param(Options(), Effort.HIGH, {"effort": "high"}, id="an effort"),
        pytest.param(Options(), 5000, {"effort": "medium"}, id="tokens as an effort"),
        pytest.param(Options(summary="auto"), None, {"summary": "auto"}, id="a summary"),
        pytest.param(
            Options(summary="concise"),
            Effort.LOW,
            {"effort": "low", "summary": "concise"},
            id="a summary of an effort",
        ),
    ],
)
def test_reasoning(options: Options, wish: Effort | int | None, sent: Json) -> None:
    """The model would think too little, too long, or nobody read what it thought."""
    reasoning = None if wish is None else Reasoning(wish)
    body = wire(said(USER, sampling=Sampling(reasoning=reasoning)), options)
    assert body.get("reasoning") == sent


def test_models_that_do_not_reason() -> None:
    """Models that do not reason would refuse every request."""
    assert "include" not in wire(said(USER), Options(encrypted_reasoning=False))


def test_fields_of_its_own_format_pass_through() -> None:
    """A field that the persona lets through would be lost, or stand in for one of ours."""
    passing = {"service_tier": "auto", "store": True}
    body = wire(said(USER, dialect="openai_responses", passthrough=passing))
    assert (body["service_tier"], body["store"]) == ("auto", False)


def test_subject_is_not_sent() -> None:
    """The name of an end user would reach the provider, where we cannot erase it."""
    assert b"user-7" not in responses_request(said(USER, subject="user-7"), "m", Options())


@settings(deadline=None, max_examples=50)
@given(conversations())
def test_every_conversation_is_a_request_the_vendor_allows(wanted: Conversation) -> None:
    """A strict provider would refuse what we send, or not get all of what was said."""
    if wanted.sampling.stop or (wanted.sampling.max_tokens or 16) < 16:
        with pytest.raises(RequestError):
            responses_request(wanted, "m", Options())
        wanted = said(*wanted.messages[1:], tools=wanted.tools)
    sent = orjson.dumps(wire(wanted)).decode()
    for each in wanted.messages:
        for part in each.parts:
            if isinstance(part, TextPart | RefusalPart | ToolResultPart) and part.text:
                assert orjson.dumps(part.text).decode() in sent


MUST = ToolChoice(ToolChoiceMode.REQUIRED)


@pytest.mark.parametrize(
    ("sampling", "field"),
    [
        pytest.param({"seed": 0}, "seed", id="seed"),
        pytest.param({"presence_penalty": 0.0}, "presence_penalty", id="presence"),
        pytest.param({"frequency_penalty": 0.1}, "frequency_penalty", id="frequency"),
        pytest.param({"top_k": 1}, "top_k", id="top_k"),
        pytest.param({"stop": ("x",), "stop_path": "stop_sequences"}, "stop_sequences", id="stop"),
        pytest.param({"max_tokens": 15}, "max_tokens", id="too few tokens"),
    ],
)
def test_wishes_that_are_refused(sampling: dict[str, Any], field: str) -> None:
    """A wish would be dropped without a word, or the provider's error name no field."""
    with pytest.raises(RequestError) as caught:
        responses_request(said(USER, sampling=Sampling(**sampling)), "m", Options())
    assert caught.value.param == field
    assert caught.value.message.startswith(field)


def test_wishes_that_are_left_out() -> None:
    """What an operator says is not to be sent would still be refused."""
    wanted = said(USER, sampling=Sampling(seed=1, top_k=2, temperature=0.5))
    body = wire(without(wanted, ("seed", "top_k")))
    assert body["temperature"] == 0.5


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        pytest.param(said(USER, tool_choice=MUST), "tool_choice", id="must call nothing"),
        pytest.param(
            said(USER, tools=TOOLS, tool_choice=ToolChoice(ToolChoiceMode.NAMED)),
            "tool_choice",
            id="choice of nothing",
        ),
        pytest.param(
            said(Message(Role.USER, Origin.CLIENT, (TextPart("Hi"),), "Ann", "messages[1]")),
            "messages[1].name",
            id="a name",
        ),
        pytest.param(
            said(USER, Message(Role.ASSISTANT, Origin.CLIENT, (TextPart("Hi"),), "Bob", "here")),
            "here.name",
            id="a name of the assistant",
        ),
        pytest.param(
            said(Message(Role.SYSTEM, Origin.CLIENT, (TextPart("Hi"),), "Law", "here"), USER),
            "here.name",
            id="a name of instructions",
        ),
        pytest.param(
            said(message(Role.USER, ToolResultPart("c", "x", "here"))),
            "here",
            id="result of a user",
        ),
        pytest.param(
            said(message(Role.TOOL, TextPart("x", "there"))), "there", id="text of a tool"
        ),
        pytest.param(said(USER, message(Role.TOOL)), "messages[1]", id="a tool that says nothing"),
        pytest.param(
            said(USER, message(Role.ASSISTANT, ImagePart(Inline("image/png", "QUJD"), "here"))),
            "here",
            id="own picture",
        ),
        pytest.param(
            said(message(Role.SYSTEM, ReasoningPart("x", "here")), USER),
            "here",
            id="reasoning in instructions",
        ),
        pytest.param(
            said(message(Role.USER, ImagePart(Inline("image/tiff", "QUJD"), "here"))),
            "here",
            id="another kind of picture",
        ),
        pytest.param(
            said(message(Role.USER, TextPart("\ud83d"))), None, id="half a surrogate pair"
        ),
        pytest.param(
            said(USER, passthrough={"logit_bias": {}}),
            "logit_bias",
            id="a field of another wire format",
        ),
    ],
)
def test_refused_conversations(wanted: Conversation, param: str | None) -> None:
    """A part would be dropped without a word, or the error not say which."""
    with pytest.raises(RequestError) as caught:
        responses_request(wanted, "m", Options())
    assert caught.value.param == param
