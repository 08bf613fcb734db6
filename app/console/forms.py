"""Forms that pages send."""

import asyncio
from collections.abc import Mapping
from io import BytesIO

from multipart import MultipartPart, parse_form_data
from starlette.requests import ClientDisconnect, Request

from app.domain.errors import RequestError

_MAX_BYTES = 4_000_000
_MAX_FIELDS = 500
_PATIENCE_S = 30


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form by name, the last one where a name is there twice; files as text.

    Raises:
        RequestError: It is too long or too slow, or no form.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            body = await _body(request)
    except TimeoutError:
        raise RequestError("The form came too slowly.", code="timeout") from None
    except ClientDisconnect:
        raise RequestError("The form was cut off.", code="timeout") from None
    return form_fields(body, request.headers.get("content-type", ""))


async def _body(request: Request) -> bytes:
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > _MAX_BYTES:
            what = f"The form is longer than {_MAX_BYTES} bytes."
            raise RequestError(what, code="too_large")
    return bytes(found)


def form_fields(body: bytes, content_type: str) -> dict[str, str]:
    """The fields of a form's bytes.

    Raises:
        RequestError: It is no form, or not in UTF-8.
    """
    environ: Mapping[str, object] = {
        "wsgi.input": BytesIO(body),
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
    }
    bounds = dict.fromkeys(("memory_limit", "disk_limit", "spool_limit"), _MAX_BYTES)
    try:
        fields, files = parse_form_data(
            environ, strict=True, part_limit=_MAX_FIELDS, buffer_size=65_536, **bounds
        )
        found: dict[str, str] = dict(fields.iterallitems())
        file: MultipartPart
        for name, file in files.iterallitems():
            found[name] = file.raw.decode()
            file.close()
    except (ValueError, LookupError):  # the library's own errors are of the first kind
        what = "The form cannot be read: it is no form, too long, or not in UTF-8."
        raise RequestError(what) from None
    return found
