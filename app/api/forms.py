"""Requests that come as a form with files: made into what the same request is in JSON.

Of a file its bytes count, as a data URL; its name is the sender's, and nobody reads it.
"""

import base64
from collections.abc import Iterator
from functools import partial

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from app.api.compound import Object
from app.api.openai_images_fields import Shown
from app.api.shapes import Flag, Number, Only, Shape
from app.api.transport import Call
from app.domain.conversation import Json
from app.domain.errors import RequestError
from app.domain.media_types import picture_type

_FORM = "multipart/form-data"
_MOST_PARTS = 64
_MOST_FIELD_BYTES = 256 * 1024
"""Of a field that is no file: several times the longest prompt."""


async def form_or_json(table: Object, call: Call) -> dict[str, Json]:
    """The body, as JSON or as a form.

    Args:
        table: Says which fields of a form are lists, numbers or truth values; others are text.
        call: The request.

    Raises:
        RequestError: It is neither, too long or too slow.
        ClientGoneError: The client left before the end of it.
    """
    content_type = call.header(b"content-type") or ""
    if content_type.partition(";")[0].strip().lower() != _FORM:
        return await call.json_object()
    if call.header(b"origin") is not None:
        # Any web page may have a browser post a form, to a gateway on this machine too, and is not
        # asked; browsers say where such a form comes from.
        what = "A web page cannot send this as a form; send JSON."
        raise RequestError(what, code="unsupported_media_type")
    body = await call.body()
    return await call.made(partial(form_fields, body, content_type, table))


def form_fields(body: bytes, content_type: str, table: Object) -> dict[str, Json]:
    """The fields of a form.

    Raises:
        RequestError: It is none, or says a field twice; nothing of it is quoted.
    """
    made: dict[str, Json] = {}
    try:
        for part, content in _parts(body, content_type):
            name = part.name.removesuffix("[]")
            is_file = part.filename is not None
            _put(made, name, _data_url(content) if is_file else _text(content), table)
    except MultipartError:
        what = "The body is not a form as RFC 7578 has it."
        raise RequestError(what, code="invalid_form") from None
    return made


def _parts(body: bytes, content_type: str) -> Iterator[tuple[MultipartSegment, bytes]]:
    """Each part with its content."""
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    with PushMultipartParser(boundary, max_segment_count=_MOST_PARTS, strict=True) as parser:
        part, pieces = None, list[bytes]()
        for event in parser.parse(body):
            if isinstance(event, MultipartSegment):
                part, pieces = event, []
            elif event is not None:
                pieces.append(bytes(event))
            elif part is not None:
                yield part, b"".join(pieces)


def _put(made: dict[str, Json], name: str, value: str, table: Object) -> None:
    outer, bracket, inner = name.partition("[")
    shape = table.fields.get(outer)
    place, key = made, name
    if bracket and inner.endswith("]") and isinstance(shape, Object):
        # As OpenAI's clients write an object: banneton[audience].
        place, key = made.setdefault(outer, {}), inner[:-1]
        shape = shape.fields.get(key)
    if isinstance(shape, Shown) and shape.most > 1:
        place.setdefault(key, []).append(value)
        return
    if key in place:
        raise RequestError("The form says a field twice; say it once.", code="invalid_form")
    place[key] = _typed(shape, value)


def _text(content: bytes) -> str:
    if len(content) > _MOST_FIELD_BYTES:
        raise RequestError("A field of the form is too long; shorten it.", code="too_large")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise RequestError(
            "A field of the form is not UTF-8; send it as UTF-8.", code="invalid_form"
        ) from None


def _typed(shape: Shape | None, text: str) -> Json:
    """A field as the table wants it; what does not fit stays text, which the table refuses."""
    is_flag = isinstance(shape, Flag) or (isinstance(shape, Only) and type(shape.value) is bool)
    if is_flag and text in {"true", "false"}:
        return text == "true"
    is_number = isinstance(shape, Number) or (isinstance(shape, Only) and type(shape.value) is int)
    if is_number and text.isascii() and text.isdecimal() and len(text) < len(str(2**63)):
        return int(text)
    return text


def _data_url(content: bytes) -> str:
    kind = picture_type(content)
    if kind is None:
        what = "A file of the form is no PNG, JPEG, WebP or GIF."
        raise RequestError(what, code="invalid_value")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
