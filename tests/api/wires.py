"""The wire formats, each with what its vendor's own package says of it.

A dialect that is added here is held to the whole Coverage law.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)

from app.api import openai_chat_fields
from app.api.compound import Object
from app.api.dialect import Dialect
from app.api.openai_chat import OpenAIChat
from app.api.shapes import Shape
from app.domain.conversation import Json
from tests.api.bodies import values


@dataclass(frozen=True)
class Wire:
    """One wire format."""

    name: str
    """In the coverage table."""
    dialect: Dialect
    request: Object
    vendor: tuple[tuple[Shape, tuple[object, ...]], ...]
    """Each table with the vendor's types for it."""
    consistent: Callable[[dict[str, Json]], dict[str, Json]]
    """A body that its table admits, without fields that contradict one another."""
    free: tuple[str, ...]
    """How paths of free JSON end."""
    said: Callable[[str], str] = str
    """The path of a segment by the path of a guarded field, where they differ."""

    @cached_property
    def bodies(self) -> st.SearchStrategy[dict[str, Json]]:
        """Bodies that get in."""
        return values(self.request).map(self.consistent)


def _consistent_chat(body: dict[str, Json]) -> dict[str, Json]:
    if body.get("stream_options"):
        body["stream"] = True
    if "max_completion_tokens" in body:
        body.pop("max_tokens", None)
    choice, tools = body.get("tool_choice"), body.get("tools")
    if not tools and choice not in ("none", "auto"):
        body.pop("tool_choice", None)
    elif isinstance(choice, dict) and tools:
        choice["function"]["name"] = tools[0]["function"]["name"]
    for message in body["messages"]:
        if message["role"] == "assistant":
            message.setdefault("content", "said")
    return body


CHAT = Wire(
    name="openai_chat",
    dialect=OpenAIChat(),
    request=openai_chat_fields.REQUEST,
    vendor=(
        (
            openai_chat_fields.REQUEST,
            (CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming),
        ),
        (openai_chat_fields.ANSWER, (ChatCompletion,)),
        (openai_chat_fields.CHUNK, (ChatCompletionChunk,)),
    ),
    consistent=_consistent_chat,
    free=(".parameters", ".schema"),
    said=lambda path: "stop[0]" if path == "stop" else path,
)

WIRES = (CHAT,)
