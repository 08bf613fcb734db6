"""The error tree. Messages say where, what and what to do; never the user's text or a key.

BannetonError
├── ContentError      files that people write are wrong (catalog, banneton.yaml, cases)
├── RequestError      the caller asked for something we cannot do
│   └── FieldRefusedError   a field of the wire format that policy does not let through
├── AccessError       no key or claim, a wrong one, or one that may not
├── BackendError      the model's side failed
├── ImageRefusedError  the model answered with an image that policy does not let out
├── LedgerError       a record could not be kept
├── DatasetError      a data set could not be made, written or read
└── DetectorError     a detector could not be built or could not run
A block is a ``Decision``, not an error. HTTP status codes live in ``app.api.errors``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from typing_extensions import override


class BannetonError(Exception):
    """Anything that Banneton raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a file that a person wrote."""

    file: str
    """Path relative to the project's root, with ``/``."""
    line: int
    """Counted from 1; 0 where no line applies."""
    column: int
    """Counted from 1; 0 where no column applies."""
    path: str
    """Where in the file's structure, as ``rules[2].then``; empty for the whole file."""
    what: str
    """What is wrong and what to do."""

    @override
    def __str__(self) -> str:
        where = self.file
        if self.line:
            where += f":{self.line}:{self.column}"
        return f"{where}: {self.path + ': ' if self.path else ''}{self.what}"


class ContentError(BannetonError):
    """Files are wrong: all problems of all files at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class RequestError(BannetonError):
    """The caller asked for something we cannot do."""

    def __init__(
        self, message: str, *, param: str | None = None, code: str = "invalid_request"
    ) -> None:
        self.message = message
        self.param = param
        self.code = code
        super().__init__(message)


class FieldRefusedError(RequestError):
    """A field of the wire format that the coverage table does not let through."""

    def __init__(self, field: str, reason: str, *, code: str = "field_refused") -> None:
        super().__init__(f"{field}: {reason}", param=field, code=code)


class AccessProblem(StrEnum):
    """Why access was refused."""

    MISSING = "missing"
    INVALID = "invalid"
    FORBIDDEN = "forbidden"
    CLAIM = "claim"
    """The signed claim is missing where there must be one, or does not count."""
    UNAVAILABLE = "unavailable"
    """Whether the signed claim counts cannot be told now."""


class AccessError(BannetonError):
    """No key or claim, a wrong one, or one that may not do this."""

    def __init__(self, problem: AccessProblem, message: str) -> None:
        self.problem = problem
        self.message = message
        super().__init__(message)


class BackendProblem(StrEnum):
    """How the model's side failed."""

    CONNECT = "connect"
    """No connection, or it took too long."""
    TIMEOUT = "timeout"
    """Connected, but the first token, the next one or the end came too late."""
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    """The provider refuses the gateway's own credentials."""
    REJECTED = "rejected"
    """The provider refuses the request (4xx)."""
    FAILED = "failed"
    """The provider failed (5xx, or an error inside the stream)."""
    BROKEN = "broken"
    """The provider's bytes do not follow its protocol, or the stream ended too early."""


class BackendError(BannetonError):
    """The model's side failed. ``message`` never quotes what the provider sent."""

    def __init__(
        self,
        problem: BackendProblem,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.problem = problem
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(message)


class ImageProblem(StrEnum):
    """Why policy does not let an image out."""

    NOT_ALLOWED = "image_not_allowed"
    """Policy lets none out, or none for this audience."""
    TYPE = "image_type"
    """Not of the media types that policy lets out."""
    TOO_LARGE = "image_too_large"
    """Larger than policy lets out."""
    TOO_MANY = "too_many_images"
    """More in one answer than policy lets out."""


class ImageRefusedError(BannetonError):
    """The model answered with an image that policy does not let out."""

    def __init__(self, problem: ImageProblem) -> None:
        self.problem = problem
        super().__init__(f"policy does not let this image of the model out: {problem}")


class LedgerError(BannetonError):
    """A record, key or pseudonym could not be kept or read."""


class DatasetError(BannetonError):
    """A data set could not be made, written or read."""


class DetectorError(BannetonError):
    """A detector could not be built from its settings, or could not run."""

    def __init__(self, message: str, *, path: tuple[str | int, ...] = ()) -> None:
        self.path = path
        """Which of its settings is wrong, as ``("patterns", 0, "regex")``; empty for all."""
        super().__init__(message)
