"""Any server that speaks OpenAI's chat completions over HTTP."""

from collections.abc import Sequence

from typing_extensions import override

from app.backends.chat_answer import AnswerReader, whole_answer
from app.backends.chat_request import COMMON, Differences, chat_request
from app.backends.embeddings import openai_embedding_answer, openai_embedding_request
from app.backends.http import Connection, HttpBackend, Reader, Request
from app.backends.images import openai_image_answer, openai_image_request
from app.domain.catalog import Feature
from app.domain.conversation import Conversation
from app.domain.data_use import Call
from app.domain.events import StreamEvent
from app.domain.wanted import Embeddings, Pictures


class OpenAIBackend(HttpBackend):
    """OpenAI Chat Completions, embeddings and images."""

    gives = frozenset({Feature.EMBEDDINGS, Feature.PICTURES, Feature.CHOICES, Feature.LOGPROBS})
    draws = True

    def __init__(self, connection: Connection, differences: Differences = COMMON) -> None:
        """Hold what every request needs.

        Args:
            connection: To where ``/chat/completions``, ``/embeddings`` and ``/images`` are.
            differences: Of the server from others that speak the protocol.
        """
        super().__init__(connection)
        self._differences = differences
        fields = {Feature.CHOICES: "n", Feature.LOGPROBS: "logprobs"}
        self.gives = frozenset(
            each for each in self.gives if fields.get(each) not in differences.lacks
        )

    @override
    def request(self, conversation: Conversation, model: str) -> Request:
        if isinstance(conversation.wanted, Embeddings):
            switches = self.switched(Call.EMBEDDINGS, conversation)
            return openai_embedding_request(conversation, conversation.wanted, model, switches)
        if isinstance(conversation.wanted, Pictures):
            switches = self.switched(Call.IMAGES, conversation)
            return openai_image_request(conversation, conversation.wanted, model, switches)
        switches = self.switched(Call.CHAT, conversation)
        body = chat_request(conversation, model, self._differences, switches)
        return Request("/chat/completions", body)

    @override
    def answer(self, conversation: Conversation, body: bytes) -> Sequence[StreamEvent]:
        if isinstance(conversation.wanted, Embeddings):
            return openai_embedding_answer(conversation, conversation.wanted, body)
        if isinstance(conversation.wanted, Pictures):
            return openai_image_answer(conversation.wanted, body)
        return whole_answer(body, conversation.sampling)

    @override
    def reader(self, conversation: Conversation) -> Reader:
        return AnswerReader(conversation.sampling)

    @override
    def whole(self, body: bytes) -> Sequence[StreamEvent]:
        return whole_answer(body)


def bearer(api_key: str | None) -> dict[str, str]:
    """The header that most servers want a key in; none for those that need none."""
    return {} if api_key is None else {"authorization": f"Bearer {api_key}"}
