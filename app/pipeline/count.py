"""About how many tokens a request is, before any model reads it."""

from collections.abc import Iterator, Mapping

import orjson

from app.compose.tokens import token_units, tokens_of
from app.domain.conversation import Conversation, FilePart, ImagePart, Json, Part, ToolCallPart
from app.domain.prompt import SystemPrompt


def estimate_request_tokens(conversation: Conversation, prompt: SystemPrompt) -> int:
    """The tokens of the system prompt and of all that the client sends.

    Pictures and files are not counted, nor what a provider puts around messages and tools.
    """
    return prompt.tokens + tokens_of(sum(map(token_units, _texts(conversation))))


def _texts(conversation: Conversation) -> Iterator[str]:
    for tool in conversation.tools:
        yield from (tool.name, tool.description)
        yield from _schema(tool.parameters)
    if conversation.response_format is not None:
        yield from _schema(conversation.response_format.schema)
    for message in conversation.messages:
        for part in message.parts:
            yield from _part(part)


def _part(part: Part) -> Iterator[str]:
    if isinstance(part, ToolCallPart):
        yield from (part.name, part.arguments)
    elif not isinstance(part, (ImagePart, FilePart)):
        yield part.text


def _schema(schema: Mapping[str, Json] | None) -> Iterator[str]:
    if schema is not None:
        yield orjson.dumps(schema).decode()
