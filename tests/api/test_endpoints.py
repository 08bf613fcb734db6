"""Every other endpoint over a real socket, and the edges of the transport."""

import re
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
import pytest
from openai import OpenAI

from app.api.asgi import SERVED
from app.api.coverage import table
from app.api.guard import CHECKED, RENDERED
from app.api.openai_chat_fields import REQUEST
from app.api.shapes import admit
from app.api.transport import Limits
from app.domain.conversation import Json
from app.domain.decision import Outcome
from app.domain.policy import Stage
from app.domain.protocols import Caller
from app.pipeline.gateway import CheckRequest, RenderRequest
from tests.api.scripted import ScriptedGateway, Served, serve

PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def post(served: Served, path: str, body: Json) -> httpx2.Response:
    """Post JSON."""
    return httpx2.post(f"{served.url}{path}", json=body)


def get(served: Served, path: str) -> httpx2.Response:
    """Get."""
    return httpx2.get(f"{served.url}{path}")


def test_check_a_text(served: Served) -> None:
    """The contract of the check endpoint does not hold for a single text."""
    served.gateway.check_outcome = Outcome.FLAG
    body = {"policy": "legal", "stage": "output", "text": "Hi", "audience": "public", "system": "S"}
    answer = post(served, "/v1/guardrails/check", body).json()
    admit(CHECKED, answer)
    assert answer == {
        "outcome": "flag",
        "text": "HI",
        "scores": {"injection": 0.97, "harm": 0.01},
        "findings": [
            {
                "detector": "injection",
                "category": "jailbreak",
                "score": 0.97,
                "path": "messages[0].content",
                "start": 0,
                "end": 4,
            }
        ],
        "applied": [
            {"rule": "jailbreak", "action": "flag", "findings": [0]},
            {
                "rule": "trial",
                "action": "flag",
                "findings": [],
                "observed": True,
                "unchecked": True,
            },
        ],
        "unchecked": [{"detector": "judge", "path": "messages[0].content", "reason": "timed out"}],
        "policy": "legal",
        "audience": "public",
        "catalog": answer["catalog"],
        "latency_ms": 0.4,
    }
    (checked,) = served.gateway.checked
    (segment,) = checked.segments
    assert (segment.path, segment.text, segment.stage) == ("text", "Hi", Stage.OUTPUT)
    assert checked == CheckRequest((segment,), "legal", None, "public", "S")


def test_check_messages(served: Served) -> None:
    """Messages are not looked at part by part, or come back in another form."""
    said: Json = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "a"}], "name": "ann"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"type": "function", "id": "i", "function": {"name": "f", "arguments": "b"}}
            ],
        },
        {"role": "tool", "tool_call_id": "i", "content": "c"},
    ]
    answer = post(served, "/v1/guardrails/check", {"persona": "tutor", "messages": said}).json()
    assert answer["messages"] == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": [{"type": "text", "text": "A"}], "name": "ANN"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"type": "function", "id": "i", "function": {"name": "F", "arguments": "B"}}
            ],
        },
        {"role": "tool", "tool_call_id": "i", "content": "C"},
    ]
    (checked,) = served.gateway.checked
    assert [one.stage for one in checked.segments] == [Stage.INPUT] * 5 + [Stage.TOOL_RESULT]


def test_a_blocked_check_passes_nothing_on(served: Served) -> None:
    """What policy blocked is shown as what would be passed on."""
    served.gateway.check_outcome = Outcome.BLOCK
    text = post(served, "/v1/guardrails/check", {"policy": "legal", "text": "a"}).json()
    assert text["text"] is None
    said = [{"role": "user", "content": "a"}]
    whole = post(served, "/v1/guardrails/check", {"policy": "legal", "messages": said}).json()
    assert whole["messages"] is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        pytest.param({"text": "a"}, "policy", id="neither policy nor persona"),
        pytest.param({"policy": "a", "persona": "b", "text": "c"}, "policy", id="both"),
        pytest.param({"policy": "a"}, "text", id="nothing to look at"),
        pytest.param({"policy": "a", "text": "", "messages": []}, "messages", id="no messages"),
        pytest.param(
            {"policy": "a", "text": "", "messages": [{"role": "user", "content": "b"}]},
            "text",
            id="text and messages",
        ),
        pytest.param({"policy": "a", "text": "b", "stage": "middle"}, "stage", id="no such stage"),
        pytest.param({"policy": "a", "text": "b", "polcy": "c"}, "polcy", id="unknown key"),
        pytest.param(
            {"policy": "a", "stage": "output", "messages": [{"role": "user", "content": "b"}]},
            "stage",
            id="messages at the output",
        ),
        pytest.param(
            {"policy": "a", "messages": [{"role": "user", "content": [PICTURE]}]},
            "messages[0].content[0]",
            id="what no detector looks inside",
        ),
    ],
)
def test_wrong_checks(served: Served, body: Json, param: str) -> None:
    """A check that means two things, or nothing, is run all the same."""
    answer = post(served, "/v1/guardrails/check", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_render(served: Served) -> None:
    """A prompt comes without saying where its lines are from."""
    body = {"persona": "tutor", "variant": "w", "scenario": "exam", "variables": {"name": "Ann"}}
    answer = post(served, "/v1/prompts/render", body).json()
    admit(RENDERED, answer)
    assert answer["text"] == "You are\nTess."
    assert answer["provenance"] == [
        {"file": "prompts/assistant.md.j2", "line": 1, "key": ""},
        {"file": "personas/tutor.yaml", "line": 7, "key": "identity.role"},
    ]
    assert served.gateway.rendered == [RenderRequest("tutor", "w", "exam", {"name": "Ann"})]
    assert post(served, "/v1/prompts/render", {}).json()["error"]["param"] == "persona"


def test_models(client: OpenAI) -> None:
    """The SDK cannot list the personas, or finds one that is not there."""
    assert [model.id for model in client.models.list()] == ["layered", "loose", "tutor"]
    assert client.models.retrieve("tutor").owned_by == "learning"
    extra: Any = client.models.retrieve("tutor:warmer").model_extra
    assert extra["banneton"] == {
        "name": "Tess",
        "description": "Explains.",
        "variants": ["warmer"],
        "scenarios": ["exam"],
        "variables": ["name"],
    }
    for name in ("tutor:colder", "nobody"):
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(name)


def test_records(served: Served) -> None:
    """Records cannot be filtered or read one by one."""
    page = get(served, "/v1/records?outcome=block&limit=5")
    assert page.json() == {"records": [{"request_id": "req_1"}], "next": None}
    assert get(served, "/v1/records").status_code == 200
    assert served.gateway.queries == [{"outcome": "block", "limit": "5"}, {}]
    assert get(served, "/v1/records/req_1").json() == {"request_id": "req_1"}
    assert get(served, "/v1/records/req_2").status_code == 404


@pytest.mark.parametrize("query", ["a=1&a=2", "a", "&".join(f"a{n}=1" for n in range(40)), "a=%ff"])
def test_queries_that_cannot_be_read(served: Served, query: str) -> None:
    """Of two filters with one name one is dropped in silence."""
    answer = get(served, f"/v1/records?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_query"
    assert served.gateway.queries == []


def test_records_need_leave(served: Served) -> None:
    """Any key can read what everyone asked."""
    served.gateway.auth = lambda _: Caller("acme", "key_1", None, None)
    assert get(served, "/v1/records").status_code == 403
    assert get(served, "/v1/records/req_1").status_code == 403


def test_health(served: Served) -> None:
    """A load balancer is told the wrong thing."""
    assert get(served, "/healthz").json() == {"status": "ok", "version": "0.0.0"}
    for state, status in (("ready", 200), ("degraded", 200), ("unready", 503)):
        served.gateway.state = state
        answer = get(served, "/readyz")
        assert (answer.status_code, answer.json()["state"]) == (status, state)
        assert bool(answer.json()["problems"]) == (state != "ready")
    metrics = get(served, "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert metrics.text.startswith("# TYPE")


def test_coverage(served: Served) -> None:
    """The table that is served is not the one that decides."""
    assert get(served, "/v1/coverage").json() == table()


def test_openapi_describes_every_endpoint(served: Served) -> None:
    """An endpoint, or a field that it takes, is missing from the documentation."""
    document = get(served, "/openapi.json").json()
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert described == {(one.method, one.path) for one in SERVED}
    chat = document["paths"]["/v1/chat/completions"]["post"]
    fields = chat["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert set(fields) <= set(REQUEST.fields)
    assert {"messages", "banneton", "stream"} <= set(fields)
    assert "metadata" not in fields


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/models/", 404),
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/healthz", 405),
        ("DELETE", "/v1/records/req_1", 405),
    ],
)
def test_no_such_endpoint(served: Served, method: str, path: str, status: int) -> None:
    """A wrong address is answered by something that an SDK cannot read."""
    answer = httpx2.request(method, f"{served.url}{path}")
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        pytest.param(b"{}", {}, 415, "unsupported_media_type", id="no type"),
        pytest.param(
            b"{}", {"content-type": "text/plain"}, 415, "unsupported_media_type", id="plain text"
        ),
        pytest.param(b"", {}, 400, "invalid_json", id="nothing"),
        pytest.param(b"[]", {}, 400, "invalid_json", id="a list"),
        pytest.param(b'{"a"', {}, 400, "invalid_json", id="half"),
        pytest.param(b'{"a":"\xff"}', {}, 400, "invalid_json", id="not UTF-8"),
        pytest.param(b'{"a":"\\ud800"}', {}, 400, "invalid_json", id="half a surrogate pair"),
        pytest.param(b'{"a":NaN}', {}, 400, "invalid_json", id="not a number"),
        pytest.param(b"[" * 5000, {}, 400, "invalid_json", id="too deep"),
        pytest.param(b" " * 100_001, {}, 413, "too_large", id="too long"),
    ],
)
def test_bodies_that_cannot_be_read(
    served: Served, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """A body that is no JSON object in UTF-8 is taken for one, or for an outage."""
    typed = headers if status == 415 else {"content-type": "application/json; charset=utf-8"}
    for path in ("/v1/chat/completions", "/v1/guardrails/check", "/v1/prompts/render"):
        answer = httpx2.post(f"{served.url}{path}", content=content, headers=typed)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_long_body_without_a_length(served: Served) -> None:
    """A body sent in chunks gets around the limit."""
    pieces = (b" " * 1000 for _ in range(101))
    answer = httpx2.post(
        f"{served.url}/v1/chat/completions",
        content=pieces,
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 413


def _raw(url: str, request: bytes) -> bytes:
    """Send bytes, and read what comes until the server closes or is done with one answer."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as line:
        line.sendall(request)
        answer = b""
        while piece := line.recv(65536):
            answer += piece
            if b'"code"' in answer:
                break
        return answer


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"


def test_a_body_that_never_comes() -> None:
    """A client that stalls holds a request open for ever."""
    with serve(ScriptedGateway(), Limits(body_timeout_s=0.1)) as served:
        answer = _raw(served.url, HEAD + b"content-length: 50\r\n\r\n{")
        assert re.match(rb"HTTP/1.1 408 ", answer)


def test_a_client_that_leaves_before_the_end_of_its_body(served: Served) -> None:
    """Half a request is run, or ends in a server error that nobody is there to read."""
    where = urlsplit(served.url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as line:
        line.sendall(HEAD + b"content-length: 50\r\n\r\n{")
    assert get(served, "/healthz").status_code == 200
    assert served.gateway.seen == []


def test_errors_that_nobody_expected(served: Served) -> None:
    """A bug in a part shows its insides to the caller."""
    served.gateway.surprise = KeyError("the user's own words")
    said = {"model": "tutor", "messages": [{"role": "user", "content": "hi"}]}
    answers = [
        get(served, "/v1/models"),
        get(served, "/v1/records"),
        get(served, "/readyz"),
        get(served, "/metrics"),
        post(served, "/v1/chat/completions", said),
        post(served, "/v1/guardrails/check", {"policy": "a", "text": "b"}),
        post(served, "/v1/prompts/render", {"persona": "a"}),
    ]
    for answer in answers:
        assert answer.status_code == 500
        assert "own words" not in answer.text
        assert "KeyError" not in answer.text
        assert answer.headers["x-request-id"] in answer.json()["error"]["message"]


def test_other_origins_are_not_let_in(served: Served) -> None:
    """A foreign web page can read answers of a gateway on this machine."""
    answer = httpx2.get(f"{served.url}/healthz", headers={"origin": "https://evil.example"})
    assert not any(name.startswith("access-control") for name in answer.headers)
