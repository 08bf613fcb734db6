"""Any server that speaks OpenAI's Responses over HTTP."""

from collections.abc import Collection, Sequence

from typing_extensions import override

from app.backends.http import Connection, HttpBackend, Reader, Request
from app.backends.pictures import MAX_EVENT_BYTES
from app.backends.pieces import PieceReader
from app.backends.responses_chunks import ResponseReader
from app.backends.responses_request import Options, responses_request
from app.backends.sse import SseParser
from app.backends.turns import without
from app.domain.conversation import Conversation, SamplingField
from app.domain.data_use import Call
from app.domain.events import StreamEvent


class ResponsesBackend(HttpBackend):
    """OpenAI Responses."""

    draws = True

    def __init__(
        self,
        connection: Connection,
        options: Options | None = None,
        *,
        leaves_out: Collection[SamplingField] = (),
    ) -> None:
        """Hold what every request needs.

        Args:
            connection: To where ``/responses`` is.
            options: What the models behind it want.
            leaves_out: Wishes that are not sent, where they would otherwise be refused.
        """
        super().__init__(connection)
        self._options = options or Options()
        self._leaves_out = leaves_out

    @override
    def request(self, conversation: Conversation, model: str) -> Request:
        wanted = without(conversation, self._leaves_out)
        switches = self.switched(Call.RESPONSES, conversation)
        return Request("/responses", responses_request(wanted, model, self._options, switches))

    @override
    def reader(self, conversation: Conversation) -> Reader:
        return PieceReader(SseParser(max_event_bytes=MAX_EVENT_BYTES), ResponseReader())

    @override
    def whole(self, body: bytes) -> Sequence[StreamEvent]:
        return whole_response(body)


def whole_response(body: bytes) -> list[StreamEvent]:
    """The events of a response that came as one JSON object.

    Raises:
        BackendError: It is no such response, or it reports an error.
    """
    response = ResponseReader()
    response.read_whole(body)
    return [*response.take(), *response.end()]
