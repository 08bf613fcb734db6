"""OpenAI's Responses: the body of a request becomes a ``Conversation``.

``app.api.openai_responses_fields`` decides what gets in; what is here only puts it in its place,
and checks what one field says about another.
"""

from collections.abc import Callable, Iterator, Mapping

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
from app.api.openai_responses_answer import (
    PREFIX,
    ResponsesStream,
    ResponsesWhole,
)
from app.api.openai_responses_fields import LOGPROBS, REQUEST
from app.domain.conversation import (
    STANDING,
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
from app.domain.signatures import OPENAI, SignedKind, claimed, signed_calls
from app.domain.wanted import TEXT_ANSWER, TextAnswer

DIALECT = "openai_responses"


class OpenAIResponses(Dialect):
    """Responses."""

    error_body = staticmethod(openai_error)

    @override
    def conversation(self, body: Body, persona: Persona) -> Conversation:
        wanted = requested(body)
        known, passthrough = admitted(REQUEST, body, persona)
        is_stream = bool(known.get("stream"))
        if known.get("stream_options") and not is_stream:
            contradiction("stream_options", "goes with stream: true only")
        tools = tuple(_tools(known))
        choice = known.get("tool_choice")
        previous = known.get("previous_response_id")
        messages = tuple(_messages(known, takes_system=persona.system_messages == "below"))
        if not messages:
            contradiction("input", "says nothing")
        return Conversation(
            persona=wanted.persona,
            variant=wanted.variant,
            dialect=DIALECT,
            messages=messages,
            tools=tools,
            tool_choice=None if choice is None else _tool_choice(choice, tools),
            parallel_tool_calls=known.get("parallel_tool_calls"),
            response_format=_json_format((known.get("text") or {}).get("format") or {}),
            sampling=_sampling(known),
            wanted=_wanted(known),
            is_stream=is_stream,
            wants_usage=is_stream,
            subject=_subject(known),
            wishes=wishes_of(known),
            passthrough=passthrough,
            continues=None if previous is None else previous.removeprefix(PREFIX),
            keeps_turns=known.get("store"),
        )

    @override
    def encoder(self, asked: Conversation, created: int) -> Encoder:
        return (ResponsesStream if asked.is_stream else ResponsesWhole)(asked, created)


def _messages(body: Body, *, takes_system: bool) -> Iterator[Message]:
    if body.get("instructions"):
        _check_system(STANDING, takes_system=takes_system)
        part = TextPart(body["instructions"], STANDING)
        yield Message(Role.SYSTEM, Origin.CLIENT, (part,), path=STANDING)
    items = body["input"]
    if type(items) is str:
        yield Message(Role.USER, Origin.CLIENT, (TextPart(items, "input"),), path="input")
        return
    said: list[Part] = []
    began = ""
    for index, item in enumerate(items):
        path = f"input[{index}]"
        made = _message(item, path, takes_system=takes_system)
        if made.role is Role.ASSISTANT:
            # Reasoning, words and calls are items of their own here, and one turn to the model.
            began = began or path
            said += made.parts
            continue
        if said:
            yield _turn(said, began)
            said, began = [], ""
        yield made
    if said:
        yield _turn(said, began)


def _turn(said: list[Part], path: str) -> Message:
    return Message(Role.ASSISTANT, Origin.CLIENT, tuple(signed_calls(said)), path=path)


def _message(item: Body, path: str, *, takes_system: bool) -> Message:
    """One item as a message of its own."""
    match item.get("type"):
        case "function_call":
            call = ToolCallPart(item["call_id"], item["name"], item["arguments"], path)
            return Message(Role.ASSISTANT, Origin.CLIENT, (call,), path=path)
        case "function_call_output":
            call_id = item["call_id"]
            said = _parts(item["output"], f"{path}.output", _input_part)
            parts = tuple(results(call_id, said, f"{path}.output"))
            return Message(Role.TOOL, Origin.TOOL, parts, path=path)
        case "reasoning":
            return Message(Role.ASSISTANT, Origin.CLIENT, tuple(_reasoning(item, path)), path=path)
        case _:
            return _spoken(item, path, takes_system=takes_system)


def _spoken(item: Body, path: str, *, takes_system: bool) -> Message:
    role = item["role"]
    content, where = item["content"], f"{path}.content"
    if role == "assistant":
        parts = tuple(_parts(content, where, _output_part))
        return Message(Role.ASSISTANT, Origin.CLIENT, parts, path=path)
    if role == "user":
        parts = tuple(_parts(content, where, _input_part))
        return Message(Role.USER, Origin.CLIENT, parts, path=path)
    _check_system(path, takes_system=takes_system)
    parts = tuple(_parts(content, where, _system_part))
    return Message(Role.SYSTEM, Origin.CLIENT, parts, path=path)


def _check_system(path: str, *, takes_system: bool) -> None:
    if not takes_system:
        what = "this persona takes no system or developer messages; its file may allow them"
        raise FieldRefusedError(path, what)


def _parts(content: Json, path: str, read: Callable[[Body, str], Part]) -> Iterator[Part]:
    if type(content) is str:
        yield TextPart(content, path)
        return
    for index, part in enumerate(content):
        yield read(part, f"{path}[{index}]")


def _input_part(part: Body, path: str) -> Part:
    read = _INPUT_PARTS.get(part["type"])
    if read is None:
        what = f"what was not the assistant's is one of: {', '.join(_INPUT_PARTS)}"
        contradiction(f"{path}.type", what)
    return read(part, path)


def _text(part: Body, path: str) -> TextPart:
    return TextPart(part["text"], f"{path}.text")


def _image(part: Body, path: str) -> ImagePart:
    return ImagePart(source_of(part["image_url"]), f"{path}.image_url", part.get("detail"))


def _file(part: Body, path: str) -> FilePart:
    given = [key for key in ("file_data", "file_url") if part.get(key) is not None]
    if len(given) != 1:
        contradiction(path, "needs either file_data or file_url")
    (key,) = given
    name_path = f"{path}.filename"
    return FilePart(source_of(part[key]), f"{path}.{key}", part.get("filename"), name_path)


_INPUT_PARTS: Mapping[str, Callable[[Body, str], Part]] = {
    "input_text": _text,
    "input_image": _image,
    "input_file": _file,
}


def _system_part(part: Body, path: str) -> Part:
    if part["type"] != "input_text":
        contradiction(f"{path}.type", "what stands above the conversation is input_text")
    return _text(part, path)


def _output_part(part: Body, path: str) -> TextPart | RefusalPart:
    if part["type"] == "refusal":
        return RefusalPart(part["refusal"], f"{path}.refusal")
    if part["type"] != "output_text":
        contradiction(f"{path}.type", "what the assistant said is output_text or refusal")
    return _text(part, path)


def _reasoning(item: Body, path: str) -> Iterator[ReasoningPart]:
    """The item's texts; what the provider signed goes with the last, since it covers them all."""
    signed = item.get("encrypted_content")
    if signed is not None:
        # Where nobody else is named, it was OpenAI that signed.
        signed = claimed(signed, OPENAI, SignedKind.REASONING)
    texts = [
        (part["text"], f"{path}.{of}[{index}].text")
        for of in ("summary", "content")
        for index, part in enumerate(item.get(of) or ())
    ]
    for text, where in texts[:-1]:
        yield ReasoningPart(text, where)
    if texts:
        yield ReasoningPart(*texts[-1], signed=signed)
    elif signed is not None:
        yield ReasoningPart("", f"{path}.summary", signed=signed, is_redacted=True)


def _tools(body: Body) -> Iterator[Tool]:
    for index, tool in enumerate(body.get("tools") or ()):
        if tool["type"] != "function":
            continue
        yield Tool(
            name=tool["name"],
            description=tool.get("description") or "",
            parameters=tool.get("parameters"),
            is_strict=tool.get("strict"),
            path=f"tools[{index}]",
        )


def _tool_choice(choice: Json, tools: tuple[Tool, ...]) -> ToolChoice:
    if type(choice) is str:
        mode = ToolChoiceMode(choice)
        if mode is ToolChoiceMode.REQUIRED and not tools:
            contradiction("tool_choice", "needs tools")
        return ToolChoice(mode)
    name = choice["name"]
    if all(tool.name != name for tool in tools):
        contradiction("tool_choice.name", "names none of tools")
    return ToolChoice(ToolChoiceMode.NAMED, name)


def _wanted(body: Body) -> TextAnswer:
    for index, tool in enumerate(body.get("tools") or ()):
        if tool["type"] == "image_generation":
            return TextAnswer(images_path=f"tools[{index}]")
    return TEXT_ANSWER


def _json_format(wanted: Body) -> JsonFormat | None:
    match wanted.get("type"):
        case "json_object":
            return JsonFormat(path="text.format")
        case "json_schema":
            return JsonFormat(
                schema=wanted["schema"],
                name=wanted["name"],
                description=wanted.get("description"),
                is_strict=wanted.get("strict"),
                path="text.format",
            )
        case _:
            return None


def _sampling(body: Body) -> Sampling:
    effort = (body.get("reasoning") or {}).get("effort")
    return Sampling(
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        max_tokens=body.get("max_output_tokens"),
        reasoning=None if effort is None else Reasoning(Effort(effort)),
        logprobs=LOGPROBS in (body.get("include") or ()),
    )


def _subject(body: Body) -> str | None:
    """The end user, by the field's old name or by its new one."""
    user, subject = body.get("user"), body.get("safety_identifier")
    if user is not None and subject is not None and user != subject:
        contradiction("safety_identifier", "names another end user than user")
    return user if subject is None else subject
