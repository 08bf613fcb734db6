"""OpenAI's embeddings: texts become a ``Conversation`` that wants vectors, and they its answer."""

import base64

import orjson
from typing_extensions import override

from app.api.delivery import Encoder
from app.api.dialect import Body, Dialect, admitted, requested, wishes_of
from app.api.errors import Failure, StoppedError, openai_error
from app.api.openai_embeddings_fields import REQUEST
from app.api.summaries import summary_json
from app.api.transport import JSON
from app.domain.conversation import Conversation, Json, Message, Origin, Role, TextPart
from app.domain.events import Embedding, Finish, Usage
from app.domain.persona import Persona
from app.domain.vectors import numbers
from app.domain.wanted import Embeddings
from app.pipeline.answer import Closed, ExchangeEvent, Opened, Stopped, Summary

DIALECT = "openai_embeddings"
_INPUT = "input"


class OpenAIEmbeddings(Dialect):
    """OpenAI's embeddings."""

    error_body = staticmethod(openai_error)

    @override
    def conversation(self, body: Body, persona: Persona) -> Conversation:
        wanted = requested(body)
        known, passthrough = admitted(REQUEST, body, persona)
        said = known[_INPUT]
        texts = {_INPUT: said} if type(said) is str else _numbered(said)
        parts = tuple(TextPart(text, path) for path, text in texts.items())
        return Conversation(
            persona=wanted.persona,
            variant=wanted.variant,
            dialect=DIALECT,
            messages=(Message(Role.USER, Origin.CLIENT, parts, path=_INPUT),),
            wanted=Embeddings(
                known.get("dimensions"), is_base64=known.get("encoding_format") == "base64"
            ),
            subject=known.get("user"),
            wishes=wishes_of(known),
            passthrough=passthrough,
        )

    @override
    def encoder(self, asked: Conversation, created: int) -> Encoder:
        del created  # this answer does not say when it was made
        wanted = asked.wanted
        return EmbeddingsWhole(as_base64=isinstance(wanted, Embeddings) and wanted.is_base64)


def _numbered(texts: list[str]) -> dict[str, str]:
    return {f"{_INPUT}[{at}]": text for at, text in enumerate(texts)}


class EmbeddingsWhole(Encoder):
    """The answer as one JSON object."""

    content_type = JSON

    def __init__(self, *, as_base64: bool) -> None:
        """Begin; vectors are written as lists of numbers, or as their bytes in base64."""
        self._as_base64 = as_base64
        self._data: list[Json] = []
        self._usage: dict[str, Json] | None = None
        self._stopped: Stopped | None = None

    @override
    def add(self, event: ExchangeEvent) -> bytes:
        match event:
            case Embedding():
                # Written one by one, so that others have their turn in between.
                self._data.append(orjson.Fragment(orjson.dumps(self._written(event))))
            case Usage():
                count = event.input_tokens
                self._usage = {"prompt_tokens": count, "total_tokens": count}
            case Stopped():
                self._stopped = event
            case Opened() | Finish():
                pass
            case Closed():
                return self._end(event.summary)
            case _:
                raise TypeError("an answer of vectors has nothing else")
        return b""

    @override
    def error(self, failed: Failure, request_id: str) -> bytes:
        raise RuntimeError("an answer of vectors leaves whole, or not at all")

    def _written(self, event: Embedding) -> dict[str, Json]:
        vector: Json = (
            base64.b64encode(event.vector).decode() if self._as_base64 else numbers(event.vector)
        )
        return {"object": "embedding", "index": event.index, "embedding": vector}

    def _end(self, summary: Summary) -> bytes:
        about = summary_json(summary)
        if self._stopped is not None:
            raise StoppedError(self._stopped, about)
        return orjson.dumps(
            {
                "object": "list",
                "data": self._data,
                "model": summary.persona,
                "usage": self._usage,
                "banneton": about,
            }
        )
