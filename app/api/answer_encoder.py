"""What the answers of all dialects share: which events may follow which, and how it ends."""

from abc import abstractmethod

from typing_extensions import override

from app.api.delivery import Encoder
from app.api.errors import StoppedError
from app.api.summaries import summary_json
from app.domain.conversation import Json
from app.domain.events import (
    Annotation,
    Embedding,
    Finish,
    FinishReason,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    Token,
    ToolCallDelta,
    Usage,
)
from app.pipeline.answer import Closed, ExchangeEvent, Opened, Stopped


def token_json(token: Token) -> dict[str, Json]:
    """A token as OpenAI writes it. Its alternatives spell out what policy has not seen: none."""
    code = list(token.text.encode("utf-8", "replace"))
    return {"token": token.text, "bytes": code, "logprob": token.logprob, "top_logprobs": []}


Delta = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | Annotation | ImageDelta


class AnswerEncoder(Encoder):
    """What a stream and a whole answer share: which events may follow which, and how it ends."""

    def __init__(self, created: int) -> None:
        """Begin; ``created`` is in seconds since 1970."""
        self.created = created
        self.stopped: dict[int, Stopped] = {}
        """The choices that policy stopped."""
        self.usage: Usage | None = None
        self._opened: Opened | None = None
        self._finished: dict[int, FinishReason] = {}
        self.stopped_by: str | None = None
        """The text that ended the answer, where one did; see ``Finish``."""

    @override
    def add(self, event: ExchangeEvent) -> bytes:
        match event:
            case Opened():
                self._opened = event
            case Finish():
                self._finished[event.choice] = event.reason
                self.stopped_by = event.stopped_by
            case Usage():
                self.usage = event
            case Stopped():
                self.stopped[event.choice] = event
                return b"" if event.is_error else self.reply(event.reply, event.choice)
            case Closed():
                summary = summary_json(event.summary)
                for stopped in self.stopped.values():
                    if stopped.is_error:
                        raise StoppedError(stopped, summary)
                return self.end(summary)
            case Embedding():
                raise TypeError("a turn of a conversation has no embeddings")
            case _:
                if event.choice in self.stopped:
                    raise RuntimeError("a choice went on after policy stopped it")
                return self.more(event)
        return b""

    @property
    def opened(self) -> Opened:
        """How the exchange began."""
        if self._opened is None:
            raise RuntimeError("an exchange answered before Opened")
        return self._opened

    def reasons(self) -> dict[int, FinishReason]:
        """Why each choice ended, in their order."""
        if not self._finished:
            raise RuntimeError("an answer closed without Finish")
        return dict(sorted(self._finished.items()))

    @abstractmethod
    def more(self, event: Delta) -> bytes:
        """What leaves for more of the answer."""

    @abstractmethod
    def reply(self, text: str, choice: int) -> bytes:
        """What leaves for the persona's own words where policy stopped a choice."""

    @abstractmethod
    def end(self, summary: dict[str, Json]) -> bytes:
        """What leaves at the end."""
