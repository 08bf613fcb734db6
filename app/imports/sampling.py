"""How other tools say how a model samples, as a persona says it."""

from collections.abc import Mapping

from app.catalog.document import Node
from app.domain.conversation import Json
from app.imports.persona_writer import Tree
from app.imports.taking import Taking

_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "topP": "top_p",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "maxOutputTokens": "max_tokens",
}
_LIMITS: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "max_tokens": (1, 10_000_000),
}
WHY_NOT = {
    **dict.fromkeys(
        ("seed", "stop", "stopSequences", "frequency_penalty", "presence_penalty"),
        "is for a client to send with a request; a persona bounds temperature, top_p and length",
    ),
    **dict.fromkeys(
        ("frequencyPenalty", "presencePenalty", "topK", "top_k", "logit_bias", "stream", "n"),
        "is for a client to send with a request; a persona bounds temperature, top_p and length",
    ),
    "tools": "is for clients to send with a request, or for a tool server; a policy guards both",
    "tool_choice": "is for clients to send with a request",
    "tools_choice": "is for clients to send with a request",
    "response_format": "is for clients to send with a request; a rule with 'schema' checks answers",
}


def sampling_of(node: Node, taking: Taking) -> Tree:
    """What a persona can say of it, as fixed values: there, too, a request has no choice."""
    made: Tree = {}
    for key, each in node.entries.items():
        name = _NAMES.get(key)
        if name is None:
            continue
        value = taking.number(each)
        low, high = _LIMITS[name]
        if value is None:
            continue
        if name in made or not low <= value <= high or (name == "max_tokens" and value % 1):
            taking.leave(each, "is said twice, or is no value that a persona can have")
            continue
        bound: Json = {"default": int(value) if name == "max_tokens" else value}
        made[name] = bound
    return made
