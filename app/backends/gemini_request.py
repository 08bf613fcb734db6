"""A conversation as the body of a Gemini ``generateContent`` request."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final, Literal, assert_never
from urllib.parse import urlsplit

from app.backends.turns import (
    Turn,
    arguments_of,
    encoded,
    has_words,
    instructions,
    misplaced,
    parameters_of,
    refuse_foreign_passthrough,
    wanted_choice,
    wire_turns,
)
from app.domain.conversation import (
    Conversation,
    Effort,
    FilePart,
    ImagePart,
    Inline,
    Json,
    JsonFormat,
    Linked,
    Message,
    Part,
    Reasoning,
    ReasoningPart,
    RefusalPart,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoiceMode,
    ToolResultPart,
)
from app.domain.errors import RequestError

Thinking = Literal["level", "budget"]
"""How a model is told to reason: by level, from Gemini 3 on, or by a number of tokens before."""

UNSIGNED_CALL: Final = "skip_thought_signature_validator"
"""Stands for the signature of a call that came without one, of another model or through a client
that lost it; Gemini 3 refuses a turn whose first call has none.

Source: the vendor's pages on thought signatures, of Gemini and of Vertex AI.
"""

_MAX_BUDGET: Final = 24_576
"""The most that all models with a budget take."""
_MAX_TEMPERATURE: Final = 2
_MAX_STOPS: Final = 5
_IMAGES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
}
_FILES: Final = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "html": "text/html",
    "md": "text/markdown",
    "xml": "text/xml",
}
_RESOLUTIONS: Final = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}
_MODES: Final = {
    ToolChoiceMode.AUTO: "AUTO",
    ToolChoiceMode.NONE: "NONE",
    ToolChoiceMode.REQUIRED: "ANY",
    ToolChoiceMode.NAMED: "ANY",
}


def gemini_request(conversation: Conversation, *, thinking: Thinking = "level") -> bytes:
    """The request body, as JSON. The model's name stands in the address.

    The client's name for the subject is not sent: it is the gateway's to keep and to erase.

    Raises:
        RequestError: The conversation holds what this protocol cannot carry.
    """
    # No client speaks this protocol, so whatever passes through is of another.
    refuse_foreign_passthrough(conversation, "gemini")
    names = _names_of_calls(conversation)

    def parts_of(turn: Turn) -> list[Json]:
        return _own_parts(turn) if turn.role == "assistant" else _user_parts(turn, names)

    body: dict[str, Json] = {
        "contents": [
            {"role": "model" if turn["role"] == "assistant" else "user", "parts": turn["content"]}
            for turn in wire_turns(conversation, parts_of)
        ]
    }
    system = [{"text": part.text} for part in instructions(conversation)]
    if system:
        body["systemInstruction"] = {"parts": system}
    calling = _calling(conversation)
    if conversation.tools:
        declared = [_declaration(tool) for tool in conversation.tools]
        body["tools"] = [{"functionDeclarations": declared}]
    if calling is not None:
        body["toolConfig"] = {"functionCallingConfig": calling}
    config = _sampling(conversation.sampling)
    if conversation.sampling.reasoning is not None:
        limit = conversation.sampling.max_tokens
        config["thinkingConfig"] = _thinking(conversation.sampling.reasoning, limit, thinking)
    if conversation.response_format is not None:
        config.update(_format(conversation.response_format))
    if conversation.wanted.images_path is not None:
        config["responseModalities"] = ["TEXT", "IMAGE"]
    if config:
        body["generationConfig"] = config
    return encoded(body)


def _names_of_calls(conversation: Conversation) -> Mapping[str, str]:
    """Which function each call was of: results are sent with it."""
    return {
        part.call_id: part.name
        for message in conversation.messages
        for part in message.parts
        if isinstance(part, ToolCallPart)
    }


def _own_parts(turn: Turn) -> list[Json]:
    # A turn of nothing but blanks, or of reasoning that nobody signed, has nothing to say again.
    made = [
        part
        for message in turn.messages
        for said in message.parts
        if (part := _own_part(said)) is not None
    ]
    calls = [part for part in made if "functionCall" in part]
    if calls and not any("thoughtSignature" in call for call in calls):
        # Of calls that are made together, only the first is signed.
        calls[0]["thoughtSignature"] = UNSIGNED_CALL
    return [*made]


def _own_part(part: Part) -> dict[str, Json] | None:
    match part:
        case TextPart() | RefusalPart():
            return {"text": part.text} if has_words(part.text) else None
        case ReasoningPart():
            return _reasoning(part)
        case ToolCallPart():
            call = {"id": part.call_id, "name": part.name, "args": arguments_of(part)}
            signed = {} if part.signed is None else {"thoughtSignature": part.signed}
            return {"functionCall": call, **signed}
        case ToolResultPart() | ImagePart() | FilePart():
            raise misplaced(part, Role.ASSISTANT)
        case _:
            assert_never(part)


def _reasoning(part: ReasoningPart) -> dict[str, Json] | None:
    if part.signed is None or part.is_redacted:
        # The model reads nothing of what it thought but what its signature holds, and redacts none.
        return None
    if part.text:
        return {"text": part.text, "thought": True, "thoughtSignature": part.signed}
    # As it came: a signature beside the answer's text, on a part that holds nothing else.
    return {"text": "", "thoughtSignature": part.signed}


def _user_parts(turn: Turn, names: Mapping[str, str]) -> list[Json]:
    """What tools answered comes first: the protocol wants it right after the calls."""
    results = [_result(each, names) for each in turn.messages if each.role is Role.TOOL]
    said: list[Json] = []
    for message in turn.messages:
        if message.role is Role.TOOL:
            continue
        parts = [_user_part(part, Role.USER) for part in message.parts if not _is_blank(part)]
        if not parts:
            where = message.path or "messages"
            what = f"{where}: this persona's provider wants something in each message of a user"
            raise RequestError(what, param=where)
        said += parts
    return [*results, *said]


def _is_blank(part: Part) -> bool:
    return isinstance(part, TextPart) and not has_words(part.text)


def _user_part(part: Part, role: Role) -> dict[str, Json]:
    match part:
        case TextPart():
            return {"text": part.text}
        case ImagePart():
            wire = _media(part.source, part.path, _IMAGES, "pictures")
            resolution = _RESOLUTIONS.get(part.detail or "")
            return (
                wire if resolution is None else {**wire, "mediaResolution": {"level": resolution}}
            )
        case FilePart():
            # Its name stays out: the protocol has no place for it.
            return _media(part.source, part.path, _FILES, "files")
        case RefusalPart() | ReasoningPart() | ToolCallPart() | ToolResultPart():
            raise misplaced(part, role)
        case _:
            assert_never(part)


def _media(
    source: Inline | Linked, path: str, kinds: Mapping[str, str], what: str
) -> dict[str, Json]:
    if isinstance(source, Inline):
        if source.media_type not in kinds.values():
            listed = ", ".join(sorted(set(kinds.values())))
            raise _refused(path, f"takes {what} of {listed} alone")
        return {"inlineData": {"mimeType": source.media_type, "data": source.data}}
    kind = kinds.get(_ending(source.url))
    if kind is None:
        # The protocol wants to be told, and nobody has looked.
        listed = ", ".join(sorted(kinds))
        raise _refused(path, f"takes {what} by addresses that end in one of {listed}")
    return {"fileData": {"mimeType": kind, "fileUri": source.url}}


def _ending(url: str) -> str:
    try:
        return PurePosixPath(urlsplit(url).path).suffix.removeprefix(".").lower()
    except ValueError:
        return ""


def _result(message: Message, names: Mapping[str, str]) -> dict[str, Json]:
    """What a tool answered. The protocol wants an object, and knows these two names."""
    results = [part for part in message.parts if isinstance(part, ToolResultPart)]
    if not results:
        raise RequestError(
            "a message of role 'tool' answers no call; name the call's id, and give the result",
            param=message.path or None,
        )
    call_id = results[0].call_id
    if call_id not in names:
        raise _refused(results[0].path, "wants the call that a result belongs to")
    said = "error" if any(part.is_error for part in results) else "output"
    response: dict[str, Json] = {
        "id": call_id,
        "name": names[call_id],
        "response": {said: "\n".join(part.text for part in results)},
    }
    others = [part for part in message.parts if not isinstance(part, ToolResultPart)]
    if others:
        response["parts"] = [_shown(part) for part in others]
    return {"functionResponse": response}


def _shown(part: Part) -> dict[str, Json]:
    if isinstance(part, ImagePart | FilePart) and not isinstance(part.source, Inline):
        raise _refused(part.path, "takes what a tool shows in the request alone, not by address")
    if isinstance(part, ImagePart) and part.detail in _RESOLUTIONS:
        raise _refused(part.path, "always looks at what a tool shows in its own way")
    if not isinstance(part, ImagePart | FilePart):
        raise misplaced(part, Role.TOOL)
    return _user_part(part, Role.TOOL)


def _refused(path: str, why: str) -> RequestError:
    said = f"this persona's provider {why}"
    return RequestError(f"{path}: {said}" if path else said, param=path or None)


def _declaration(tool: Tool) -> dict[str, Json]:
    wire: dict[str, Json] = {"name": tool.name}
    if tool.description:
        wire["description"] = tool.description
    if tool.parameters is not None:
        wire["parametersJsonSchema"] = parameters_of(tool)
    return wire


def _calling(conversation: Conversation) -> dict[str, Json] | None:
    mode = wanted_choice(conversation)
    if not conversation.tools:
        return None
    if conversation.parallel_tool_calls is False:
        raise _refused("parallel_tool_calls", "has no such field; leave it out")
    is_strict = any(tool.is_strict for tool in conversation.tools)
    if is_strict and mode in (None, ToolChoiceMode.AUTO):
        # What AUTO is, with arguments that must be of their schema.
        return {"mode": "VALIDATED"}
    if mode is None:
        return None
    calling: dict[str, Json] = {"mode": _MODES[mode]}
    if mode is ToolChoiceMode.NAMED and conversation.tool_choice is not None:
        calling["allowedFunctionNames"] = [conversation.tool_choice.name]
    return calling


def _format(wanted: JsonFormat) -> Iterator[tuple[str, Json]]:
    yield "responseMimeType", "application/json"
    if wanted.schema is not None:
        # The protocol has no other place for the description.
        described = {} if wanted.description is None else {"description": wanted.description}
        yield "responseJsonSchema", {**described, **wanted.schema}


def _sampling(sampling: Sampling) -> dict[str, Json]:
    if sampling.temperature is not None and sampling.temperature > _MAX_TEMPERATURE:
        raise _refused("temperature", f"takes {_MAX_TEMPERATURE} at most")
    if not all(sampling.stop):
        raise _refused(sampling.stop_path, "takes no empty text to stop at")
    if len(sampling.stop) > _MAX_STOPS:
        raise _refused(sampling.stop_path, f"stops at {_MAX_STOPS} texts at most")
    wishes: dict[str, Json] = {
        "maxOutputTokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "stopSequences": sampling.stop or None,
        "seed": sampling.seed,
        "presencePenalty": sampling.presence_penalty,
        "frequencyPenalty": sampling.frequency_penalty,
    }
    return {name: value for name, value in wishes.items() if value is not None}


def _thinking(wish: Reasoning, max_tokens: int | None, thinking: Thinking) -> dict[str, Json]:
    if thinking == "level":
        if wish.effort is Effort.NONE:
            raise _refused("reasoning", "cannot forbid it to models that are told by level")
        return {"includeThoughts": True, "thinkingLevel": wish.effort.upper()}
    if wish.effort is Effort.NONE:
        return {"thinkingBudget": 0}
    budget = wish.tokens
    if isinstance(wish.wish, Effort):
        # Reasoning counts as part of the answer, some of which has to be left for its text.
        room = _MAX_BUDGET if max_tokens is None else max(1, max_tokens // 2)
        budget = min(budget, _MAX_BUDGET, room)
    return {"includeThoughts": True, "thinkingBudget": budget}
