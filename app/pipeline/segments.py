"""Every text of a conversation that policy looks at, and the way to put rewritten texts back."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol

from app.domain.conversation import (
    Conversation,
    Json,
    JsonFormat,
    Message,
    Origin,
    Part,
    PersonaWishes,
    Role,
    Segment,
    Tool,
    ToolCallPart,
    ToolChoice,
)
from app.domain.errors import RequestError
from app.domain.policy import Stage

SCHEMA_WORDS = frozenset(
    {
        "$anchor",
        "$comment",
        "$defs",
        "$id",
        "$ref",
        "$schema",
        "additionalItems",
        "additionalProperties",
        "allOf",
        "anyOf",
        "array",
        "boolean",
        "const",
        "contains",
        "contentEncoding",
        "contentMediaType",
        "date",
        "date-time",
        "default",
        "definitions",
        "dependentRequired",
        "dependentSchemas",
        "deprecated",
        "description",
        "duration",
        "else",
        "email",
        "enum",
        "examples",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "hostname",
        "if",
        "integer",
        "ipv4",
        "ipv6",
        "items",
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minContains",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "not",
        "null",
        "number",
        "object",
        "oneOf",
        "pattern",
        "patternProperties",
        "prefixItems",
        "properties",
        "propertyNames",
        "readOnly",
        "required",
        "string",
        "then",
        "time",
        "title",
        "type",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
        "uri",
        "uri-reference",
        "uuid",
        "writeOnly",
    }
)
"""A text of a schema that is one of these says nothing of its own: a closed list needs no look."""


class _Visit(Protocol):
    """Takes a text and where it stands, gives the text to stand there."""

    def __call__(self, path: str, text: str, *, stage: Stage, is_earlier: bool) -> str: ...


class _See(Protocol):
    """A ``_Visit`` that knows its stage."""

    def __call__(self, path: str, text: str) -> str: ...


def segments(conversation: Conversation) -> tuple[Segment, ...]:
    """Every text of the conversation that policy looks at, in the order in which it stands.

    Tool results have the stage ``tool_result``, all else ``input``. What the persona itself says
    (``Origin.PERSONA``) is reviewed and not among them. A system message of the client holds for
    the answer at hand, so it is never an earlier one. Texts inside schemas have paths such as
    ``tools[0].function.parameters#3``, the third key or value, since a key may hold anything and
    a path must not.

    Raises:
        ValueError: Two texts have one path, so one would be lost on the way back.
    """
    found: list[Segment] = []

    def collect(path: str, text: str, *, stage: Stage, is_earlier: bool) -> str:
        found.append(Segment(path, text, stage, is_earlier))
        return text

    _walk(conversation, collect)
    if len({segment.path for segment in found}) != len(found):
        raise ValueError("two texts of the conversation have the same path")
    return tuple(found)


def with_texts(conversation: Conversation, texts: Mapping[str, str]) -> Conversation:
    """The conversation with the texts at these paths replaced; all others stay as they are.

    Raises:
        RequestError: Two keys of one object would become the same.
    """

    def put(path: str, text: str, *, stage: Stage, is_earlier: bool) -> str:
        del stage, is_earlier
        return texts.get(path, text)

    return _walk(conversation, put)


def _walk(conversation: Conversation, visit: _Visit) -> Conversation:
    """The conversation with what ``visit`` gives for every text.

    Both functions above take this one walk, so that they cannot disagree.
    """
    see = partial(visit, stage=Stage.INPUT, is_earlier=False)
    sampling = conversation.sampling
    stop = tuple(see(f"stop[{at}]", text) for at, text in enumerate(sampling.stop))
    tools = tuple(_tool(tool, see) for tool in conversation.tools)
    answer_format = conversation.response_format
    return replace(
        conversation,
        messages=_messages(conversation.messages, visit),
        tools=tools,
        tool_choice=_tool_choice(conversation, tools),
        response_format=None if answer_format is None else _json_format(answer_format, see),
        sampling=replace(sampling, stop=stop) if stop else sampling,
        wishes=_wishes(conversation.wishes, see),
        passthrough=_object(conversation.passthrough, "passthrough", see),
    )


def _messages(messages: tuple[Message, ...], visit: _Visit) -> tuple[Message, ...]:
    # Paths count what the client sent, so a system prompt that was put before does not count.
    sent = [message for message in messages if message.origin is not Origin.PERSONA]
    answered = max((at for at in range(len(sent) - 1) if _is_answered(sent, at)), default=0)
    seen = iter(
        _message(
            message,
            f"messages[{at}]",
            partial(
                visit,
                stage=Stage.TOOL_RESULT if message.origin is Origin.TOOL else Stage.INPUT,
                is_earlier=at < answered and message.role is not Role.SYSTEM,
            ),
        )
        for at, message in enumerate(sent)
    )
    return tuple(
        message if message.origin is Origin.PERSONA else next(seen) for message in messages
    )


def _is_answered(messages: list[Message], at: int) -> bool:
    """Whether this is an answer of the assistant that a user or a tool has replied to."""
    if messages[at].role is not Role.ASSISTANT:
        return False
    return any(message.role in (Role.USER, Role.TOOL) for message in messages[at + 1 :])


def _message(message: Message, path: str, see: _See) -> Message:
    name = message.name if message.name is None else see(f"{path}.name", message.name)
    parts = tuple(_part(part, see) for part in message.parts)
    return Message(message.role, message.origin, parts, name)


def _part(part: Part, see: _See) -> Part:
    if isinstance(part, ToolCallPart):
        name = see(f"{part.path}.name", part.name)
        arguments = see(f"{part.path}.arguments", part.arguments)
        if name == part.name and arguments == part.arguments:
            return part
        return replace(part, name=name, arguments=arguments)
    text = see(part.path, part.text)
    return part if text == part.text else replace(part, text=text)


def _tool(tool: Tool, see: _See) -> Tool:
    return replace(
        tool,
        name=see(f"{tool.path}.name", tool.name),
        description=see(f"{tool.path}.description", tool.description) if tool.description else "",
        parameters=(
            None
            if tool.parameters is None
            else _object(tool.parameters, f"{tool.path}.parameters", see)
        ),
    )


def _tool_choice(conversation: Conversation, tools: tuple[Tool, ...]) -> ToolChoice | None:
    """The choice, under the name that the chosen tool has now."""
    choice = conversation.tool_choice
    if choice is None or choice.name is None:
        return choice
    for before, after in zip(conversation.tools, tools, strict=True):
        if before.name == choice.name:
            return replace(choice, name=after.name)
    raise RequestError("tool_choice: names none of tools", param="tool_choice")


def _json_format(wanted: JsonFormat, see: _See) -> JsonFormat:
    return replace(
        wanted,
        name=wanted.name and see(f"{wanted.path}.name", wanted.name),
        description=wanted.description and see(f"{wanted.path}.description", wanted.description),
        schema=(
            None if wanted.schema is None else _object(wanted.schema, f"{wanted.path}.schema", see)
        ),
    )


def _wishes(wishes: PersonaWishes, see: _See) -> PersonaWishes:
    if not wishes.variables:
        return wishes
    variables = {
        name: see(f"banneton.variables.{name}", value) if isinstance(value, str) else value
        for name, value in wishes.variables.items()
    }
    return replace(wishes, variables=variables)


def _object(value: Mapping[str, Json], path: str, see: _See) -> Mapping[str, Json]:
    """A JSON object with all keys and strings seen; the path counts them from 1."""
    count = 0

    def text(inner: str) -> str:
        nonlocal count
        if inner in SCHEMA_WORDS:
            return inner
        count += 1
        return see(f"{path}#{count}", inner)

    def visit(inner: Json) -> Json:
        if isinstance(inner, str):
            return text(inner)
        if isinstance(inner, list):
            return [visit(item) for item in inner]
        if not isinstance(inner, Mapping):
            return inner
        made = {text(key): visit(item) for key, item in inner.items()}
        if len(made) != len(inner):
            what = "two keys became the same when policy rewrote them"
            raise RequestError(f"{path}: {what}", param=path)
        return made

    made: dict[str, Json] = visit(value)
    return made
