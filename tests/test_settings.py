"""Settings: defaults, references to secrets, and that no secret comes out by any way."""

import json
import logging
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.catalog.read import read_deployment
from app.domain.conversation import Json
from app.domain.errors import ContentError
from app.domain.events import Usage
from app.domain.prices import Price
from app.settings import Settings, WebhookEndpoint, settings_from
from app.settings.backends import (
    AnthropicBackend,
    AzureBackend,
    BedrockBackend,
    GeminiBackend,
    LocalBackend,
    OpenAIBackend,
    ScriptedBackend,
    VertexBackend,
)

KEY = "sk-live-0123456789abcdef"


def make(root: Path, document: object, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from a document, as they are made at the start of the process."""
    (root / "banneton.yaml").write_text(json.dumps(document), "utf-8")
    return settings_from(read_deployment(root), environ or {}, root)


def refusal(root: Path, document: object, environ: Mapping[str, str] | None = None) -> str:
    """What is wrong with a document."""
    with pytest.raises(ContentError) as caught:
        make(root, document, environ)
    return str(caught.value)


def openai(**extra: object) -> dict[str, object]:
    """A document with one endpoint."""
    return {"backends": {"main": {"type": "openai", **extra}}}


def test_the_smallest_file_gives_a_gateway_that_listens_on_this_machine_only(
    tmp_path: Path,
) -> None:
    """A first start would need choices that nobody has to make, or would be open to the network."""
    settings = make(tmp_path, {"backends": {"small": {"type": "local"}}})
    assert settings.server.host == "127.0.0.1"
    assert settings.storage.url == f"sqlite:///{tmp_path.resolve()}/var/banneton.db"
    assert settings.storage.key_file == tmp_path.resolve() / "var/banneton.key"
    assert settings.telemetry.metrics
    assert settings.backends["small"] == LocalBackend(type="local")


def test_each_kind_of_backend_is_read_with_its_own_keys(tmp_path: Path) -> None:
    """A setting of one kind would be taken for one of another, or a path left relative."""
    settings = make(
        tmp_path,
        {
            "backends": {
                "far": {"type": "openai", "base_url": "https://m.example/v1/", "api_key": "${KEY}"},
                "near": {"type": "local", "gguf": "models/m.gguf", "threads": 2},
                "said": {"type": "scripted", "script": "answers.yaml"},
            },
            "routes": {"r": {"backend": "far", "model": "m"}},
        },
        {"KEY": KEY},
    )
    far, near, said = (settings.backends[name] for name in ("far", "near", "said"))
    assert isinstance(far, OpenAIBackend)
    assert far.api_key is not None
    assert (far.base_url, far.api_key.get_secret_value()) == ("https://m.example/v1", KEY)
    assert isinstance(near, LocalBackend)
    assert near.gguf == tmp_path.resolve() / "models/m.gguf"
    assert isinstance(said, ScriptedBackend)
    assert said.script == tmp_path.resolve() / "answers.yaml"


def test_settings_of_anthropic_and_bedrock(tmp_path: Path) -> None:
    """A protocol would be spoken in another version, or signed with other keys."""
    settings = make(
        tmp_path,
        {
            "backends": {
                "plain": {"type": "anthropic", "api_key": "${KEY}"},
                "older": {"type": "anthropic", "version": "2023-06-01", "thinking": "budget"},
                "aws": {
                    "type": "bedrock",
                    "region": "eu-central-1",
                    "access_key_id": "${ID}",
                    "secret_access_key": "${KEY}",
                    "leave_out": ["seed"],
                },
                "gov": {"type": "bedrock", "region": "us-gov-west-1", "profile": "bread"},
            }
        },
        {"KEY": KEY, "ID": "AKID"},
    )
    plain, older, aws, gov = (settings.backends[name] for name in ("plain", "older", "aws", "gov"))
    assert isinstance(plain, AnthropicBackend)
    assert (plain.base_url, plain.version) == ("https://api.anthropic.com/v1", "2026-10-21")
    assert isinstance(older, AnthropicBackend)
    assert (older.version, older.thinking) == ("2023-06-01", "budget")
    assert isinstance(aws, BedrockBackend)
    assert aws.secret_access_key is not None
    assert aws.secret_access_key.get_secret_value() == KEY
    assert (aws.base_url, aws.leave_out) == (None, ("seed",))
    assert isinstance(gov, BedrockBackend)
    assert gov.profile == "bread"
    assert KEY not in f"{settings!r} {settings.model_dump_json()}"


def test_settings_of_gemini_vertex_and_azure(tmp_path: Path) -> None:
    """A model would be looked for elsewhere, or told to reason in another way."""
    azure = {"type": "azure", "base_url": "https://bread.openai.azure.com/", "api_key": "${KEY}"}
    vertex = {
        "type": "vertex",
        "project": "${PROJECT}",
        "location": "eu",
        "token_file": "run/token",
    }
    settings = make(
        tmp_path,
        {
            "backends": {
                "plain": {"type": "gemini", "api_key": "${KEY}"},
                "older": {"type": "gemini", "thinking": "budget", "leave_out": ["top_k"]},
                "cloud": vertex,
                "dated": {**azure, "api_version": "2025-04-01-preview"},
            }
        },
        {"KEY": KEY, "PROJECT": "bread-1"},
    )
    plain, older, cloud, dated = (
        settings.backends[name] for name in ("plain", "older", "cloud", "dated")
    )
    assert isinstance(plain, GeminiBackend)
    assert plain.base_url == "https://generativelanguage.googleapis.com/v1beta"
    assert isinstance(older, GeminiBackend)
    assert (older.thinking, older.leave_out) == ("budget", ("top_k",))
    assert isinstance(cloud, VertexBackend)
    assert (cloud.project, cloud.token_file) == ("bread-1", tmp_path.resolve() / "run" / "token")
    assert isinstance(dated, AzureBackend)
    assert (dated.base_url, dated.api_version) == (
        "https://bread.openai.azure.com",
        "2025-04-01-preview",
    )
    assert KEY not in f"{settings!r} {settings.model_dump_json()}"


def test_a_key_comes_from_a_file_without_its_last_line_break(tmp_path: Path) -> None:
    """A mounted secret would be sent with a line break, which no endpoint accepts."""
    (tmp_path / "key").write_text(f"{KEY}\n")
    backend = make(tmp_path, openai(api_key="file:key")).backends["main"]
    assert isinstance(backend, OpenAIBackend)
    assert backend.api_key is not None
    assert backend.api_key.get_secret_value() == KEY


def test_headers_may_hold_references_inside_text(tmp_path: Path) -> None:
    """A bearer token could not be given without writing it into the file."""
    headers = {"Authorization": "Bearer ${KEY}", "X-Title": "my app"}
    backend = make(tmp_path, openai(headers=headers), {"KEY": KEY}).backends["main"]
    assert isinstance(backend, OpenAIBackend)
    values = {name: value.get_secret_value() for name, value in backend.headers.items()}
    assert values == {"Authorization": f"Bearer {KEY}", "X-Title": "my app"}


def test_settings_do_not_print_their_secrets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A key would stand in the log of every gateway that logs its settings."""
    document = openai(api_key="${KEY}", headers={"Authorization": "Bearer ${KEY}"})
    settings = make(tmp_path, document, {"KEY": KEY})
    logging.getLogger("test").warning("%s", settings)
    printed = f"{settings!r} {settings} {settings.model_dump_json()} {caplog.text}"
    assert "backends" in printed
    assert KEY not in printed


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (openai(api_key=KEY), "backends.main.api_key: must not stand in the file; write ${NAME}"),
        (openai(api_key="Bearer ${KEY}"), "backends.main.api_key: must not stand in the file"),
        (openai(api_key="${UNSET}"), "names the environment variable UNSET, which is not set"),
        (openai(api_key="${EMPTY}"), "names the environment variable EMPTY, which is not set"),
        (
            openai(api_key="${BROKEN}"),
            "refers to no key: what it holds is empty or not plain ASCII",
        ),
        (openai(api_key="file:nowhere"), "names a file that cannot be read"),
        (openai(api_key=5), "backends.main.api_key: must be text"),
        (openai(headers={"Authorization": KEY}), "headers: Authorization: must not stand in"),
        (openai(headers={"x-my-token": KEY}), "headers: x-my-token: must not stand in"),
        (openai(headers={"X-Title": "a\nX-Evil: b"}), "holds a line break"),
        (openai(headers={"X Title": "a"}), "has a name that no HTTP header can have"),
        (openai(headers={"X-Title": 5}), "headers.X-Title: must be text"),
        (openai(base_url=f"https://me:{KEY}@m.example"), "must not hold a user, a password or a "),
        (openai(base_url=f"https://m.example?key={KEY}"), "must not hold a user, a password or a "),
        (openai(base_url="m.example/v1"), "must be an http or https URL"),
        (openai(base_url="https://[m.example"), "must be an http or https URL"),
        (openai(timeouts={"total_ms": 0}), "timeouts.total_ms: is below 1, the least allowed"),
        (
            openai(timeouts={"total": 5}),
            "timeouts.total: is not a known key; did you mean 'total_ms'",
        ),
        ({"backends": {}}, "backends: must not be empty"),
        ({}, "banneton.yaml:1:1: has no 'backends'"),
        ([], "banneton.yaml:1:1: must be a mapping"),
        (
            {"backends": {"x": {"type": "locl"}}},
            "x.type: is not a known kind; did you mean 'local'",
        ),
        ({"backends": {"x": {"type": "scripted"}}}, "backends.x: has no 'script'"),
        ({"backends": {"x": {"type": "local", "script": "a"}}}, "is not a known key; choose from "),
        (
            {"backends": {"x": {"type": "local"}}, "storage": {"url": f"postgresql://u:{KEY}@h/d"}},
            "storage.url: must be sqlite:/// and a path",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "document",
)
def test_a_mistake_is_named_and_no_value_printed(
    tmp_path: Path, document: object, what: str
) -> None:
    """A key that was pasted into the file would be accepted, or printed with the mistake."""
    found = refusal(tmp_path, document, {"KEY": KEY, "EMPTY": "", "BROKEN": f"{KEY}\nx"})
    assert what in found
    assert KEY not in found


SECRET_IN = st.sampled_from(
    [KEY, [KEY], {"x": KEY}, f"${{{KEY}}}", f"file:{KEY}", f"http://{KEY}@h", [{"y": KEY}]]
)  # fmt: skip
PLACES = st.sampled_from(
    [("backends",), ("backends", "main"), ("storage",), ("storage", "url"), ("storage", "key_file")]
    + [("server",), ("server", "host"), ("server", "port"), ("limits",), ("telemetry", "metrics")]
    + [
        ("backends", "main", key)
        for key in (
            "type",
            "base_url",
            "api_key",
            "headers",
            "timeouts",
            "gguf",
            "script",
            "threads",
        )
    ]
)


@hypothesis_settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(PLACES, SECRET_IN), min_size=1, max_size=4))
def test_no_value_of_the_file_is_ever_printed(
    tmp_path: Path, changes: list[tuple[tuple[str, ...], Json]]
) -> None:
    """A key in the wrong place would be printed on the console of whoever starts the gateway."""
    document: Json = openai()
    for path, value in changes:
        at = document
        for step in path[:-1]:
            at = at.setdefault(step, {}) if isinstance(at, dict) else {}
        if isinstance(at, dict):
            at[path[-1]] = deepcopy(value)
    try:
        make(tmp_path, document)
        printed = ""
    except ContentError as exc:
        printed = str(exc)
    assert KEY not in printed


SIGNING_KEY = "whsec_" + "c2lnbmVk" * 4


def test_endpoints_keep_their_secrets(tmp_path: Path) -> None:
    """What requests are signed with, or a service's key, would be in a log or a message."""
    endpoints = {
        "house": {"type": "webhook", "url": "https://${HOST}/guard/", "secret": "${SIGNING}"},
        "far": {"type": "service", "url": "https://m.example/v1/m", "api_key": "${KEY}"},
    }
    document = {**openai(), "endpoints": endpoints}
    environ = {"HOST": "guard.example", "SIGNING": SIGNING_KEY, "KEY": KEY}
    made = make(tmp_path, document, environ)
    house = made.endpoints["house"]
    assert isinstance(house, WebhookEndpoint)
    assert house.url == "https://guard.example/guard/"
    assert house.signing_key() == b"signed" * 4
    shown = f"{made!r} {made} {made.model_dump_json()}"
    assert SIGNING_KEY not in shown
    assert KEY not in shown


@pytest.mark.parametrize(
    "key", ["c2hvcnQ=", "no base64 at all, and long enough", "c2lnbmVk" * 20, "whsec_"]
)
def test_a_signing_key_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    """Requests would be signed with a key that can be guessed, or another than was meant."""
    endpoint = {"type": "webhook", "url": "https://g.example/", "secret": "${SIGNING}"}
    document = {**openai(), "endpoints": {"house": endpoint}}
    said = refusal(tmp_path, document, {"SIGNING": key})
    assert "endpoints.house.secret: must be 24 to 64 random bytes" in said
    assert key not in said.replace("'whsec_'", "")


@pytest.mark.parametrize("url", ["${URL}", "${URL}/v1", "https://${HOST}/v1", "file:url.txt"])
def test_files_can_be_checked_where_no_secret_is_at_hand(tmp_path: Path, url: str) -> None:
    """CI, which has none of the deployment's secrets, would refuse a right file."""
    hook = {"type": "webhook", "url": url, "secret": "${SIGNING}"}
    service = {"type": "service", "url": url, "api_key": "file:key.txt"}
    headers = {"x-api-key": "${KEY}", "authorization": "file:key.txt"}
    document = openai(base_url=url, api_key="file:key.txt", headers=headers)
    document["endpoints"] = {"hook": hook, "service": service}
    (tmp_path / "banneton.yaml").write_text(json.dumps(document), "utf-8")
    settings_from(read_deployment(tmp_path), None, tmp_path)
    with pytest.raises(ContentError, match=r"which is not set|cannot be read"):
        settings_from(read_deployment(tmp_path), {}, tmp_path)


def test_what_is_wrong_without_its_secrets_is_found_without_them(tmp_path: Path) -> None:
    """Checking without secrets would check nothing."""
    for wrong in ("ftp://${HOST}", "nowhere", "https://a:${PASSWORD}@example.org"):
        (tmp_path / "banneton.yaml").write_text(json.dumps(openai(base_url=wrong)), "utf-8")
        with pytest.raises(ContentError, match="base_url"):
            settings_from(read_deployment(tmp_path), None, tmp_path)


def test_prices_are_by_backend_and_model(tmp_path: Path) -> None:
    """Costs would be those of another model, or of none."""
    settings = make(
        tmp_path,
        {
            **openai(base_url="https://m.example/v1"),
            "prices": {"main": {"medium": {"input": 1.5, "output": 6, "cached": 0.15}}},
        },
    )
    assert settings.model_prices == {("main", "medium"): Price(1.5, 6.0, cached=0.15)}
    price = settings.model_prices["main", "medium"]
    usage = Usage(1_000_000, 1_000_000, cached_tokens=500_000, cache_write_tokens=100_000)
    assert price.cost(usage) == pytest.approx(0.4 * 1.5 + 0.5 * 0.15 + 0.1 * 1.5 + 6)
