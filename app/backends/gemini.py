"""Google's Gemini over HTTP, by its own address or by Vertex AI's."""

from collections.abc import Collection, Sequence
from urllib.parse import quote

from typing_extensions import override

from app.backends.embeddings import gemini_embedding_answer, gemini_embedding_request
from app.backends.gemini_chunks import GenerationReader
from app.backends.gemini_request import Thinking, gemini_request
from app.backends.http import Connection, HttpBackend, Reader, Request
from app.backends.images import gemini_image_request, only_pictures
from app.backends.pictures import MAX_EVENT_BYTES
from app.backends.pieces import PieceReader
from app.backends.sse import SseParser
from app.backends.turns import without
from app.domain.catalog import Feature
from app.domain.clock import NewId
from app.domain.conversation import Conversation, SamplingField
from app.domain.events import StreamEvent
from app.domain.wanted import Embeddings, Pictures


class GeminiBackend(HttpBackend):
    """Gemini's generateContent and streamGenerateContent, and embeddings."""

    gives = frozenset({Feature.EMBEDDINGS, Feature.PICTURES})
    draws = True

    def __init__(
        self,
        connection: Connection,
        new_id: NewId,
        *,
        thinking: Thinking = "level",
        leaves_out: Collection[SamplingField] = (),
    ) -> None:
        """Hold what every request needs.

        Args:
            connection: To where ``/models`` is.
            new_id: Names calls that the provider gives no id to.
            thinking: How the models behind it are told to reason.
            leaves_out: Wishes that are not sent, which some models refuse.
        """
        super().__init__(connection)
        self._new_id = new_id
        self._thinking = thinking
        self._leaves_out = leaves_out

    @override
    def request(self, conversation: Conversation, model: str) -> Request:
        if isinstance(conversation.wanted, Embeddings):
            return gemini_embedding_request(conversation, conversation.wanted, model)
        if isinstance(conversation.wanted, Pictures):
            return gemini_image_request(conversation, conversation.wanted, model)
        call = "streamGenerateContent?alt=sse" if conversation.is_stream else "generateContent"
        wanted = without(conversation, self._leaves_out)
        body = gemini_request(wanted, thinking=self._thinking)
        return Request(f"/models/{quote(model, safe='')}:{call}", body)

    @override
    def answer(self, conversation: Conversation, body: bytes) -> Sequence[StreamEvent]:
        if isinstance(conversation.wanted, Embeddings):
            return gemini_embedding_answer(conversation, conversation.wanted, body)
        made = super().answer(conversation, body)
        return only_pictures(made) if isinstance(conversation.wanted, Pictures) else made

    @override
    def reader(self, conversation: Conversation) -> Reader:
        parser = SseParser(max_event_bytes=MAX_EVENT_BYTES)
        return PieceReader(parser, GenerationReader(self._new_id))

    @override
    def whole(self, body: bytes) -> Sequence[StreamEvent]:
        answer = GenerationReader(self._new_id)
        answer.read(body)
        return [*answer.take(), *answer.end()]


class VertexBackend(GeminiBackend):
    """The same by Vertex AI, which has another protocol for embeddings."""

    gives = frozenset({Feature.PICTURES})


def gemini_key(api_key: str | None) -> dict[str, str]:
    """The header that a key stands in; never the address, which proxies and logs show."""
    return {} if api_key is None else {"x-goog-api-key": api_key}


def vertex_address(project: str, location: str) -> str:
    """Where a project's models are, in a region or in several."""
    if location == "global":
        host = "aiplatform.googleapis.com"
    elif location in ("us", "eu"):
        host = f"aiplatform.{location}.rep.googleapis.com"
    else:
        host = f"{location}-aiplatform.googleapis.com"
    return f"https://{host}/v1/projects/{project}/locations/{location}/publishers/google"
