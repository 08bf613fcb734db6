"""Which images of an answer leave. Nothing looks at what they show; policy bounds the rest."""

from app.domain.errors import ImageProblem, ImageRefusedError
from app.domain.events import ImageDelta
from app.domain.policy import MediaBounds


class Images:
    """The images of one answer."""

    def __init__(self, allowed: MediaBounds | None) -> None:
        """Begin an answer.

        Args:
            allowed: Which may leave; none where policy lets none out.
        """
        self._allowed = allowed
        self._count = 0

    def admit(self, image: ImageDelta) -> None:
        """Let the next image in.

        Raises:
            ImageRefusedError: Policy does not let it out.
        """
        allowed = self._allowed
        self._count += 1
        if allowed is None:
            raise ImageRefusedError(ImageProblem.NOT_ALLOWED)
        if image.media_type not in allowed.types:
            raise ImageRefusedError(ImageProblem.TYPE)
        if image.size_bytes > allowed.max_bytes:
            raise ImageRefusedError(ImageProblem.TOO_LARGE)
        if self._count > allowed.max_count:
            raise ImageRefusedError(ImageProblem.TOO_MANY)
