"""Anthropic Messages: the body of a request becomes a ``Conversation``.

``app.api.anthropic_messages_fields`` decides what gets in; what is here only puts it in its place,
and checks what one field says about another.
"""

from collections.abc import Iterator
from dataclasses import replace

import orjson
from typing_extensions import override

from app.api.anthropic_messages_answer import MessageStream, MessageWhole
from app.api.anthropic_messages_fields import COUNT, REQUEST
from app.api.anthropic_user_parts import cache_of, result_parts, texts, user_parts, with_cache
from app.api.delivery import Encoder
from app.api.dialect import Body, Dialect, admitted, contradiction, requested, wishes_of
from app.api.errors import anthropic_error
from app.api.transport import Call
from app.domain.conversation import (
    CacheFor,
    Conversation,
    Effort,
    Json,
    JsonFormat,
    Message,
    Origin,
    Part,
    Reasoning,
    ReasoningPart,
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
from app.domain.signatures import ANTHROPIC, SignedKind, claimed, signed_calls

DIALECT = "anthropic_messages"

_CHOICES = {
    "auto": ToolChoiceMode.AUTO,
    "any": ToolChoiceMode.REQUIRED,
    "none": ToolChoiceMode.NONE,
    "tool": ToolChoiceMode.NAMED,
}


class AnthropicMessages(Dialect):
    """Messages."""

    error_body = staticmethod(anthropic_error)

    @override
    def conversation(self, body: Body, persona: Persona) -> Conversation:
        return _conversation(body, *admitted(REQUEST, body, persona), persona)

    @override
    def encoder(self, asked: Conversation, created: int) -> Encoder:
        made = MessageStream if asked.is_stream else MessageWhole
        return made(created, asked.sampling.stop)


async def count_tokens(call: Call) -> None:
    """About how many tokens the model would read; nothing is asked and nothing is recorded."""
    caller = await call.authenticate()
    body = await call.json_object()
    gateway = call.parts.gateway
    persona = gateway.persona(requested(body).persona, caller)
    asked = _conversation(body, *admitted(COUNT, body, persona), persona)
    tokens = await gateway.count(asked, caller)
    await call.answer(orjson.dumps({"input_tokens": tokens}))


def _conversation(body: Body, known: Body, passthrough: Body, persona: Persona) -> Conversation:
    wanted = requested(body)
    tools = tuple(_tools(known))
    choice = known.get("tool_choice")
    single = None if choice is None else choice.get("disable_parallel_tool_use")
    return Conversation(
        persona=wanted.persona,
        variant=wanted.variant,
        dialect=DIALECT,
        messages=_cached(tuple(_messages(known, persona)), cache_of(known)),
        tools=tools,
        tool_choice=None if choice is None else _tool_choice(choice, tools),
        parallel_tool_calls=None if single is None else not single,
        response_format=_json_format(known.get("output_config") or {}),
        sampling=_sampling(known, persona),
        is_stream=bool(known.get("stream")),
        wants_usage=True,
        subject=(known.get("metadata") or {}).get("user_id"),
        wishes=wishes_of(known),
        passthrough=passthrough,
    )


def _messages(known: Body, persona: Persona) -> Iterator[Message]:
    takes_system = persona.system_messages == "below"
    system = known.get("system")
    if system is not None:
        yield _system(system, "system", "system", takes_system=takes_system)
    for index, item in enumerate(known["messages"]):
        path = f"messages[{index}]"
        content = item["content"]
        match item["role"]:
            case "assistant":
                parts = tuple(signed_calls(_assistant_parts(content, f"{path}.content")))
                yield Message(Role.ASSISTANT, Origin.CLIENT, parts, path=path)
            case "user":
                yield from _user(content, path)
            case _:
                yield _system(content, f"{path}.content", path, takes_system=takes_system)


def _system(content: Json, where: str, path: str, *, takes_system: bool) -> Message:
    if not takes_system:
        raise FieldRefusedError(path, "this persona takes no system prompt; its file may allow it")
    return Message(Role.SYSTEM, Origin.CLIENT, tuple(texts(content, where)), path=path)


def _user(content: Json, path: str) -> Iterator[Message]:
    """One message of a tool for each result, then what the user says."""
    blocks = () if type(content) is str else content
    results = sum(block["type"] == "tool_result" for block in blocks)
    for index, block in enumerate(blocks[:results]):
        where = f"{path}.content[{index}]"
        if block["type"] != "tool_result":
            contradiction(where, "comes before a tool result; those come first in a message")
        yield Message(Role.TOOL, Origin.TOOL, tuple(result_parts(block, where)), path=where)
    said = tuple(user_parts(content, f"{path}.content", results))
    if said:
        yield Message(Role.USER, Origin.CLIENT, said, path=path)


def _assistant_parts(content: Json, where: str) -> Iterator[Part]:
    if type(content) is str:
        yield TextPart(content, where)
        return
    for index, block in enumerate(content):
        path = f"{where}[{index}]"
        match block["type"]:
            case "text":
                yield TextPart(block["text"], f"{path}.text", cache_of(block))
            case "thinking":
                # Reasoning that nobody signed comes with an empty signature, and goes back so.
                signed = block["signature"] and _signed(block["signature"], SignedKind.REASONING)
                yield ReasoningPart(block["thinking"], f"{path}.thinking", signed or None)
            case "redacted_thinking":
                data = _signed(block["data"], SignedKind.REDACTED)
                yield ReasoningPart("", f"{path}.data", data, is_redacted=True)
            case _:
                yield ToolCallPart(
                    block["id"],
                    block["name"],
                    orjson.dumps(block["input"]).decode(),
                    path,
                    arguments_field="input",
                    cache=cache_of(block),
                )


def _signed(signed: str, kind: SignedKind) -> str:
    """What was signed; where nobody else is named, by Anthropic."""
    return claimed(signed, ANTHROPIC, kind)


def _cached(messages: tuple[Message, ...], cache: CacheFor | None) -> tuple[Message, ...]:
    """The messages, with the prompt up to their end to be remembered where the body says so."""
    *earlier, last = messages
    if cache is None or not last.parts:
        return messages
    *parts, end = last.parts
    return (*earlier, replace(last, parts=(*parts, with_cache(end, cache))))


def _tools(known: Body) -> Iterator[Tool]:
    for index, tool in enumerate(known.get("tools") or ()):
        yield Tool(
            name=tool["name"],
            description=tool.get("description") or "",
            parameters=tool["input_schema"],
            is_strict=tool.get("strict"),
            path=f"tools[{index}]",
            parameters_field="input_schema",
            cache=cache_of(tool),
        )


def _tool_choice(choice: Body, tools: tuple[Tool, ...]) -> ToolChoice:
    mode, name = _CHOICES[choice["type"]], choice.get("name")
    if mode is ToolChoiceMode.REQUIRED and not tools:
        contradiction("tool_choice", "needs tools")
    if mode is ToolChoiceMode.NAMED and all(tool.name != name for tool in tools):
        contradiction("tool_choice.name", "names none of tools")
    return ToolChoice(mode, name)


def _json_format(config: Body) -> JsonFormat | None:
    wanted = config.get("format")
    if wanted is None:
        return None
    return JsonFormat(schema=wanted["schema"], is_strict=True, path="output_config.format")


def _sampling(known: Body, persona: Persona) -> Sampling:
    return Sampling(
        temperature=known.get("temperature"),
        top_p=known.get("top_p"),
        top_k=known.get("top_k"),
        max_tokens=_max_tokens(known.get("max_tokens"), persona),
        stop=tuple(known.get("stop_sequences") or ()),
        stop_path="stop_sequences",
        reasoning=_reasoning(known),
    )


def _max_tokens(wanted: int | None, persona: Persona) -> int | None:
    """What the client takes at most and the persona gives at most: the lesser holds.

    Every request of this dialect has to name a number, so one that is high says nothing.
    """
    bound = persona.sampling.max_tokens
    most = bound.default if bound.min is None and bound.max is None else bound.max
    return wanted if wanted is None or most is None else min(wanted, most)


def _reasoning(known: Body) -> Reasoning | None:
    thinking = known.get("thinking") or {}
    effort = (known.get("output_config") or {}).get("effort")
    kind = thinking.get("type")
    if effort is not None and kind in {"enabled", "disabled"}:
        contradiction("output_config.effort", f"goes with no thinking of type '{kind}'")
    match kind:
        case "enabled":
            budget, most = thinking["budget_tokens"], known.get("max_tokens")
            if most is not None and budget >= most:
                contradiction("thinking.budget_tokens", "must be less than max_tokens")
            return Reasoning(budget)
        case "disabled":
            return Reasoning(Effort.NONE)
        case "adaptive":
            return Reasoning(Effort(effort or Effort.MEDIUM))
        case _:
            return None if effort is None else Reasoning(Effort(effort))
