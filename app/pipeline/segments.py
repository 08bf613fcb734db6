"""Every text of a conversation that policy looks at, and the way to put rewritten texts back."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from typing_extensions import override

from app.domain.conversation import (
    Conversation,
    FilePart,
    ImagePart,
    Inline,
    Json,
    JsonFormat,
    Linked,
    Message,
    Origin,
    Part,
    PersonaWishes,
    ReasoningPart,
    Role,
    Sampling,
    Segment,
    Tool,
    ToolCallPart,
    ToolChoice,
)
from app.domain.errors import RequestError
from app.domain.policy import Stage
from app.guardrails.aside import is_long

MediaT = TypeVar("MediaT", ImagePart, FilePart)

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


class _Visitor(ABC):
    """Is shown every text and where it stands; says what is to stand there."""

    __slots__ = ("is_earlier", "stage")

    def __init__(self) -> None:
        self.stage = Stage.INPUT
        self.is_earlier = False

    @abstractmethod
    def see(self, path: str, text: str) -> str:
        """The text to stand at this path; of the stage and turn that the fields say."""


class _Collect(_Visitor):
    """Notes every text, changes none."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Segment] = []

    @override
    def see(self, path: str, text: str) -> str:
        self.found.append(Segment(path, text, self.stage, self.is_earlier))
        return text


class _Put(_Visitor):
    """Puts new texts in place of old ones."""

    __slots__ = ("_texts",)

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__()
        self._texts = texts

    @override
    def see(self, path: str, text: str) -> str:
        return self._texts.get(path, text)


def is_extensive(conversation: Conversation) -> bool:
    """Whether going through all of the conversation has no place on the event loop."""
    wanted = conversation.response_format
    if conversation.tools or conversation.passthrough or (wanted and wanted.schema):
        return True
    parts = [part for message in conversation.messages for part in message.parts]
    if any(isinstance(part, ImagePart | FilePart) for part in parts):
        return True
    said = (
        part.arguments if isinstance(part, ToolCallPart) else part.text
        for part in parts
        if not isinstance(part, ImagePart | FilePart)
    )
    values = (value for value in conversation.wishes.variables.values() if isinstance(value, str))
    return is_long(chain(said, values))


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
    collect = _Collect()
    _walk(conversation, collect)
    found = collect.found
    if len({segment.path for segment in found}) != len(found):
        raise ValueError("two texts of the conversation have the same path")
    return tuple(found)


def refuse_too_many(
    conversation: Conversation, texts: Sequence[Segment], most_messages: int, most_chars: int
) -> None:
    """Refuse what is more than one request may hold.

    Raises:
        RequestError: It is.
    """
    chars, where = sum(len(segment.text) for segment in texts), conversation.said_in
    for count, most, of in (
        (len(conversation.messages), most_messages, ""),
        (chars, most_chars, " characters together"),
    ):
        if count > most:
            what, code = f"{where}: more than {most}{of}", "context_length_exceeded"
            raise RequestError(what, param=where, code=code)


def with_texts(conversation: Conversation, texts: Mapping[str, str]) -> Conversation:
    """The conversation with the texts at these paths replaced; all others stay as they are.

    Raises:
        RequestError: Two keys of one object would become the same.
    """
    return _walk(conversation, _Put(texts))


def _walk(conversation: Conversation, visitor: _Visitor) -> Conversation:
    """The conversation with what the visitor says for every text; itself where nothing changed.

    Both functions above take this one walk, so that they cannot disagree.
    """
    visitor.stage, visitor.is_earlier = Stage.INPUT, False
    tools = tuple([_tool(tool, visitor) for tool in conversation.tools])
    made: dict[str, Json] = {
        "tools": tools,
        "tool_choice": _tool_choice(conversation, tools),
        "response_format": _json_format(conversation.response_format, visitor),
        "sampling": _sampling(conversation.sampling, visitor),
        "wishes": _wishes(conversation.wishes, visitor),
        "passthrough": _object(conversation.passthrough, "passthrough", visitor),
        "messages": _messages(conversation.messages, visitor),
    }
    changed = {key: value for key, value in made.items() if value != getattr(conversation, key)}
    return replace(conversation, **changed) if changed else conversation


def _messages(messages: tuple[Message, ...], visitor: _Visitor) -> tuple[Message, ...]:
    answered = _last_answered(messages)
    made = []
    for at, message in enumerate(messages):
        if message.origin is Origin.PERSONA:
            made.append(message)
            continue
        is_tool = message.origin is Origin.TOOL
        visitor.stage = Stage.TOOL_RESULT if is_tool else Stage.INPUT
        visitor.is_earlier = at < answered and message.role is not Role.SYSTEM
        made.append(_message(message, visitor))
    return tuple(made)


def _last_answered(messages: tuple[Message, ...]) -> int:
    """Where the assistant's last answer is that a user or a tool has replied to; else 0."""
    has_reply = False
    for at in range(len(messages) - 1, -1, -1):
        role = messages[at].role
        if role is Role.ASSISTANT and has_reply:
            return at
        has_reply = has_reply or role is Role.USER or role is Role.TOOL
    return 0


def _message(message: Message, visitor: _Visitor) -> Message:
    name = message.name and visitor.see(f"{message.path}.name", message.name)
    parts = tuple([_part(part, visitor) for part in message.parts])
    if parts == message.parts and name == message.name:
        return message
    return replace(message, parts=parts, name=name)


def _part(part: Part, visitor: _Visitor) -> Part:
    if isinstance(part, ToolCallPart):
        name = visitor.see(f"{part.path}.name", part.name)
        arguments = visitor.see(f"{part.path}.{part.arguments_field}", part.arguments)
        if name == part.name and arguments == part.arguments:
            return part
        return replace(part, name=name, arguments=arguments)
    if isinstance(part, ImagePart):
        return _linked(part, visitor)
    if isinstance(part, FilePart):
        shown = part.name and visitor.see(part.name_path, part.name)
        return replace(_linked(part, visitor), name=shown)
    text = visitor.see(part.path, part.text)
    if text == part.text:
        return part
    part = replace(part, text=text)
    # What was signed was another text.
    return replace(part, signed=None) if isinstance(part, ReasoningPart) else part


def _linked(part: MediaT, visitor: _Visitor) -> MediaT:
    """What is inside is not looked at; where it is to be fetched from is."""
    if isinstance(part.source, Inline):
        return part
    url = visitor.see(part.path, part.source.url)
    return part if url == part.source.url else replace(part, source=Linked(url))


def _tool(tool: Tool, visitor: _Visitor) -> Tool:
    path = tool.path
    name = visitor.see(f"{path}.name", tool.name)
    description = tool.description and visitor.see(f"{path}.description", tool.description)
    parameters = tool.parameters
    if parameters is not None:
        parameters = _object(parameters, f"{path}.{tool.parameters_field}", visitor)
    if (name, description, parameters) == (tool.name, tool.description, tool.parameters):
        return tool
    return replace(tool, name=name, description=description, parameters=parameters)


def _tool_choice(conversation: Conversation, tools: tuple[Tool, ...]) -> ToolChoice | None:
    """The choice, under the name that the chosen tool has now."""
    choice = conversation.tool_choice
    if choice is None or choice.name is None:
        return choice
    for before, after in zip(conversation.tools, tools, strict=True):
        if before.name == choice.name:
            return replace(choice, name=after.name)
    raise RequestError("tool_choice: names none of tools", param="tool_choice")


def _json_format(wanted: JsonFormat | None, visitor: _Visitor) -> JsonFormat | None:
    if wanted is None:
        return None
    path = wanted.path
    return replace(
        wanted,
        name=wanted.name and visitor.see(f"{path}.name", wanted.name),
        description=wanted.description and visitor.see(f"{path}.description", wanted.description),
        schema=wanted.schema and _object(wanted.schema, f"{path}.schema", visitor),
    )


def _sampling(sampling: Sampling, visitor: _Visitor) -> Sampling:
    if not sampling.stop:
        return sampling
    path = sampling.stop_path
    stop = tuple([visitor.see(f"{path}[{at}]", text) for at, text in enumerate(sampling.stop)])
    return replace(sampling, stop=stop)


def _wishes(wishes: PersonaWishes, visitor: _Visitor) -> PersonaWishes:
    if not wishes.variables:
        return wishes
    variables = {
        name: visitor.see(f"banneton.variables.{name}", value) if isinstance(value, str) else value
        for name, value in wishes.variables.items()
    }
    return replace(wishes, variables=variables)


def _object(value: Mapping[str, Json], path: str, visitor: _Visitor) -> Mapping[str, Json]:
    """A JSON object with all keys and strings seen; the path counts them from 1."""
    count = 0

    def text(inner: str) -> str:
        nonlocal count
        if inner in SCHEMA_WORDS:
            return inner
        count += 1
        return visitor.see(f"{path}#{count}", inner)

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
