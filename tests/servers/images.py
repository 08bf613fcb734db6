"""What a provider of pictures is asked, and says."""

from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Final

import orjson
import typing_extensions
from openai.types.image_edit_params import ImageEditParamsNonStreaming

Json = Any

PIXEL: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
"""A picture, base64."""
_EDIT: Final = frozenset(typing_extensions.get_type_hints(ImageEditParamsNonStreaming))


def pictures(*data: str, counts: tuple[int, int] | None = (7, 3), **more: Json) -> bytes:
    """An answer with pictures, as the vendor writes it."""
    body: Json = {"created": 1_790_000_000, "data": [{"b64_json": one} for one in data], **more}
    if counts is not None:
        body["usage"] = {
            "input_tokens": counts[0],
            "output_tokens": counts[1],
            "total_tokens": sum(counts),
            "input_tokens_details": {"image_tokens": 0, "text_tokens": counts[0]},
        }
    return orjson.dumps(body)


def form(raw: bytes, content_type: str) -> Json:
    """The fields of a form, by a reader that is not the gateway's; files by name as a list."""
    head = f"content-type: {content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + raw)
    made: Json = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content: Any = part.get_payload(decode=True)
        if part.get_filename() is None:
            assert name not in made
            made[name] = content.decode()
        else:
            made.setdefault(name, []).append((part.get_content_type(), content))
    return made


def edit_problems(body: Json) -> list[str]:
    """What the vendor would refuse of a form."""
    found = [f"{name} is no field" for name in body if name.removesuffix("[]") not in _EDIT]
    if not body.get("image[]") or not body.get("prompt"):
        found.append("image and prompt are required")
    return found + ["mask must be one file"] * (len(body.get("mask", [0])) != 1)
