"""OpenAI's images: a text becomes a ``Conversation`` that wants pictures, and they its answer."""

from collections.abc import Iterator
from typing import ClassVar

import orjson
from typing_extensions import override

from app.api.compound import Object
from app.api.delivery import Encoder
from app.api.dialect import Body, Dialect, admitted, contradiction, requested, wishes_of
from app.api.errors import Failure, StoppedError, openai_error
from app.api.media_fields import source_of
from app.api.openai_images_fields import EDIT, GENERATE
from app.api.summaries import summary_json
from app.api.transport import JSON
from app.domain.conversation import (
    Conversation,
    ImagePart,
    Json,
    Message,
    Origin,
    Part,
    Role,
    TextPart,
)
from app.domain.decision import Outcome
from app.domain.events import Finish, FinishReason, ImageDelta, Usage
from app.domain.persona import Persona
from app.domain.wanted import Pictures
from app.pipeline.answer import Closed, ExchangeEvent, Opened, Stopped, Summary

_AUTO = "auto"


class OpenAIImages(Dialect):
    """Pictures of what a text says."""

    error_body = staticmethod(openai_error)
    name: ClassVar[str] = "openai_images"
    table: ClassVar[Object] = GENERATE

    @override
    def conversation(self, body: Body, persona: Persona) -> Conversation:
        asked = requested(body)
        known, passthrough = admitted(self.table, body, persona)
        said: tuple[Part, ...] = (TextPart(known["prompt"], "prompt"), *_shown(known))
        return Conversation(
            persona=asked.persona,
            variant=asked.variant,
            dialect=self.name,
            messages=(Message(Role.USER, Origin.CLIENT, said, path="prompt"),),
            wanted=_wanted(known),
            subject=known.get("user"),
            wishes=wishes_of(known),
            passthrough=passthrough,
        )

    @override
    def encoder(self, asked: Conversation, created: int) -> Encoder:
        return ImagesWhole(created)


class OpenAIImageEdits(OpenAIImages):
    """Pictures of what other pictures show, changed as a text says."""

    name: ClassVar[str] = "openai_image_edits"
    table: ClassVar[Object] = EDIT

    @override
    def conversation(self, body: Body, persona: Persona) -> Conversation:
        made = super().conversation(body, persona)
        if body.get("image") is not None and body.get("images") is not None:
            contradiction("images", "goes without 'image'")
        if body.get("image") is None and body.get("images") is None:
            contradiction("image", "is required")
        return made


def _shown(known: Body) -> Iterator[ImagePart]:
    """The pictures that a request shows; the mask comes last."""
    for name in ("image", "images"):
        shown = known.get(name)
        if type(shown) is list:
            for at, value in enumerate(shown):
                yield _picture(value, f"{name}[{at}]")
        elif shown is not None:
            yield _picture(shown, name)
    if known.get("mask") is not None:
        yield _picture(known["mask"], "mask")


def _picture(value: Json, path: str) -> ImagePart:
    if type(value) is dict:
        return ImagePart(source_of(value["image_url"]), f"{path}.image_url")
    return ImagePart(source_of(value), path)


def _wanted(known: Body) -> Pictures:
    form = known.get("output_format")
    return Pictures(
        count=known.get("n") or 1,
        size=_said(known, "size"),
        quality=_said(known, "quality"),
        background=_said(known, "background"),
        media_type=None if form is None else f"image/{form}",
        compression=known.get("output_compression"),
        fidelity=known.get("input_fidelity"),
        has_mask=known.get("mask") is not None,
    )


def _said(known: Body, name: str) -> str | None:
    said: str | None = known.get(name)
    return None if said == _AUTO else said


class ImagesWhole(Encoder):
    """The answer as one JSON object."""

    content_type = JSON

    def __init__(self, created: int) -> None:
        """Begin; ``created`` is in seconds since 1970."""
        self._created = created
        self._data: list[Json] = []
        self._usage: dict[str, Json] | None = None
        self._stopped: Stopped | None = None

    @override
    def add(self, event: ExchangeEvent) -> bytes:
        match event:
            case ImageDelta():
                self._data.append({"b64_json": event.data})
            case Usage():
                self._usage = {
                    "input_tokens": event.input_tokens,
                    "output_tokens": event.output_tokens,
                    "total_tokens": event.input_tokens + event.output_tokens,
                }
            case Stopped():
                self._stopped = event
            case Finish(reason=FinishReason.CONTENT_FILTER) if self._stopped is None:
                what = "The model's side stopped this request."
                self._stopped = Stopped(Outcome.BLOCK, what, is_error=True)
            case Opened() | Finish():
                pass
            case Closed():
                return self._end(event.summary)
            case _:
                raise TypeError("an answer of pictures has nothing else")
        return b""

    @override
    def error(self, failed: Failure, request_id: str) -> bytes:
        raise RuntimeError("an answer of pictures leaves whole, or not at all")

    def _end(self, summary: Summary) -> bytes:
        about = summary_json(summary)
        if self._stopped is not None:
            raise StoppedError(self._stopped, about)
        made: dict[str, Json] = {"created": self._created, "data": self._data}
        if self._usage is not None:
            made["usage"] = self._usage
        return orjson.dumps(made | {"banneton": about})
