"""Any server that speaks OpenAI's chat completions over HTTP."""

from collections.abc import Sequence

from typing_extensions import override

from app.backends.chat_answer import AnswerReader, whole_answer
from app.backends.chat_request import COMMON, Differences, chat_request
from app.backends.http import Connection, HttpBackend, Reader, Request
from app.domain.catalog import Feature
from app.domain.conversation import Conversation
from app.domain.events import StreamEvent


class OpenAIBackend(HttpBackend):
    """OpenAI Chat Completions."""

    def __init__(self, connection: Connection, differences: Differences = COMMON) -> None:
        """Hold what every request needs.

        Args:
            connection: To where ``/chat/completions`` is.
            differences: Of the server from others that speak the protocol.
        """
        super().__init__(connection)
        self._differences = differences
        wanted = (Feature.CHOICES, "n"), (Feature.LOGPROBS, "logprobs")
        self.lacks = frozenset(each for each, field in wanted if field in differences.lacks)

    @override
    def request(self, conversation: Conversation, model: str) -> Request:
        return Request("/chat/completions", chat_request(conversation, model, self._differences))

    @override
    def reader(self, conversation: Conversation) -> Reader:
        return AnswerReader(conversation.sampling)

    @override
    def whole(self, body: bytes, conversation: Conversation) -> Sequence[StreamEvent]:
        return whole_answer(body, conversation.sampling)


def bearer(api_key: str | None) -> dict[str, str]:
    """The header that most servers want a key in; none for those that need none."""
    return {} if api_key is None else {"authorization": f"Bearer {api_key}"}
