"""From the error tree to HTTP: status codes, and the error objects of the vendors.

Nothing here quotes what a user wrote: messages are ours, or those of ``RequestError`` and
``AccessError``, which promise the same.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import assert_never

import orjson

from app.domain.conversation import Json
from app.domain.decision import Outcome
from app.domain.errors import (
    AccessError,
    AccessProblem,
    BackendError,
    BackendProblem,
    DetectorError,
    ImageRefusedError,
    LedgerError,
    RequestError,
)
from app.pipeline.answer import Stopped

RawHeaders = list[tuple[bytes, bytes]]

_INVALID = "invalid_request_error"
_SERVER = "server_error"


class StoppedError(Exception):
    """Policy stopped an exchange whose persona wants an error object instead of a reply."""

    def __init__(self, stopped: Stopped, summary: dict[str, Json]) -> None:
        super().__init__(stopped.outcome)
        self.stopped = stopped
        self.summary = summary


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as the caller gets it."""

    status: int
    message: str
    type: str
    code: str
    param: str | None = None
    retry_after_s: float | None = None
    may_retry: bool = True
    """Whether the same request may go better later; SDKs retry by status unless told."""
    summary: dict[str, Json] | None = None
    """What the exchange says about itself, where there was one."""

    def headers(self) -> RawHeaders:
        """What goes with the status."""
        made: RawHeaders = []
        if self.retry_after_s is not None:
            made.append((b"retry-after", str(max(0, math.ceil(self.retry_after_s))).encode()))
        if not self.may_retry:
            made.append((b"x-should-retry", b"false"))
        if self.status == HTTPStatus.UNAUTHORIZED:
            made.append((b"www-authenticate", b"Bearer"))
        return made


def openai_error(failed: Failure, _request_id: str) -> bytes:
    """The error object of the OpenAI dialects."""
    error = {
        "message": failed.message,
        "type": failed.type,
        "param": failed.param,
        "code": failed.code,
    }
    made: dict[str, Json] = {"error": error}
    if failed.summary is not None:
        made["banneton"] = failed.summary
    return orjson.dumps(made)


_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
"""By status; of the others, those from 500 are ``api_error`` and those below are the caller's."""


def anthropic_error(failed: Failure, request_id: str) -> bytes:
    """The error object of Anthropic's dialects."""
    other = _INVALID if failed.status < HTTPStatus.INTERNAL_SERVER_ERROR else "api_error"
    error = {
        "type": _ANTHROPIC_TYPES.get(failed.status, other),
        "message": failed.message,
        "details": {"error_code": failed.code, "param": failed.param},
    }
    made: dict[str, Json] = {"type": "error", "error": error, "request_id": request_id}
    if failed.summary is not None:
        made["banneton"] = failed.summary
    return orjson.dumps(made)


ErrorBody = Callable[[Failure, str], bytes]
"""Writes a failure, and the id of the request, as a dialect's error object."""

_REQUEST_STATUS = {
    "model_not_found": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "timeout": 408,
    "conflict": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
}
"""By code; every other is 400."""

_BACKEND = {
    BackendProblem.CONNECT: Failure(
        502, "The model's side cannot be reached; try again later.", _SERVER, "backend_connect"
    ),
    BackendProblem.TIMEOUT: Failure(
        504,
        "The model's side took too long; try again, or ask for less.",
        _SERVER,
        "backend_timeout",
    ),
    BackendProblem.RATE_LIMITED: Failure(
        429, "The model's side is busy; try again later.", "rate_limit_error", "rate_limit_exceeded"
    ),
    BackendProblem.UNAUTHORIZED: Failure(
        502,
        "The model's side does not accept this gateway's credentials; tell whoever runs it.",
        _SERVER,
        "backend_unauthorized",
        may_retry=False,
    ),
    BackendProblem.REJECTED: Failure(
        400,
        "The model's side refuses this request; change it: the same again would be refused too.",
        _INVALID,
        "backend_rejected",
        may_retry=False,
    ),
    BackendProblem.FAILED: Failure(
        502, "The model's side failed; try again later.", _SERVER, "backend_failed"
    ),
    BackendProblem.BROKEN: Failure(
        502,
        "The model's side sent what cannot be read; try again, and tell whoever runs the gateway.",
        _SERVER,
        "backend_broken",
    ),
}


def failure(exc: Exception, request_id: str) -> Failure:
    """What the caller gets for this error."""
    match exc:
        case RequestError():
            status = _REQUEST_STATUS.get(exc.code, 400)
            return Failure(status, exc.message, _INVALID, exc.code, exc.param)
        case AccessError():
            return _access(exc)
        case BackendError():
            known = _BACKEND[exc.problem]
            return Failure(
                known.status,
                known.message,
                known.type,
                known.code,
                retry_after_s=exc.retry_after_s,
                may_retry=known.may_retry,
            )
        case ImageRefusedError():
            what = (
                "The model drew an image that this persona's policy does not let out; ask for text."
            )
            return Failure(502, what, _SERVER, exc.problem, may_retry=False)
        case StoppedError():
            return _stopped(exc)
        case _:
            return _ours(exc, request_id)


def _access(exc: AccessError) -> Failure:
    match exc.problem:
        case AccessProblem.MISSING:
            return Failure(401, exc.message, "authentication_error", "missing_api_key")
        case AccessProblem.INVALID:
            return Failure(401, exc.message, "authentication_error", "invalid_api_key")
        case AccessProblem.FORBIDDEN:
            return Failure(403, exc.message, "permission_error", "forbidden")
        case AccessProblem.CLAIM:
            return Failure(401, exc.message, "authentication_error", "invalid_claim")
        case AccessProblem.UNAVAILABLE:
            return Failure(503, exc.message, _SERVER, "claims_unavailable")
        case _ as never:
            assert_never(never)


def _ours(exc: Exception, request_id: str) -> Failure:
    if isinstance(exc, LedgerError):
        what = "The record of this request cannot be kept, so it is not served; try again later."
        return Failure(503, what, _SERVER, "ledger_unavailable")
    if isinstance(exc, DetectorError):
        what = "A check cannot run, so the request is not served; try again later."
        return Failure(503, what, _SERVER, "detector_unavailable")
    what = f"Something went wrong here. Tell whoever runs the gateway: request {request_id}."
    return Failure(500, what, _SERVER, "internal_error")


def _stopped(exc: StoppedError) -> Failure:
    reply = exc.stopped.reply
    if exc.stopped.outcome is Outcome.UNCHECKED:
        return Failure(503, reply, _SERVER, "unchecked", summary=exc.summary)
    return Failure(400, reply, _INVALID, "content_filter", may_retry=False, summary=exc.summary)
