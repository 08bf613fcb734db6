"""Chat Completions: the body of a request becomes a ``Conversation``.

``app.api.openai_chat_fields`` decides what gets in; what is here only puts it in its place, and
checks what one field says about another.
"""

from collections.abc import Iterator

from typing_extensions import override

from app.api.delivery import Encoder
from app.api.dialect import (
    Body,
    Dialect,
    admitted,
    contradiction,
    requested,
    results,
    wishes_of,
)
from app.api.errors import openai_error
from app.api.media_fields import source_of
from app.api.openai_chat_answer import ChatStream, ChatWhole
from app.api.openai_chat_fields import REQUEST
from app.domain.conversation import (
    Conversation,
    Effort,
    FilePart,
    ImagePart,
    Json,
    JsonFormat,
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
)
from app.domain.errors import FieldRefusedError
from app.domain.persona import Persona
from app.domain.wanted import TEXT_ANSWER, TextAnswer

DIALECT = "openai_chat"


class OpenAIChat(Dialect):
    """Chat Completions."""

    error_body = staticmethod(openai_error)

    @override
    def conversation(self, body: Body, persona: Persona) -> Conversation:
        wanted = requested(body)
        known, passthrough = admitted(REQUEST, body, persona)
        tools = tuple(_tools(known))
        choice = known.get("tool_choice")
        options = known.get("stream_options") or {}
        is_stream = bool(known.get("stream"))
        if options and not is_stream:
            contradiction("stream_options", "goes with stream: true only")
        return Conversation(
            persona=wanted.persona,
            variant=wanted.variant,
            dialect=DIALECT,
            messages=messages(known["messages"], takes_system=persona.system_messages == "below"),
            tools=tools,
            tool_choice=None if choice is None else _tool_choice(choice, tools),
            parallel_tool_calls=known.get("parallel_tool_calls"),
            response_format=_json_format(known.get("response_format") or {}),
            sampling=_sampling(known),
            wanted=_wanted(known.get("modalities") or ()),
            is_stream=is_stream,
            wants_usage=bool(options.get("include_usage")),
            subject=known.get("user"),
            wishes=wishes_of(known),
            passthrough=passthrough,
        )

    @override
    def encoder(self, asked: Conversation, created: int) -> Encoder:
        if asked.is_stream:
            return ChatStream(
                created,
                wants_usage=asked.wants_usage,
                wants_logprobs=asked.sampling.logprobs,
            )
        return ChatWhole(created, wants_logprobs=asked.sampling.logprobs)


def messages(items: Json, *, takes_system: bool) -> tuple[Message, ...]:
    """Messages as the table admits them."""
    made = []
    for index, item in enumerate(items):
        path = f"messages[{index}]"
        role = item["role"]
        if role == "assistant":
            parts = tuple(_assistant_parts(item, path))
            if not parts:
                contradiction(path, "needs content, refusal or tool_calls")
            made.append(Message(Role.ASSISTANT, Origin.CLIENT, parts, item.get("name"), path))
        elif role == "tool":
            call_id = item["tool_call_id"]
            parts = tuple(results(call_id, _content(item, path), f"{path}.content"))
            made.append(Message(Role.TOOL, Origin.TOOL, parts, path=path))
        elif role == "user":
            parts = tuple(_content(item, path))
            made.append(Message(Role.USER, Origin.CLIENT, parts, item.get("name"), path))
        elif takes_system:
            parts = tuple(_content(item, path))
            made.append(Message(Role.SYSTEM, Origin.CLIENT, parts, item.get("name"), path))
        else:
            what = "this persona takes no system or developer messages; its file may allow them"
            raise FieldRefusedError(path, what)
    return tuple(made)


def _content(item: Body, path: str) -> Iterator[Part]:
    content = item.get("content")
    if content is None:
        return
    if type(content) is str:
        yield TextPart(content, f"{path}.content")
        return
    for index, part in enumerate(content):
        yield _part(part, f"{path}.content[{index}].{part['type']}")


def _part(part: Body, where: str) -> Part:
    said = part[part["type"]]
    match part["type"]:
        case "text":
            return TextPart(said, where)
        case "image_url":
            return ImagePart(source_of(said["url"]), f"{where}.url", said.get("detail"))
        case "file":
            name, at = said.get("filename"), f"{where}.file_data"
            return FilePart(source_of(said["file_data"]), at, name, f"{where}.filename")
        case _:
            return RefusalPart(said, where)


def _assistant_parts(item: Body, path: str) -> Iterator[Part]:
    reasoning = item.get("reasoning_content")
    if reasoning is not None:
        yield ReasoningPart(reasoning, f"{path}.reasoning_content")
    yield from _content(item, path)
    refusal = item.get("refusal")
    if refusal is not None:
        yield RefusalPart(refusal, f"{path}.refusal")
    for index, call in enumerate(item.get("tool_calls") or ()):
        function = call["function"]
        yield ToolCallPart(
            call["id"],
            function["name"],
            function["arguments"],
            f"{path}.tool_calls[{index}].function",
            signed=((call.get("extra_content") or {}).get("google") or {}).get("thought_signature"),
        )


def _tools(body: Body) -> Iterator[Tool]:
    for index, tool in enumerate(body.get("tools") or ()):
        function = tool["function"]
        yield Tool(
            name=function["name"],
            description=function.get("description") or "",
            parameters=function.get("parameters"),
            is_strict=function.get("strict"),
            path=f"tools[{index}].function",
        )


def _tool_choice(choice: Json, tools: tuple[Tool, ...]) -> ToolChoice:
    if type(choice) is str:
        mode = ToolChoiceMode(choice)
        if mode is ToolChoiceMode.REQUIRED and not tools:
            contradiction("tool_choice", "needs tools")
        return ToolChoice(mode)
    name = choice["function"]["name"]
    if all(tool.name != name for tool in tools):
        contradiction("tool_choice.function.name", "names none of tools")
    return ToolChoice(ToolChoiceMode.NAMED, name)


def _json_format(wanted: Body) -> JsonFormat | None:
    match wanted.get("type"):
        case "json_object":
            return JsonFormat()
        case "json_schema":
            schema = wanted["json_schema"]
            return JsonFormat(
                schema=schema.get("schema"),
                name=schema["name"],
                description=schema.get("description"),
                is_strict=schema.get("strict"),
                path="response_format.json_schema",
            )
        case _:
            return None


def _wanted(modalities: Json) -> TextAnswer:
    if "image" not in modalities:
        return TEXT_ANSWER
    if "text" not in modalities:
        contradiction("modalities", "a persona may always use words: name 'text', too")
    return TextAnswer(images_path="modalities")


def _sampling(body: Body) -> Sampling:
    stop, effort = body.get("stop"), body.get("reasoning_effort")
    most, older = body.get("max_completion_tokens"), body.get("max_tokens")
    if most is not None and older is not None and most != older:
        contradiction("max_tokens", "says another number than max_completion_tokens")
    return Sampling(
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        max_tokens=older if most is None else most,
        stop=(stop,) if type(stop) is str else tuple(stop or ()),
        seed=body.get("seed"),
        presence_penalty=body.get("presence_penalty"),
        frequency_penalty=body.get("frequency_penalty"),
        reasoning=None if effort is None else Reasoning(Effort(effort)),
        choices=body.get("n") or 1,
        logprobs=bool(body.get("logprobs")),
    )
