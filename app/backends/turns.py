"""What protocols have in common in which user and model take turns below a system prompt."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from app.domain.conversation import (
    CacheFor,
    Conversation,
    FilePart,
    ImagePart,
    Json,
    Message,
    Part,
    Role,
    Sampling,
    SamplingField,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoiceMode,
    ToolResultPart,
)
from app.domain.errors import RequestError


@dataclass(frozen=True, slots=True)
class Turn:
    """Messages that follow one another and come from the same side."""

    role: Literal["user", "assistant"]
    messages: list[Message]


def instructions(conversation: Conversation) -> Iterator[TextPart]:
    """What the system prompt is made of: the persona's own first, then the client's in its order.

    These protocols have one system prompt above all turns, so what a client says in the middle of
    the conversation moves up to it.

    Raises:
        RequestError: A system message holds more than text.
    """
    for message in conversation.messages:
        if message.role is Role.SYSTEM:
            refuse_name(message)
            for part in message.parts:
                if not isinstance(part, TextPart):
                    raise misplaced(part, message.role)
                if has_words(part.text):
                    yield part


def turns(conversation: Conversation) -> Iterator[Turn]:
    """The conversation below its system prompt; what tools answered belongs to the user's side.

    Raises:
        RequestError: A message names its speaker.
    """
    turn: Turn | None = None
    for message in conversation.messages:
        if message.role is Role.SYSTEM:
            continue
        if message.role is not Role.TOOL:
            refuse_name(message)
        role: Literal["user", "assistant"] = (
            "assistant" if message.role is Role.ASSISTANT else "user"
        )
        if turn is not None and turn.role == role:
            turn.messages.append(message)
        else:
            if turn is not None:
                yield turn
            turn = Turn(role, [message])
    if turn is not None:
        yield turn


def wire_turns(conversation: Conversation, blocks_of: Callable[[Turn], list[Json]]) -> list[Json]:
    """The turns as these protocols write them; one that has nothing to say is left out.

    Raises:
        RequestError: The user does not begin.
    """
    messages: list[Json] = []
    for turn in turns(conversation):
        blocks = blocks_of(turn)
        if messages and messages[-1]["role"] == turn.role:
            messages[-1]["content"] += blocks
        elif blocks:
            messages.append({"role": turn.role, "content": blocks})
    if not messages or messages[0]["role"] != "user":
        what = "messages: this persona's provider wants a message of the user first"
        raise RequestError(what, param="messages")
    return messages


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool answered to one call."""

    call_id: str
    texts: list[ToolResultPart]
    parts: list[ToolResultPart | ImagePart | FilePart]
    """All of it, in its order."""

    @property
    def is_error(self) -> bool:
        """Whether the tool failed."""
        return any(part.is_error for part in self.texts)

    @property
    def cache(self) -> CacheFor | None:
        """How long to remember the prompt up to here: the longest that any part asks for."""
        wanted = [part.cache for part in self.texts if part.cache is not None]
        return max(wanted, key=list(CacheFor).index) if wanted else None


def results_of(message: Message) -> list[Result]:
    """What a tool's message answers, by call.

    Raises:
        RequestError: It answers none, or holds what no tool says.
    """
    results: list[Result] = []
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            if not results or results[-1].call_id != part.call_id:
                results.append(Result(part.call_id, [], []))
            results[-1].texts.append(part)
        elif not results or not isinstance(part, ImagePart | FilePart):
            raise misplaced(part, message.role)
        results[-1].parts.append(part)
    if not results:
        raise RequestError(
            "a message of role 'tool' answers no call; name the call's id, and give the result",
            param=message.path or None,
        )
    return results


def has_words(text: str) -> bool:
    """Whether there is anything in it: these protocols refuse a block that is empty or blank."""
    return not (text == "" or text.isspace())


def refuse_name(message: Message) -> None:
    """These protocols cannot say who of several speaks.

    Raises:
        RequestError: The message says so.
    """
    if message.name is not None:
        where = f"{message.path}.name" if message.path else "name"
        raise RequestError(
            f"{where}: this persona's model knows no names of speakers; leave it out", param=where
        )


def misplaced(part: Part, role: Role) -> RequestError:
    """This part cannot stand in a message of this role."""
    what = f"a {role.value} message cannot hold a {type(part).__name__}"
    return RequestError(what, param=part.path or None)


def arguments_of(part: ToolCallPart) -> orjson.Fragment:
    """The arguments of a call as the JSON object that they are, letter by letter.

    Raises:
        RequestError: They are none.
    """
    # Models that call a function without parameters may say nothing at all.
    text = part.arguments or "{}"
    try:
        is_object = isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        is_object = False
    if not is_object:
        where = f"{part.path}.{part.arguments_field}" if part.path else part.arguments_field
        what = f"{where}: this persona's provider wants arguments that are a JSON object"
        raise RequestError(what, param=where)
    return orjson.Fragment(text)


def parameters_of(tool: Tool) -> Mapping[str, Json]:
    """The schema of a tool's parameters, which must be of an object.

    Raises:
        RequestError: It is of something else.
    """
    schema = tool.parameters or {}
    type_ = schema.get("type", "object")
    if type_ != "object":
        where = f"{tool.path}.{tool.parameters_field}" if tool.path else tool.parameters_field
        what = f"{where}: this persona's provider wants parameters of type 'object'"
        raise RequestError(what, param=where)
    return {"type": "object", **schema}


def wanted_choice(conversation: Conversation) -> ToolChoiceMode | None:
    """How tools are to be used, where the client says it and there are any.

    Raises:
        RequestError: One must be called and there is none.
    """
    choice = conversation.tool_choice
    if choice is None or conversation.tools:
        if choice is not None and choice.mode is ToolChoiceMode.NAMED and choice.name is None:
            raise RequestError(
                "tool_choice: names no tool; send its name, as in tools", param="tool_choice"
            )
        return None if choice is None else choice.mode
    if choice.mode in (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED):
        raise RequestError(
            "tool_choice: there are no tools to choose from; send some, or leave it out",
            param="tool_choice",
        )
    return None


def refuse_sampling(sampling: Sampling, fields: Iterable[SamplingField], why: str) -> None:
    """Refuse wishes that the protocol cannot say.

    Raises:
        RequestError: One of these fields is set.
    """
    for name in fields:
        if getattr(sampling, name) is not None:
            raise RequestError(f"{name}: {why}", param=name)


def without(conversation: Conversation, fields: Iterable[SamplingField]) -> Conversation:
    """The conversation without these wishes."""
    left_out: dict[str, Any] = dict.fromkeys(fields)
    if not left_out:
        return conversation
    return replace(conversation, sampling=replace(conversation.sampling, **left_out))


def yielding(conversation: Conversation, lacking: Iterable[str]) -> Conversation:
    """The conversation without wishes that are not of this request and that cannot be said."""
    fields = conversation.sampling.yields.intersection(lacking)
    return without(conversation, fields) if fields else conversation


def refuse_foreign_passthrough(conversation: Conversation, dialect: str) -> None:
    """Refuse fields that pass through from a client of another wire format.

    Raises:
        RequestError: There are such.
    """
    if conversation.passthrough and conversation.dialect != dialect:
        what = "passthrough: these fields are not of the wire format of this persona's provider"
        raise RequestError(what, param=next(iter(conversation.passthrough)))


def encoded(body: dict[str, Json]) -> bytes:
    """A request body as JSON.

    Raises:
        RequestError: It holds what JSON cannot carry.
    """
    try:
        # Frozen mappings, such as a tool's schema may be, become plain ones.
        return orjson.dumps(body, default=dict)
    except orjson.JSONEncodeError:
        raise RequestError(
            "the conversation holds something that JSON cannot carry, such as half a surrogate pair"
        ) from None
