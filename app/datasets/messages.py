"""Turns as messages of OpenAI's chat completions, which all forms of data sets have or adapt."""

from collections.abc import Sequence

import orjson

from app.domain.conversation import (
    Json,
    Message,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)


def answer_of(text: str) -> Json:
    """An answer in words."""
    return {"role": "assistant", "content": text}


def wire_messages(turns: Sequence[Message]) -> list[Json]:
    """Turns as messages; ids of calls are numbered, as a provider's ids would tell who asked it."""
    made: list[Json] = []
    names: dict[str, str] = {}
    for turn in turns:
        if turn.role is Role.ASSISTANT:
            made.append(_assistant(turn, names))
        elif turn.role is Role.TOOL:
            made += _results(turn, names)
        elif text := _text(turn):
            made.append({"role": turn.role.value, "content": text})
    return made


def _assistant(turn: Message, names: dict[str, str]) -> Json:
    calls = [part for part in turn.parts if isinstance(part, ToolCallPart)]
    text = _text(turn)
    message: dict[str, Json] = {"role": "assistant", "content": text if text or not calls else None}
    if calls:
        message["tool_calls"] = [
            {
                "id": _call(part.call_id, names),
                "type": "function",
                "function": {"name": part.name, "arguments": part.arguments},
            }
            for part in calls
        ]
    return message


def _results(turn: Message, names: dict[str, str]) -> list[Json]:
    texts: dict[str, list[str]] = {}
    for part in turn.parts:
        if isinstance(part, ToolResultPart):
            texts.setdefault(part.call_id, []).append(part.text)
    return [
        {"role": "tool", "tool_call_id": _call(call_id, names), "content": "\n".join(said)}
        for call_id, said in texts.items()
    ]


def _text(turn: Message) -> str:
    said = [part.text for part in turn.parts if isinstance(part, TextPart | RefusalPart)]
    return "\n".join(said)


def _call(call_id: str, names: dict[str, str]) -> str:
    return names.setdefault(call_id, f"call_{len(names) + 1}")


def for_trl(messages: Sequence[Json]) -> list[Json]:
    """Messages as chat templates of Hugging Face read them.

    Arguments of calls are objects, and results name their tool.
    """
    made: list[Json] = []
    tools: dict[str, str] = {}
    for message in messages:
        one = dict(message)
        if calls := message.get("tool_calls"):
            one["tool_calls"] = [_trl_call(call) for call in calls]
            tools.update({call["id"]: call["function"]["name"] for call in calls})
        if "tool_call_id" in one:
            one["name"] = tools.get(one["tool_call_id"], "")
        if one["content"] is None:
            one["content"] = ""
        made.append(one)
    return made


def _trl_call(call: Json) -> Json:
    function = call["function"]
    return {**call, "function": {**function, "arguments": _object(function["arguments"])}}


def _object(arguments: str) -> Json:
    try:
        value = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return {"arguments": arguments}  # as a model that wrote no JSON wrote it
    return value if isinstance(value, dict) else {"arguments": value}
