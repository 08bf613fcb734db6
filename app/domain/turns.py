"""Turns of a conversation as JSON, for keeping them."""

from collections.abc import Sequence
from typing import get_args

from pydantic import TypeAdapter

from app.domain.conversation import Json, Message, Origin, Part, Role

_PARTS = {kind.__name__: TypeAdapter(kind) for kind in get_args(Part)}


def turns_json(turns: Sequence[Message]) -> Json:
    """As ``orjson.dumps`` takes it."""
    return [
        {
            "role": turn.role,
            "origin": turn.origin,
            "parts": [{type(part).__name__: part} for part in turn.parts],
            "name": turn.name,
            "path": turn.path,
        }
        for turn in turns
    ]


def read_turns(value: Json) -> tuple[Message, ...]:
    """What ``turns_json`` was given, from JSON that has been written and read."""
    return tuple(
        Message(
            Role(turn["role"]),
            Origin(turn["origin"]),
            tuple(
                _PARTS[kind].validate_python(part)
                for tagged in turn["parts"]
                for kind, part in tagged.items()
            ),
            turn["name"],
            turn["path"],
        )
        for turn in value
    )
