"""Conversations of any shape that a dialect lets through, for the tests of protocols."""

from hypothesis import strategies as st

from app.domain.conversation import (
    CacheFor,
    Conversation,
    JsonFormat,
    Message,
    Origin,
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
from tests.backends.provider_contract import SCHEMA, message, said

USER = message(Role.USER, TextPart("Hi", "messages[0].content"))
TOOLS = (Tool("find", parameters=SCHEMA),)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
spoken = st.builds(TextPart, texts, cache=st.none() | st.sampled_from(CacheFor))
own = st.one_of(
    spoken,
    st.builds(RefusalPart, texts),
    st.builds(ReasoningPart, texts, signed=st.none() | st.just("c2ln")),
    st.just(ReasoningPart("", signed="QUJD", is_redacted=True)),
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """A conversation whose calls are answered, as any dialect makes sure."""
    messages = [USER]
    for turn in range(draw(st.integers(0, 3))):
        ids = [f"c{turn}_{n}" for n in range(draw(st.integers(0, 2)))]
        parts = [
            *draw(st.lists(own, max_size=3)),
            *(ToolCallPart(each, "find", "{}") for each in ids),
        ]
        messages.append(message(Role.ASSISTANT, *draw(st.permutations(parts))))
        messages += [
            Message(Role.TOOL, Origin.TOOL, (ToolResultPart(each, draw(texts)),)) for each in ids
        ]
        messages += [message(Role.SYSTEM, TextPart(draw(texts)))] * draw(st.integers(0, 1))
        messages.append(message(Role.USER, TextPart("x" + draw(texts))))
    return said(
        *messages,
        tools=TOOLS,
        tool_choice=draw(st.none() | st.just(ToolChoice(ToolChoiceMode.NAMED, "find"))),
        parallel_tool_calls=draw(st.none() | st.just(value=True)),
        response_format=draw(st.none() | st.just(JsonFormat(SCHEMA))),
        is_stream=draw(st.booleans()),
        sampling=Sampling(
            max_tokens=draw(st.none() | st.integers(1, 9)),
            stop=tuple(draw(st.lists(st.just("x"), max_size=4))),
        ),
    )
