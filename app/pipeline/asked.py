"""A conversation as the model gets it: behind the persona's prompt, and about how long."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import orjson

from app.domain.conversation import (
    Conversation,
    FilePart,
    ImagePart,
    Json,
    Message,
    Origin,
    Part,
    Role,
    TextPart,
    ToolCallPart,
)
from app.domain.prompt import NO_PROMPT, SystemPrompt
from app.domain.tokens import token_units, tokens_of


def with_prompt(conversation: Conversation, prompt: SystemPrompt) -> Conversation:
    """The conversation with the persona's prompt before all messages, where there is one."""
    if prompt is NO_PROMPT:
        return conversation
    system = Message(Role.SYSTEM, Origin.PERSONA, (TextPart(prompt.text),))
    return replace(conversation, messages=(system, *conversation.messages))


def estimate_tokens_of(asked: Conversation) -> int:
    """About how many tokens a conversation takes.

    Pictures and files are not counted, nor what a provider puts around messages and tools.
    """
    return tokens_of(sum(map(token_units, _texts(asked))))


def _texts(asked: Conversation) -> Iterator[str]:
    for tool in asked.tools:
        yield from (tool.name, tool.description)
        yield from _schema(tool.parameters)
    if asked.response_format is not None:
        yield from _schema(asked.response_format.schema)
    for message in asked.messages:
        for part in message.parts:
            yield from _part(part)


def _part(part: Part) -> Iterator[str]:
    if isinstance(part, ToolCallPart):
        yield from (part.name, part.arguments)
    elif not isinstance(part, (ImagePart, FilePart)):
        yield part.text


def _schema(schema: Mapping[str, Json] | None) -> Iterator[str]:
    if schema is not None:
        yield orjson.dumps(schema, default=dict).decode()
