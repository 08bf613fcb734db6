"""Pictures as providers send them: base64 that begins as a picture of its kind does, or none."""

import binascii
from typing import Final

from app.backends.strict import broken, object_at, refuse_unknown, word_at
from app.domain.conversation import Json
from app.domain.events import ImageDelta
from app.domain.media_types import picture_type

MAX_EVENT_BYTES: Final = 32 * 2**20
"""Of an event of a stream that may hold a picture, which comes as one."""

_IMAGE: Final = frozenset({"type", "image_url", "index"})
_IMAGE_URL: Final = frozenset({"url", "detail"})


def picture(data: str, media_type: str | None, where: str, choice: int = 0) -> ImageDelta:
    """A picture that a provider sent.

    Args:
        data: Base64.
        media_type: What the provider says that it is; ``None`` where it says nothing.
        where: The field that it stands in, for the error.
        choice: Of the answer.

    Raises:
        BackendError: It is no PNG, JPEG, WebP or GIF, or not what the provider says.
    """
    try:
        # Strict: lenient readers skip what is no base64, so that two see different pictures.
        content = binascii.a2b_base64(data, strict_mode=True)
    except (binascii.Error, ValueError):
        raise broken(f"{where}: the provider sent a picture that is not base64") from None
    kind = picture_type(content)
    if kind is None:
        raise broken(f"{where}: the provider sent what is no PNG, JPEG, WebP or GIF")
    if media_type is not None and media_type.lower().replace("image/jpg", "image/jpeg") != kind:
        raise broken(f"{where}: the provider sent another kind of picture than it says")
    return ImageDelta(kind, data, choice)


def from_image_url(image: Json, where: str, choice: int) -> ImageDelta:
    """A picture that stands in an ``image_url``, as OpenRouter and others extend OpenAI's answers.

    Raises:
        BackendError: It is none, or one at an address, which nobody has fetched; or as ``picture``.
    """
    if type(image) is not dict or image.get("type") not in (None, "image_url"):
        raise broken(f"{where}: the provider sent something that is not an image_url")
    refuse_unknown(image, _IMAGE, where)
    source = object_at(image, "image_url", where)
    refuse_unknown(source, _IMAGE_URL, f"{where}.image_url")
    head, comma, data = word_at(source, "url", f"{where}.image_url").partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise broken(f"{where}: the provider sent a picture that does not stand in its answer")
    return picture(data, head.removeprefix("data:").removesuffix(";base64"), where, choice)
