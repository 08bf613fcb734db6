"""Whatever comes in, what goes out is an error that an SDK can read and that quotes nothing."""

import json
import string
from collections.abc import Iterator

import httpx2
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api.asgi import SERVED
from app.domain.conversation import Json
from tests.api.bodies import leaves
from tests.api.scripted import ScriptedGateway, serve
from tests.api.wires import WIRES

PATHS = [one.path for one in SERVED if one.method == "POST"]
LIMIT = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_TYPED = {"content-type": "application/json"}
ANY_JSON: st.SearchStrategy[Json] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=20), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        "model",
        "messages",
        "input",
        "dimensions",
        "encoding_format",
        "tools",
        "system",
        "max_tokens",
        "thinking",
        "banneton",
        "stop",
        "policy",
        "persona",
        "text",
        "variables",
    ]
)
NEAR_JSON = st.dictionaries(st.one_of(KEYS, st.text(max_size=10)), ANY_JSON, max_size=5)


@pytest.fixture(scope="module")
def line() -> Iterator[httpx2.Client]:
    """One connection to a server of its own."""
    with (
        serve(ScriptedGateway(has_outage=False)) as served,
        httpx2.Client(base_url=served.url) as client,
    ):
        yield client


def _is_good_error(answer: httpx2.Response) -> bool:
    if not 400 <= answer.status_code < 500:
        return False
    body = answer.json()
    error = body["error"]
    if answer.url.path.startswith("/v1/messages") and answer.request.method == "POST":
        assert body["type"] == "error"
        assert body["request_id"] == answer.headers["request-id"]
        return set(error) == {"message", "type", "details"} and bool(error["message"])
    return set(error) == {"message", "type", "param", "code"} and bool(error["message"])


@pytest.mark.parametrize("path", PATHS)
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
@LIMIT
def test_any_bytes(line: httpx2.Client, path: str, content: bytes) -> None:
    """Bytes that are no request end in a server error or a hang."""
    assert _is_good_error(line.post(path, content=content, headers=_TYPED))


@pytest.mark.parametrize("path", PATHS)
@given(value=st.one_of(ANY_JSON, NEAR_JSON))
@LIMIT
def test_any_json(line: httpx2.Client, path: str, value: Json) -> None:
    """JSON that is no request ends in a server error or a hang."""
    # The standard library's writer also gives NaN and numbers beyond 64 bits.
    answer = line.post(path, content=json.dumps(value).encode(), headers=_TYPED)
    assert answer.status_code == 200 or _is_good_error(answer)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/{}",
        "/v1/responses/{}",
        "/v1/records/{}",
        "/v1/records?{}",
        "/{}",
        "/v1/coverage?{}",
    ],
)
@given(rest=st.binary(max_size=30))
@LIMIT
def test_any_path(line: httpx2.Client, path: str, rest: bytes) -> None:
    """An odd path or query ends in a server error, or in something that is no JSON."""
    quoted = "".join(f"%{byte:02x}" for byte in rest)
    answer = line.get(path.format(quoted))
    assert answer.status_code in {200, 307} or _is_good_error(answer)


SECRETS = st.text("0123456789©λ", min_size=8, max_size=20).map(lambda text: "ßß" + text)


@given(
    body=st.one_of([wire.bodies for wire in WIRES]),
    secret=SECRETS,
    at=st.integers(0, 99),
    wrap=st.integers(0, 2),
)
@LIMIT
def test_errors_quote_no_values(
    line: httpx2.Client, body: dict[str, Json], secret: str, at: int, wrap: int
) -> None:
    """An error repeats what a user wrote, and with it what a log or a screen should never show."""
    places = list(leaves(body))
    holder, key = places[at % len(places)]
    holder[key] = (secret, [secret], {"type": secret, "role": secret})[wrap]
    for path in PATHS:
        answer = line.post(path, content=orjson.dumps(body), headers=_TYPED)
        assert answer.status_code == 200 or _is_good_error(answer)
        if answer.status_code != 200:
            pieces = (secret[start : start + 8] for start in range(len(secret) - 7))
            assert not any(piece in answer.text for piece in pieces)


@given(key=st.text(min_size=41, max_size=200))
@LIMIT
def test_errors_quote_names_bounded(line: httpx2.Client, key: str) -> None:
    """The name of a refused field carries a whole text, or what a terminal would obey."""
    said = {"role": "user", "content": "hi", key: 1}
    answer = line.post(
        "/v1/chat/completions",
        content=orjson.dumps({"model": "tutor", "messages": [said]}),
        headers=_TYPED,
    )
    assert _is_good_error(answer)
    param = answer.json()["error"]["param"].removeprefix("messages[0].")
    assert len(param) == 40
    assert set(param) <= set(string.ascii_letters + string.digits + "_.-?")


def test_nothing_that_waits_is_left(line: httpx2.Client) -> None:
    """The server is stuck after all that."""
    assert line.get("/healthz").status_code == 200
