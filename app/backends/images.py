"""Pictures of texts, as OpenAI's protocol and Gemini's have them.

Of an answer only pictures and counts are taken; words beside them, such as the prompt as the model
rewrote it, go nowhere.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NoReturn
from urllib.parse import quote

from app.backends.gemini_request import gemini_request
from app.backends.http import Request
from app.backends.pictures import picture
from app.backends.strict import (
    broken,
    count_at,
    decoded,
    list_at,
    object_at,
    refuse_unknown,
    text_at,
    wrong,
)
from app.backends.turns import encoded, refuse_foreign_passthrough
from app.domain.conversation import (
    Conversation,
    ImagePart,
    Inline,
    Json,
    Origin,
    Role,
    Sampling,
    TextPart,
)
from app.domain.data_use import over
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.events import Finish, FinishReason, ImageDelta, StreamEvent, Usage
from app.domain.wanted import Pictures

# What is named here and not read holds no text but `revised_prompt`, which nobody asked for.
_ANSWER: Final = frozenset(
    {"created", "data", "usage", "error"}
    | {"background", "output_format", "quality", "size", "safety_identifier", "svg_usage"}
    | {"id", "model", "object"}  # compatible servers
    | {"content_filter_results", "prompt_filter_results"}  # Azure
)
_PICTURE: Final = frozenset(
    {"b64_json", "revised_prompt", "url"}
    | {"index", "object", "type"}  # compatible servers
    | {"content_filter_results", "prompt_filter_results"}  # Azure
)


def openai_image_request(
    conversation: Conversation, wanted: Pictures, model: str, switches: Mapping[str, Json]
) -> Request:
    """A request for pictures, by OpenAI's protocol: an edit, where it shows some.

    Args:
        conversation: Holds the prompt.
        wanted: Which pictures.
        model: The model's name.
        switches: Fields that forbid the provider uses of it.

    Raises:
        RequestError: The conversation holds what this protocol cannot carry.
    """
    prompt, shown = _said(conversation)
    fields: dict[str, Json] = {
        "model": model,
        "prompt": prompt,
        "n": None if wanted.count == 1 else wanted.count,
        "size": wanted.size,
        "quality": wanted.quality,
        "background": wanted.background,
        "output_format": wanted.media_type and wanted.media_type.removeprefix("image/"),
        "output_compression": wanted.compression,
        "input_fidelity": wanted.fidelity,
    }
    said = {name: value for name, value in fields.items() if value is not None}
    if not shown:
        refuse_foreign_passthrough(conversation, "openai_images")
        return Request(
            "/images/generations", encoded(over(conversation.passthrough, {**said, **switches}))
        )
    # A form has no place for what is no text.
    refuse_foreign_passthrough(conversation, "")
    if switches:
        _refuse(
            "image", "this persona's provider cannot be told in a form what it may not do with it"
        )
    body, content_type = _form(said, shown, has_mask=wanted.has_mask)
    return Request("/images/edits", body, content_type)


def openai_image_answer(wanted: Pictures, body: bytes) -> list[StreamEvent]:
    """The events of an answer with pictures.

    Raises:
        BackendError: It is no such answer, or it reports an error.
    """
    answer = decoded(body)
    if answer.get("error"):
        raise BackendError(BackendProblem.FAILED, "the provider reports an error in its answer")
    refuse_unknown(answer, _ANSWER, "")
    made = [_picture(item) for item in list_at(answer, "data", "")]
    if not 1 <= len(made) <= wanted.count:
        raise broken(f"the provider gave {len(made)} pictures where {wanted.count} were wanted")
    events: list[StreamEvent] = [*made, Finish(FinishReason.STOP)]
    if answer.get("usage") is not None:
        usage = object_at(answer, "usage", "")
        counts = (count_at(usage, f"{way}_tokens", "usage") for way in ("input", "output"))
        events.append(Usage(*counts))
    return events


def gemini_image_request(conversation: Conversation, wanted: Pictures, model: str) -> Request:
    """A request for a picture, by Gemini's protocol.

    Raises:
        RequestError: The conversation holds what this protocol cannot carry.
    """
    for name, value in (
        ("n", None if wanted.count == 1 else wanted.count),
        ("size", wanted.size),
        ("quality", wanted.quality),
        ("background", wanted.background),
        ("output_format", wanted.media_type),
        ("output_compression", wanted.compression),
        ("input_fidelity", wanted.fidelity),
        ("mask", wanted.has_mask or None),
    ):
        if value is not None:
            _refuse(name, "this persona's provider has no such field; say it in the prompt")
    # How a persona samples its words says nothing about pictures, which count as many tokens.
    plain = replace(conversation, sampling=Sampling())
    path = f"/models/{quote(model, safe='')}:generateContent"
    return Request(path, gemini_request(plain))


def only_pictures(events: Sequence[StreamEvent]) -> list[StreamEvent]:
    """An answer that a model gave in words and pictures, without the words.

    Raises:
        BackendError: There is no picture in it, and no filter stopped it.
    """
    kept: list[StreamEvent] = [
        event for event in events if isinstance(event, ImageDelta | Finish | Usage)
    ]
    stopped = Finish(FinishReason.CONTENT_FILTER) in kept
    if not stopped and not any(isinstance(event, ImageDelta) for event in kept):
        raise BackendError(BackendProblem.FAILED, "the model answered without a picture")
    return kept


def _said(conversation: Conversation) -> tuple[str, list[Inline]]:
    """The prompt, with the persona's words first, and the pictures that it shows."""
    texts: list[str] = []
    shown: list[Inline] = []
    for message in conversation.messages:
        if message.role is Role.SYSTEM and message.origin is not Origin.PERSONA:
            _refuse("prompt", "pictures are made of one text")
        for part in message.parts:
            if isinstance(part, TextPart):
                texts.append(part.text)
            elif isinstance(part, ImagePart) and isinstance(part.source, Inline):
                shown.append(part.source)
            else:
                _refuse("prompt", "pictures are made of a text and of pictures in the request")
    return "\n\n".join(texts), shown


def _form(fields: dict[str, Json], shown: Sequence[Inline], *, has_mask: bool) -> tuple[bytes, str]:
    """Fields and pictures as a form, and its media type."""
    files = [("image[]", each) for each in (shown[:-1] if has_mask else shown)]
    if has_mask:
        files.append(("mask", shown[-1]))
    pieces = [*_texts(fields), *_files(files)]
    # Of what it bounds, so that no picture can hold it.
    mark = hashlib.sha256(b"\n".join(pieces)).hexdigest().encode()
    body = b"".join(b"--%b\r\n%b\r\n" % (mark, piece) for piece in pieces)
    return body + b"--%b--\r\n" % mark, f"multipart/form-data; boundary={mark.decode()}"


def _texts(fields: dict[str, Json]) -> Iterator[bytes]:
    for name, value in fields.items():
        head = f'Content-Disposition: form-data; name="{name}"\r\n\r\n'
        try:
            yield f"{head}{value}".encode()
        except UnicodeEncodeError:
            _refuse("prompt", "holds something that no text can carry, such as half a character")


def _files(files: Sequence[tuple[str, Inline]]) -> Iterator[bytes]:
    for at, (name, source) in enumerate(files):
        ending = source.media_type.removeprefix("image/")
        head = (
            f'Content-Disposition: form-data; name="{name}"; filename="{at}.{ending}"\r\n'
            f"Content-Type: {source.media_type}\r\n\r\n"
        )
        yield head.encode() + base64.b64decode(source.data)


def _picture(item: Json) -> ImageDelta:
    if type(item) is not dict:
        raise wrong("", "data[]", "an object")
    refuse_unknown(item, _PICTURE, "data[]")
    data = text_at(item, "b64_json", "data[]")
    if not data:
        raise broken("data[]: the provider sent a picture that does not stand in its answer")
    return picture(data, None, "data[].b64_json")


def _refuse(name: str, why: str) -> NoReturn:
    raise RequestError(f"{name}: {why}", param=name, code="unsupported")
