"""What a policy's file says of pictures and files in requests, and of pictures in answers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from app.catalog.document import Node
from app.catalog.wording import unknown
from app.domain.errors import Problem
from app.domain.links import host_pattern
from app.domain.persona import FileModel
from app.domain.policy import Media, MediaBounds, MediaKind

_MAX_BYTES = 100_000_000
_MAX_COUNT = 1_000
_Pictures = Annotated[
    tuple[Literal["image/gif", "image/jpeg", "image/png", "image/webp"], ...], Field(min_length=1)
]


class BoundsFile(FileModel):
    """Which of them a request may hold. No detector looks inside."""

    max_bytes: Annotated[int, Field(ge=1, le=_MAX_BYTES)]
    """Bytes of each one. ``limits.max_body_bytes`` of the deployment bounds the whole request, in
    which four bytes stand for three."""
    max_count: Annotated[int, Field(ge=1, le=_MAX_COUNT)]
    """How many a request may hold, those of earlier turns included."""
    strictest_audience: str
    """The strictest audience that may send them; looser ones may, too."""
    hosts: tuple[Annotated[str, AfterValidator(host_pattern)], ...] = ()
    """Where a provider may fetch them from, over https: hosts by name, or ``*.example.com`` for all
    below one. Empty: from nowhere. The gateway itself fetches nothing."""


class ImagesFile(BoundsFile):
    """Which pictures a request may hold. No detector looks inside."""

    types: _Pictures
    """Media types. What a request declares must be what its first bytes are."""


class FilesFile(BoundsFile):
    """Which files a request may hold. No detector looks inside."""

    types: Annotated[tuple[Literal["application/pdf"], ...], Field(min_length=1)]
    """Media types. What a request declares must be what its first bytes are."""


class AnswerImagesFile(FileModel):
    """Which pictures an answer may hold. No detector looks at what they show."""

    types: _Pictures
    """Media types. What a provider sends must be what its first bytes are."""
    max_bytes: Annotated[int, Field(ge=1, le=_MAX_BYTES)]
    """Bytes of each one."""
    max_count: Annotated[int, Field(ge=1, le=_MAX_COUNT)]
    """How many an answer may hold."""
    strictest_audience: str
    """The strictest audience that may get them; looser ones may, too."""


class AnswersFile(FileModel):
    """What an answer may hold besides text. What is not named here is refused."""

    images: AnswerImagesFile | None = None
    """Pictures; ``null`` refuses those that a parent lets out."""


class MediaFile(FileModel):
    """What a request or an answer may hold besides text. What is not named here is refused."""

    images: ImagesFile | None = None
    """Pictures; ``null`` refuses those that a parent lets in."""
    files: FilesFile | None = None
    """Files; ``null`` refuses those that a parent lets in."""
    answers: AnswersFile = AnswersFile()
    """What an answer may hold."""


def build_media(file: MediaFile) -> Media:
    """What the file means."""
    drawn = file.answers.images
    answers = None if drawn is None else _shared(drawn)
    return Media(_bounds(file.images), _bounds(file.files), answers)


def media_problems(media: Media, audiences: Sequence[str], tree: Node) -> Iterator[Problem]:
    """What is wrong beyond its shape; ``tree`` is that of the whole policy."""
    for kind in MediaKind:
        bounds = media.of(kind)
        if bounds is not None and bounds.strictest_audience not in audiences:
            what = unknown("audience", bounds.strictest_audience, audiences)
            yield tree.nearest("media", *kind.place, "strictest_audience").problem(what)


def _bounds(file: ImagesFile | FilesFile | None) -> MediaBounds | None:
    if file is None:
        return None
    return replace(_shared(file), hosts=frozenset(file.hosts))


def _shared(file: ImagesFile | FilesFile | AnswerImagesFile) -> MediaBounds:
    return MediaBounds(
        types=frozenset(file.types),
        max_bytes=file.max_bytes,
        max_count=file.max_count,
        strictest_audience=file.strictest_audience,
    )
