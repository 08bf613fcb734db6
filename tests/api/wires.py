"""The wire formats, each with what its vendor's own package says of it.

A dialect that is added here is held to the whole Coverage law.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import (
    MessageCreateParamsNonStreaming,
    MessageCreateParamsStreaming,
)
from hypothesis import strategies as st
from openai.types import (
    CreateEmbeddingResponse,
    EmbeddingCreateParams,
    ImagesResponse,
    ModerationCreateParams,
    ModerationCreateResponse,
)
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai.types.image_edit_params import (
    ImageEditParamsNonStreaming,
    ImageEditParamsStreaming,
)
from openai.types.image_generate_params import (
    ImageGenerateParamsNonStreaming,
    ImageGenerateParamsStreaming,
)
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)

from app.api import (
    anthropic_messages_answer_fields,
    anthropic_messages_fields,
    openai_chat_fields,
    openai_embeddings_fields,
    openai_images_fields,
    openai_moderations_fields,
    openai_responses_events,
    openai_responses_fields,
)
from app.api.anthropic_messages import AnthropicMessages
from app.api.compound import Object
from app.api.dialect import Dialect
from app.api.openai_chat import OpenAIChat
from app.api.openai_embeddings import OpenAIEmbeddings
from app.api.openai_images import OpenAIImageEdits, OpenAIImages
from app.api.openai_responses import OpenAIResponses
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
    if "image" in body.get("modalities", ()):
        body["modalities"].append("text")
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


def _consistent_messages(body: dict[str, Json]) -> dict[str, Json]:
    for message in body["messages"]:
        if message["role"] == "user" and isinstance(message["content"], list):
            message["content"].sort(key=lambda block: block["type"] != "tool_result")
    choice, tools = body.get("tool_choice") or {}, body.get("tools")
    if not tools and choice.get("type") in {"any", "tool"}:
        del body["tool_choice"]
    elif choice.get("type") == "tool" and tools:
        choice["name"] = tools[0]["name"]
    thinking = body.get("thinking") or {}
    if thinking.get("type") in {"enabled", "disabled"}:
        body.get("output_config", {}).pop("effort", None)
    if thinking.get("type") == "enabled":
        body["max_tokens"] = thinking["budget_tokens"] + 1
    return body


MESSAGES = Wire(
    name="anthropic_messages",
    dialect=AnthropicMessages(),
    request=anthropic_messages_fields.REQUEST,
    vendor=(
        (
            anthropic_messages_fields.REQUEST,
            (MessageCreateParamsNonStreaming, MessageCreateParamsStreaming),
        ),
        (anthropic_messages_answer_fields.ANSWER, (Message,)),
        (anthropic_messages_answer_fields.EVENT, (RawMessageStreamEvent,)),
        (anthropic_messages_fields.COUNT, (MessageCountTokensParams,)),
        (anthropic_messages_answer_fields.COUNTED, (MessageTokensCount,)),
    ),
    consistent=_consistent_messages,
    free=(".input_schema", ".schema"),
)


def _consistent_responses(body: dict[str, Json]) -> dict[str, Json]:
    if body.get("stream_options"):
        body["stream"] = True
    if "previous_response_id" in body:
        body["previous_response_id"] = f"resp_{body['previous_response_id']}"
    body.pop("safety_identifier", None)
    choice = body.get("tool_choice")
    tools = [tool for tool in body.get("tools", ()) if tool["type"] == "function"]
    if not tools and choice not in ("none", "auto"):
        body.pop("tool_choice", None)
    elif isinstance(choice, dict) and tools:
        choice["name"] = tools[0]["name"]
    items = body["input"]
    if isinstance(items, list):
        items.append({"role": "user", "content": "said"})
        for item in items:
            for part in item["output"] if isinstance(item.get("output"), list) else ():
                _consistent_file(part)
            if "role" in item and isinstance(item["content"], list):
                own = [_of_role(part, item["role"]) for part in item["content"]]
                item["content"] = own
    return body


_OF_USERS = frozenset({"input_text", "input_image", "input_file"})


def _consistent_file(part: dict[str, Json]) -> None:
    """A file stands in the request, or somewhere else."""
    if part["type"] == "input_file":
        if "file_data" in part:
            part.pop("file_url", None)
        else:
            part.setdefault("file_url", "https://example.com/a.pdf")


def _of_role(part: dict[str, Json], role: str) -> dict[str, Json]:
    """A part as this role may have it."""
    _consistent_file(part)
    if role == "user" and part["type"] in _OF_USERS:
        return part
    wanted = "output_text" if role == "assistant" else "input_text"
    if part["type"] == wanted or (wanted, part["type"]) == ("output_text", "refusal"):
        return part
    return {"type": wanted, "text": part.get("text", part.get("refusal", "said"))}


RESPONSES = Wire(
    name="openai_responses",
    dialect=OpenAIResponses(),
    request=openai_responses_fields.REQUEST,
    vendor=(
        (
            openai_responses_fields.REQUEST,
            (ResponseCreateParamsNonStreaming, ResponseCreateParamsStreaming),
        ),
        (openai_responses_events.ANSWER, (Response,)),
        (openai_responses_events.EVENT, (ResponseStreamEvent,)),
    ),
    consistent=_consistent_responses,
    free=(".parameters", ".schema"),
)

EMBEDDINGS = Wire(
    name="openai_embeddings",
    dialect=OpenAIEmbeddings(),
    request=openai_embeddings_fields.REQUEST,
    vendor=(
        (openai_embeddings_fields.REQUEST, (EmbeddingCreateParams,)),
        (openai_embeddings_fields.ANSWER, (CreateEmbeddingResponse,)),
    ),
    consistent=dict,
    free=(),
)


def _consistent_images(body: dict[str, Json]) -> dict[str, Json]:
    return body | {"size": "640x480"} if "size" in body else body


IMAGES = Wire(
    name="openai_images",
    dialect=OpenAIImages(),
    request=openai_images_fields.GENERATE,
    vendor=(
        (
            openai_images_fields.GENERATE,
            (ImageGenerateParamsNonStreaming, ImageGenerateParamsStreaming),
        ),
        (openai_images_fields.ANSWER, (ImagesResponse,)),
    ),
    consistent=_consistent_images,
    free=(),
)


def _consistent_edit(body: dict[str, Json]) -> dict[str, Json]:
    body = _consistent_images(body)
    pictures = body.pop("images", None)
    if "image" not in body:
        body["images"] = pictures or ["data:image/png;base64,iVBORw0KGgo="]
    return body


IMAGE_EDITS = Wire(
    name="openai_image_edits",
    dialect=OpenAIImageEdits(),
    request=openai_images_fields.EDIT,
    vendor=(
        (openai_images_fields.EDIT, (ImageEditParamsNonStreaming, ImageEditParamsStreaming)),
        (openai_images_fields.ANSWER, (ImagesResponse,)),
    ),
    consistent=_consistent_edit,
    free=(),
)

WIRES = (CHAT, MESSAGES, RESPONSES, EMBEDDINGS, IMAGES, IMAGE_EDITS)

VENDOR_TABLES: tuple[tuple[str, Shape, tuple[str, ...], tuple[object, ...]], ...] = (
    *((wire.name, shape, wire.free, of) for wire in WIRES for shape, of in wire.vendor),
    ("openai_moderations", openai_moderations_fields.REQUEST, (), (ModerationCreateParams,)),
    ("openai_moderations", openai_moderations_fields.ANSWER, (), (ModerationCreateResponse,)),
)
"""Every table, with the vendor's types for it; also of what is no conversation."""
