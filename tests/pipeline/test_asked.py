"""What a model gets, and about how long it is."""

from typing import Any

import pytest

from app.domain.conversation import (
    Conversation,
    ImagePart,
    JsonFormat,
    Linked,
    Message,
    Origin,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from app.domain.prompt import SystemPrompt
from app.pipeline.asked import estimate_tokens_of, with_prompt

PROMPT = SystemPrompt("abcd" * 10, "sha256:0", 10, (), "assistant", 0)
FOUR = "abcd" * 4


def test_the_persona_speaks_first() -> None:
    """A client's message would come before the persona's prompt, or take its place."""
    said = Message(Role.SYSTEM, Origin.CLIENT, (TextPart("x"),))
    asked = with_prompt(Conversation("tutor", (said,)), PROMPT)
    assert asked.messages == (
        Message(Role.SYSTEM, Origin.PERSONA, (TextPart(PROMPT.text),)),
        said,
    )


@pytest.mark.parametrize(
    ("changes", "tokens"),
    [
        pytest.param({}, 10, id="the prompt alone"),
        pytest.param({"tools": (Tool("abcd", FOUR),)}, 15, id="a tool's name and description"),
        pytest.param({"tools": (Tool("abcd", "", {"a": "bc"}),)}, 14, id="a tool's parameters"),
        pytest.param({"response_format": JsonFormat({"a": "bc"})}, 13, id="the answer's schema"),
        pytest.param({"response_format": JsonFormat()}, 10, id="no schema of the answer"),
    ],
)
def test_what_is_offered_counts(changes: Any, tokens: int) -> None:  # noqa: ANN401  # fields of many types
    """A request with many tools passes for a short one."""
    assert estimate_tokens_of(with_prompt(Conversation("tutor", (), **changes), PROMPT)) == tokens


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (TextPart(FOUR), 4),
        (RefusalPart(FOUR), 4),
        (ReasoningPart(FOUR), 4),
        (ToolResultPart("c", FOUR), 4),
        (ToolCallPart("c", "abcd", FOUR), 5),
        (ImagePart(Linked("https://a")), 0),
    ],
)
def test_every_part_counts(part: Any, tokens: int) -> None:  # noqa: ANN401  # a part of any kind
    """A part of a request is left out of the count, or one without text breaks it."""
    said = Message(Role.USER, Origin.CLIENT, (part,))
    assert estimate_tokens_of(Conversation("tutor", (said,))) == tokens
