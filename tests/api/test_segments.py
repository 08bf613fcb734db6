"""Every guarded text of a conversation is found, and goes back to where it was."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.openai_chat import OpenAIChat
from app.domain.conversation import (
    Conversation,
    Json,
    Message,
    Origin,
    Role,
    Segment,
    TextPart,
    ToolChoice,
    ToolChoiceMode,
)
from app.domain.errors import RequestError
from app.domain.policy import Stage
from app.pipeline.segments import SCHEMA_WORDS, segments, with_texts
from tests.api.scripted import persona
from tests.api.wires import WIRES, Wire

OPEN = persona(system_messages="below", passthrough="allow")

every_wire = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)


@every_wire
@given(data=st.data())
@settings(deadline=None, max_examples=300)
def test_putting_back_what_was_there_changes_nothing(wire: Wire, data: st.DataObject) -> None:
    """A text gets lost or moves when policy leaves everything as it is."""
    asked = wire.dialect.conversation(data.draw(wire.bodies), OPEN)
    texts = {segment.path: segment.text for segment in segments(asked)}
    assert with_texts(asked, texts) == asked
    assert with_texts(asked, {}) == asked


@every_wire
@given(data=st.data())
@settings(deadline=None, max_examples=300)
def test_what_is_put_is_what_is_found(wire: Wire, data: st.DataObject) -> None:
    """A rewritten text does not reach the place that the model reads."""
    asked = wire.dialect.conversation(data.draw(wire.bodies), OPEN)
    texts = {one.path: f"<{at}>" for at, one in enumerate(segments(asked))}
    rewritten = segments(with_texts(asked, texts))
    assert {one.path: one.text for one in rewritten} == texts


def _said(*turns: str) -> Conversation:
    """A conversation whose turns begin with their role."""
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    messages = []
    for turn in turns:
        message = {"role": roles[turn[0]], "content": turn}
        if turn[0] == "t":
            message["tool_call_id"] = "i"
        messages.append(message)
    return OpenAIChat().conversation({"model": "tutor", "messages": messages}, OPEN)


@pytest.mark.parametrize(
    ("turns", "earlier"),
    [
        pytest.param("u", "", id="first question"),
        pytest.param("u a u", "u", id="second question"),
        pytest.param("u a", "", id="the assistant's own turn comes last"),
        pytest.param("u a u a u", "u a u", id="third question"),
        pytest.param("u a t", "u", id="a tool has answered"),
        pytest.param("u a t a", "u", id="the last answer has no reply yet"),
        pytest.param("s u a u", "u", id="a system message holds for every answer"),
        pytest.param("u a u s", "u", id="a system message is no reply"),
        pytest.param("u a s", "", id="a system message alone is no reply"),
        pytest.param("u u u", "", id="nobody has answered"),
    ],
)
def test_earlier_turns(turns: str, earlier: str) -> None:
    """A block of what was said long ago ends the conversation, or a fresh one does not."""
    found = segments(_said(*turns.split()))
    assert " ".join(one.text for one in found if one.is_earlier) == earlier


def test_stages() -> None:
    """What a tool says is looked at as if the user had said it, or the other way round."""
    found = {one.text: one.stage for one in segments(_said("s", "u", "a", "t"))}
    assert found == {
        "s": Stage.INPUT,
        "u": Stage.INPUT,
        "a": Stage.INPUT,
        "t": Stage.TOOL_RESULT,
    }


def test_the_personas_own_words_are_not_among_them() -> None:
    """The reviewed system prompt is guarded as if a client had sent it, or shifts all paths."""
    asked = _said("u", "a")
    prompt = Message(Role.SYSTEM, Origin.PERSONA, (TextPart("You are Tess."),))
    named = Message(
        Role.USER, Origin.CLIENT, (TextPart("x", "messages[2].content"),), "ann", "messages[2]"
    )
    whole = Conversation("tutor", (prompt, *asked.messages, named))
    assert [one.path for one in segments(whole)] == [
        "messages[0].content",
        "messages[1].content",
        "messages[2].name",
        "messages[2].content",
    ]
    assert with_texts(whole, {}).messages[0] is prompt


def _with_tool(parameters: Json, **body: Json) -> Conversation:
    function = {"name": "look", "description": "Looks.", "parameters": parameters}
    tools = [{"type": "function", "function": function}]
    messages = [{"role": "user", "content": "u"}]
    asked = {"model": "tutor", "messages": messages, "tools": tools}
    return OpenAIChat().conversation(asked | body, OPEN)


def test_schemas_show_their_own_words_only() -> None:
    """A parameter's name or description escapes the guards, or its text stands in a path."""
    schema = {
        "type": "object",
        "properties": {"secret city": {"type": "string", "enum": ["Ulm"], "description": "Where"}},
        "required": ["secret city"],
    }
    found = segments(_with_tool(schema))
    assert [(one.path, one.text) for one in found if "tools" in one.path] == [
        ("tools[0].function.name", "look"),
        ("tools[0].function.description", "Looks."),
        ("tools[0].function.parameters#1", "secret city"),
        ("tools[0].function.parameters#2", "Ulm"),
        ("tools[0].function.parameters#3", "Where"),
        ("tools[0].function.parameters#4", "secret city"),
    ]
    assert {"type", "properties", "string"} <= SCHEMA_WORDS


def test_rewritten_keys_that_meet_are_refused() -> None:
    """Two parameters become one in silence when policy rewrites both names to the same."""
    asked = _with_tool({"properties": {"ann": {}, "bob": {}}})
    texts = {f"tools[0].function.parameters#{at}": "[removed]" for at in (1, 2)}
    with pytest.raises(RequestError, match="same"):
        with_texts(asked, texts)


def test_the_chosen_tool_is_renamed_with_its_tool() -> None:
    """A tool choice names a tool that the model no longer has."""
    choice = {"type": "function", "function": {"name": "look"}}
    asked = with_texts(_with_tool({}, tool_choice=choice), {"tools[0].function.name": "t1"})
    assert asked.tools[0].name == "t1"
    assert asked.tool_choice == ToolChoice(ToolChoiceMode.NAMED, "t1")


def test_two_texts_with_one_path_are_an_error() -> None:
    """One of two texts takes the other's place after a rewrite."""
    parts = (TextPart("a", "p"), TextPart("b", "p"))
    with pytest.raises(ValueError, match="same path"):
        segments(Conversation("tutor", (Message(Role.USER, Origin.CLIENT, parts),)))


def test_a_segment_says_where_it_stands() -> None:
    """The console and records point to the wrong part of a request."""
    first = segments(_said("u"))[0]
    assert first == Segment("messages[0].content", "u", Stage.INPUT, is_earlier=False)
