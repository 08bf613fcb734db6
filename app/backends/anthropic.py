"""Any server that speaks Anthropic's Messages over HTTP."""

from collections.abc import Collection, Sequence

from typing_extensions import override

from app.backends.anthropic_chunks import MessageReader
from app.backends.anthropic_request import Options, Version, anthropic_request
from app.backends.http import Connection, HttpBackend, Reader, Request
from app.backends.pieces import PieceReader
from app.backends.sse import SseParser
from app.backends.turns import without
from app.domain.conversation import Conversation, SamplingField
from app.domain.data_use import Call
from app.domain.events import StreamEvent


class AnthropicBackend(HttpBackend):
    """Anthropic Messages."""

    def __init__(
        self,
        connection: Connection,
        options: Options | None = None,
        *,
        leaves_out: Collection[SamplingField] = (),
    ) -> None:
        """Hold what every request needs.

        Args:
            connection: To where ``/messages`` is.
            options: What the models behind it want.
            leaves_out: Wishes that are not sent, where they would otherwise be refused.
        """
        super().__init__(connection)
        self._options = options or Options()
        self._leaves_out = leaves_out

    @override
    def request(self, conversation: Conversation, model: str) -> Request:
        wanted = without(conversation, self._leaves_out)
        switches = self.switched(Call.MESSAGES, conversation)
        return Request("/messages", anthropic_request(wanted, model, self._options, switches))

    @override
    def reader(self, conversation: Conversation) -> Reader:
        return PieceReader(SseParser(), MessageReader())

    @override
    def whole(self, body: bytes) -> Sequence[StreamEvent]:
        return whole_message(body)


def whole_message(body: bytes) -> list[StreamEvent]:
    """The events of a message that came as one JSON object.

    Raises:
        BackendError: It is no such message, or it reports an error.
    """
    message = MessageReader()
    message.read_whole(body)
    return [*message.take(), *message.end()]


def anthropic_headers(api_key: str | None, version: Version) -> dict[str, str]:
    """The headers that say which protocol is spoken and, where there is a key, who asks."""
    key = {} if api_key is None else {"x-api-key": api_key}
    return {"anthropic-version": version, **key}
