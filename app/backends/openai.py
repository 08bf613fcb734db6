"""Any server that speaks OpenAI's chat completions over HTTP."""

from collections.abc import Sequence

from typing_extensions import override

from app.backends.chat_answer import AnswerReader, whole_answer
from app.backends.chat_request import MaxTokensField, chat_request
from app.backends.http import Connection, HttpBackend, Reader, Request
from app.domain.conversation import Conversation
from app.domain.events import StreamEvent


class OpenAIBackend(HttpBackend):
    """OpenAI Chat Completions."""

    def __init__(
        self, connection: Connection, *, max_tokens_field: MaxTokensField = "max_tokens"
    ) -> None:
        """Hold what every request needs.

        Args:
            connection: To where ``/chat/completions`` is.
            max_tokens_field: What the server calls the limit on tokens.
        """
        super().__init__(connection)
        self._max_tokens_field = max_tokens_field

    @override
    def request(self, conversation: Conversation, model: str) -> Request:
        body = chat_request(conversation, model, max_tokens_field=self._max_tokens_field)
        return Request("/chat/completions", body)

    @override
    def reader(self) -> Reader:
        return AnswerReader()

    @override
    def whole(self, body: bytes) -> Sequence[StreamEvent]:
        return whole_answer(body)


def bearer(api_key: str | None) -> dict[str, str]:
    """The header that most servers want a key in; none for those that need none."""
    return {} if api_key is None else {"authorization": f"Bearer {api_key}"}
