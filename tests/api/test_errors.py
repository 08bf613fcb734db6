"""From the error tree to HTTP."""

from http import HTTPStatus
from typing import get_args

import orjson
import pytest
from anthropic.types.shared.error_type import ErrorType

from app.api.errors import ErrorBody, Failure, anthropic_error, failure, openai_error
from app.domain.errors import (
    AccessError,
    AccessProblem,
    BackendError,
    BackendProblem,
    BannetonError,
    ContentError,
    FieldRefusedError,
    RequestError,
)


def _all(kind: type[BannetonError]) -> set[type[BannetonError]]:
    return {kind, *(one for inner in kind.__subclasses__() for one in _all(inner))}


def test_every_backend_problem_and_access_problem_has_a_status() -> None:
    """A new kind of failure has no status, and its error fails in turn."""
    for backend in BackendProblem:
        assert failure(BackendError(backend, "x"), "r").status in {400, 429, 502, 504}
    for access in AccessProblem:
        statuses = {503} if access is AccessProblem.UNAVAILABLE else {401, 403}
        assert failure(AccessError(access, "x"), "r").status in statuses


every_form = pytest.mark.parametrize("write", [openai_error, anthropic_error])


@every_form
@pytest.mark.parametrize("problem", BackendProblem)
def test_what_a_provider_said_stays_inside(write: ErrorBody, problem: BackendProblem) -> None:
    """An error of the model's side shows addresses or what the provider wrote."""
    failed = failure(BackendError(problem, "http://10.0.0.7 says boo", status=401), "r")
    assert b"10.0.0.7" not in write(failed, "r")
    assert failed.status != 401


@every_form
def test_unknown_errors_tell_the_request_id_alone(write: ErrorBody) -> None:
    """A bug, or a mistake in a file, is described to callers."""
    for error in (ValueError("secret"), ContentError([]), BannetonError("secret")):
        failed = failure(error, "req_9")
        assert failed.status == 500
        assert b"secret" not in write(failed, "r")
        assert "req_9" in failed.message


def test_request_errors_name_their_field() -> None:
    """A caller is not told which field to mend."""
    body = orjson.loads(openai_error(failure(FieldRefusedError("a.b", "no"), "r"), "r"))
    assert body == {
        "error": {
            "message": "a.b: no",
            "type": "invalid_request_error",
            "param": "a.b",
            "code": "field_refused",
        }
    }
    assert failure(RequestError("x", code="model_not_found"), "r").status == 404


@pytest.mark.parametrize("status", [one for one in HTTPStatus if one >= HTTPStatus.BAD_REQUEST])
def test_anthropics_errors_have_a_type_that_its_clients_know(status: int) -> None:
    """A client that goes by the type of an error takes one for another, or for none."""
    body = orjson.loads(anthropic_error(Failure(status, "m", "t", "c", "p"), "r"))
    kind = body["error"].pop("type")
    assert body == {
        "type": "error",
        "error": {"message": "m", "details": {"error_code": "c", "param": "p"}},
        "request_id": "r",
    }
    # The vendor documents this one, and its package does not list it.
    assert kind in {*get_args(ErrorType), "request_too_large"}
    by_status = {400: "invalid_request_error", 401: "authentication_error"}
    by_status |= {403: "permission_error", 404: "not_found_error", 413: "request_too_large"}
    by_status |= {429: "rate_limit_error", 500: "api_error", 502: "api_error", 503: "api_error"}
    assert kind == by_status.get(status, kind)
