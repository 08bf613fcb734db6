"""Every text of a conversation is shown to policy, and comes back where it stood."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conversation import (
    Conversation,
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
from app.domain.errors import RequestError
from app.domain.policy import Stage
from app.pipeline.segments import segments, with_texts

_WORD = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=6).map(
    lambda text: f"text-{text}"
)
_JSON = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.none(), _WORD),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_WORD, inner, max_size=3)),
    max_leaves=6,
)
_OBJECT = st.dictionaries(_WORD, _JSON, max_size=3)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Something of everything that a conversation may hold."""
    messages = []
    for at in range(draw(st.integers(1, 4))):
        role = draw(st.sampled_from((Role.USER, Role.ASSISTANT, Role.TOOL, Role.SYSTEM)))
        path = f"messages[{at}]"
        parts: dict[Role, tuple[Any, ...]] = {
            Role.USER: (TextPart(draw(_WORD), f"{path}.content"),),
            Role.SYSTEM: (TextPart(draw(_WORD), f"{path}.content"),),
            Role.ASSISTANT: (
                ReasoningPart(draw(_WORD), f"{path}.reasoning_content"),
                RefusalPart(draw(_WORD), f"{path}.refusal"),
                ToolCallPart("c", draw(_WORD), draw(_WORD), f"{path}.tool_calls[0].function"),
            ),
            Role.TOOL: (ToolResultPart("c", draw(_WORD), f"{path}.content"),),
        }
        origin = Origin.TOOL if role is Role.TOOL else Origin.CLIENT
        messages.append(Message(role, origin, parts[role], draw(st.none() | _WORD), path))
    tools = (Tool(draw(_WORD), draw(_WORD), draw(st.none() | _OBJECT), path="tools[0].function"),)
    choice = st.sampled_from((None, ToolChoice(ToolChoiceMode.NAMED, tools[0].name)))
    return Conversation(
        "lexi",
        tuple(messages),
        tools=tools,
        tool_choice=draw(choice),
        response_format=JsonFormat(draw(_OBJECT), draw(_WORD), draw(_WORD)),
        sampling=Sampling(stop=(draw(_WORD),)),
        wishes=PersonaWishes(variables={"customer": draw(_WORD), "age": 7}),
        passthrough=draw(_OBJECT),
    )


def texts_in(value: object) -> list[str]:
    """Every text of ours anywhere in a value, found without knowing what it is."""
    if isinstance(value, str):
        return [value] if value.startswith("text-") else []
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in texts_in(one)]
    if isinstance(value, list | tuple):
        return [text for one in value for text in texts_in(one)]
    if is_dataclass(value):
        return [text for one in fields(value) for text in texts_in(getattr(value, one.name))]
    return []


@given(conversations())
@settings(deadline=None, max_examples=100)
def test_policy_sees_every_text(asked: Conversation) -> None:
    """A field would reach the model that no rule has looked at."""
    seen = sorted(segment.text for segment in segments(asked))
    held = texts_in(replace(asked, tool_choice=None))  # which repeats the name of a tool
    assert seen == sorted(held)


@given(conversations())
@settings(deadline=None, max_examples=100)
def test_what_policy_rewrites_is_what_is_passed_on(asked: Conversation) -> None:
    """A text would be rewritten in the record and go to the model as it was."""
    new = {segment.path: f"new-{at}" for at, segment in enumerate(segments(asked))}
    try:
        made = with_texts(asked, new)
    except RequestError:
        raise AssertionError("all new texts differ") from None
    assert texts_in(made) == []
    assert [segment.text for segment in segments(made)] == list(new.values())
    assert with_texts(asked, {}) == asked


def test_keys_that_become_one_are_refused() -> None:
    """A property of a tool would vanish without a word."""
    tool = Tool("look", parameters={"a@x.org": 1, "b@x.org": 2}, path="tools[0].function")
    asked = Conversation("lexi", (), tools=(tool,))
    new = {segment.path: "masked" for segment in segments(asked) if "#" in segment.path}
    with pytest.raises(RequestError):
        with_texts(asked, new)


def test_what_is_earlier_and_what_came_from_tools() -> None:
    """A blocked text of the past would end a talk for ever, or a tool's result be the user's."""

    def said(role: Role, at: int) -> Message:
        origin = Origin.TOOL if role is Role.TOOL else Origin.CLIENT
        return Message(role, origin, (TextPart("x", f"messages[{at}].content"),))

    roles = (Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER, Role.TOOL)
    asked = Conversation("lexi", tuple(said(role, at) for at, role in enumerate(roles)))
    found = [(segment.is_earlier, segment.stage) for segment in segments(asked)]
    assert found == [
        (False, Stage.INPUT),
        (True, Stage.INPUT),
        (False, Stage.INPUT),
        (False, Stage.INPUT),
        (False, Stage.TOOL_RESULT),
    ]
