"""How answers fail, stop and are held back, over a real socket."""

import time

import httpx2
import openai
import pytest
from openai import OpenAI

from app.domain.decision import Outcome
from app.domain.errors import (
    AccessError,
    AccessProblem,
    BackendError,
    BackendProblem,
    DetectorError,
    LedgerError,
    RequestError,
)
from app.domain.events import (
    Finish,
    FinishReason,
    TextDelta,
)
from app.pipeline.answer import Stopped
from tests.api.asking import HELLO, ask, ask_stream
from tests.api.scripted import (
    Pause,
    Served,
    Step,
    closed,
    opened,
    plain_script,
)

FAILURES = [
    (AccessError(AccessProblem.MISSING, "No key."), openai.AuthenticationError, "missing_api_key"),
    (AccessError(AccessProblem.INVALID, "Bad key."), openai.AuthenticationError, "invalid_api_key"),
    (AccessError(AccessProblem.FORBIDDEN, "No."), openai.PermissionDeniedError, "forbidden"),
    (AccessError(AccessProblem.CLAIM, "No."), openai.AuthenticationError, "invalid_claim"),
    (AccessError(AccessProblem.UNAVAILABLE, "?"), openai.InternalServerError, "claims_unavailable"),
    (RequestError("No.", code="model_not_found"), openai.NotFoundError, "model_not_found"),
    (RequestError("No.", param="a"), openai.BadRequestError, "invalid_request"),
    (BackendError(BackendProblem.CONNECT, "x"), openai.InternalServerError, "backend_connect"),
    (BackendError(BackendProblem.TIMEOUT, "x"), openai.InternalServerError, "backend_timeout"),
    (BackendError(BackendProblem.RATE_LIMITED, "x"), openai.RateLimitError, "rate_limit_exceeded"),
    (
        BackendError(BackendProblem.UNAUTHORIZED, "x"),
        openai.InternalServerError,
        "backend_unauthorized",
    ),
    (BackendError(BackendProblem.REJECTED, "x"), openai.BadRequestError, "backend_rejected"),
    (BackendError(BackendProblem.FAILED, "x"), openai.InternalServerError, "backend_failed"),
    (BackendError(BackendProblem.BROKEN, "x"), openai.InternalServerError, "backend_broken"),
    (LedgerError("x"), openai.InternalServerError, "ledger_unavailable"),
    (DetectorError("x"), openai.InternalServerError, "detector_unavailable"),
    (KeyError("the user's own words"), openai.InternalServerError, "internal_error"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "expected", "code"), FAILURES, ids=[code for *_, code in FAILURES]
)
def test_failures_before_the_first_byte(
    served: Served,
    client: OpenAI,
    error: Exception,
    expected: type[openai.APIStatusError],
    code: str,
    *,
    stream: bool,
) -> None:
    """A failure has the wrong class in the SDK, or hides behind a 200."""
    served.gateway.script = [opened(), error]
    with pytest.raises(expected) as failed:
        client.chat.completions.create(model="tutor", messages=HELLO, stream=stream)
    assert failed.value.code == code
    assert "own words" not in failed.value.response.text
    assert failed.value.response.headers["x-request-id"] == "req_1"


@pytest.mark.parametrize(
    ("error", "code"), [(one[0], one[2]) for one in FAILURES], ids=[code for *_, code in FAILURES]
)
def test_failures_in_mid_stream(
    served: Served, client: OpenAI, error: Exception, code: str
) -> None:
    """A stream that broke off looks complete."""
    served.gateway.script = [opened(), TextDelta("Half"), Pause(), error]
    stream = ask_stream(client)
    assert next(stream).choices[0].delta.content == "Half"
    with pytest.raises(openai.APIError) as failed:
        list(stream)
    assert failed.value.code == code
    body = {"model": "tutor", "messages": HELLO, "stream": True}
    raw = httpx2.post(f"{served.url}/v1/chat/completions", json=body).text
    assert "[DONE]" not in raw
    assert "own words" not in raw


def test_retry_after(served: Served, client: OpenAI) -> None:
    """A client retries at once where the provider asked it to wait, or for nothing."""
    busy = BackendError(BackendProblem.RATE_LIMITED, "x", retry_after_s=1.2)
    served.gateway.script = [opened(), busy]
    with pytest.raises(openai.RateLimitError) as failed:
        ask(client)
    assert failed.value.response.headers["retry-after"] == "2"
    assert "x-should-retry" not in failed.value.response.headers
    served.gateway.script = [opened(), BackendError(BackendProblem.REJECTED, "x")]
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client)
    assert refused.value.response.headers["x-should-retry"] == "false"


BROKEN_SCRIPTS: dict[str, list[Step]] = {
    "nothing at all": [],
    "text before Opened": [TextDelta("a"), Finish(FinishReason.STOP), closed()],
    "no Closed": [opened(), Finish(FinishReason.STOP)],
    "text after Closed": [
        opened(),
        Finish(FinishReason.STOP),
        closed(),
        TextDelta("sneaked"),
    ],
    "no Finish": [opened(), closed()],
    "text after Stopped": [
        opened(),
        Stopped(Outcome.BLOCK, "No.", is_error=False),
        TextDelta("sneaked"),
        Finish(FinishReason.CONTENT_FILTER),
        closed(Outcome.BLOCK),
    ],
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("script", BROKEN_SCRIPTS.values(), ids=BROKEN_SCRIPTS)
def test_events_out_of_order_are_errors(
    served: Served, script: list[Step], *, stream: bool
) -> None:
    """An answer that breaks the contract of events leaves as if all were well."""
    served.gateway.script = script
    body = {"model": "tutor", "messages": HELLO, "stream": stream}
    answer = httpx2.post(f"{served.url}/v1/chat/completions", json=body)
    assert "[DONE]" not in answer.text
    assert "sneaked" not in answer.text
    assert '"error":{' in answer.text


def test_client_timeout_ends_the_exchange(served: Served, client: OpenAI) -> None:
    """The provider goes on working, and billing, for a client that has given up."""
    for stream in (False, True):
        served.gateway.ended.clear()
        served.gateway.script = [opened(), Pause(30), *plain_script()[1:]]
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=0.2).chat.completions.create(
                model="tutor", messages=HELLO, stream=stream
            )
        assert served.gateway.ended.wait(5)
        assert served.gateway.ended_by == "CancelledError"


def test_closing_a_stream_ends_the_exchange(served: Served, client: OpenAI) -> None:
    """Leaving in mid-stream does not reach the provider."""
    served.gateway.script = [opened(), TextDelta("a"), Pause(30), *plain_script()[1:]]
    with client.chat.completions.create(model="tutor", messages=HELLO, stream=True) as stream:
        assert next(iter(stream)).choices[0].delta.content == "a"
    assert served.gateway.ended.wait(5)
    assert served.gateway.ended_by == "CancelledError"


def test_leaving_unread_answers_ends_the_exchange(served: Served) -> None:
    """A client that stops reading and then leaves keeps the provider busy."""
    big = TextDelta("x" * 100_000)
    served.gateway.script = [opened(), *[big] * 200, Finish(FinishReason.STOP), closed()]
    body = {"model": "tutor", "messages": HELLO, "stream": True}
    url = f"{served.url}/v1/chat/completions"
    with httpx2.stream("POST", url, json=body) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        time.sleep(0.1)
        assert not served.gateway.ended.is_set()
    assert served.gateway.ended.wait(5)
    assert served.gateway.ended_by == "GeneratorExit"


def test_a_client_that_reads_slowly_holds_the_model_back(served: Served) -> None:
    """An answer piles up in memory for a client that does not read it."""
    big = TextDelta("x" * 100_000)
    served.gateway.script = [opened(), *[big] * 200, Finish(FinishReason.STOP), closed()]
    body = {"model": "tutor", "messages": HELLO, "stream": True}
    url = f"{served.url}/v1/chat/completions"
    with httpx2.stream("POST", url, json=body) as answer:
        time.sleep(0.2)
        assert not served.gateway.ended.is_set()
        size = sum(len(piece) for piece in answer.iter_bytes())
    assert size > 20_000_000
    assert served.gateway.ended_by == "end"


def test_pieces_of_one_moment_leave_together(served: Served) -> None:
    """Each token costs a system call of its own when a provider sends many at once."""
    burst = [TextDelta("a"), TextDelta("b"), TextDelta("c")]
    served.gateway.script = [opened(), *burst, Pause(0.05), *burst, *plain_script()[3:]]
    body = {"model": "tutor", "messages": HELLO, "stream": True}
    url = f"{served.url}/v1/chat/completions"
    with httpx2.stream("POST", url, json=body) as answer:
        pieces = [piece for piece in answer.iter_raw() if piece]
    assert b"".join(pieces).count(b"data: ") == 8
    assert pieces[0].count(b"data: ") == 3
