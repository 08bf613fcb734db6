"""What providers may do with what they are sent: what stands in requests, and what is warned of."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from pydantic import SecretStr

from app.backends.anthropic import AnthropicBackend as AnthropicAsked
from app.backends.http import Connection
from app.backends.openai import OpenAIBackend as OpenAIAsked
from app.backends.routing import Way
from app.backends.timeouts import Timeouts
from app.catalog.read import read_deployment
from app.domain.catalog import Route, Target
from app.domain.conversation import Conversation, ImagePart, Inline, Role, TextPart
from app.domain.data_use import Call, DataUse, Switches, over
from app.domain.errors import BackendError, RequestError
from app.domain.events import StreamEvent
from app.domain.protocols import Backend, Question
from app.domain.wanted import Embeddings, Pictures
from app.main import SystemClock, load_project
from app.outgoing import unforbidden_uses
from app.providers import backend_of
from app.settings import settings_from
from app.settings.backends import Backend as Settings
from app.settings.backends import LiteLLMBackend, OpenAIBackend
from app.settings.data_uses import HeldOffBy, provider_of, providers, switches_of, unforbidden
from app.settings.presets import presets
from tests.backends.contract import conversation
from tests.cli.running import run
from tests.e2e.project import write_project
from tests.guardrails.reaching import ROUTES, far
from tests.servers.anthropic_server import anthropic_server
from tests.servers.azure_server import KEY as AZURE_KEY
from tests.servers.azure_server import azure_server
from tests.servers.openai_server import OpenAIServer, openai_server
from tests.servers.responses_server import responses_server

Json = Any
NEVER = {"data_collection": "deny", "zdr": True}
PIXEL = Inline("image/png", "iVBORw0KGgo=")
BOTH = frozenset(DataUse)


def only(*texts: str, **more: Any) -> Conversation:  # noqa: ANN401  # fields of a conversation
    """A request of one message without a prompt."""
    said = conversation().messages[1]
    return Conversation(
        "p", (replace(said, parts=tuple(map(TextPart, texts))),), is_stream=False, **more
    )


def settings_in(root: Path, backend: Mapping[str, Json]) -> Settings:
    """A backend's settings, as a file says them."""
    root.mkdir(parents=True)
    (root / "banneton.yaml").write_bytes(orjson.dumps({"backends": {"model": backend}}))
    return settings_from(read_deployment(root), {"KEY": AZURE_KEY}, root).backends["model"]


@asynccontextmanager
async def made(root: Path, backend: Mapping[str, Json]) -> AsyncIterator[Backend]:
    """A backend of these settings, as the gateway makes it."""
    settings = settings_in(root, backend)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield backend_of(settings, root, session, str)


async def sent(
    server: OpenAIServer,
    backend: Backend,
    asked: Conversation,
    may: frozenset[DataUse] = frozenset(),
) -> Json:
    """The body of a request as it stands on the wire, by a route that allows these."""
    route = Route("r", (Target("model", "m"),), provider_may=may)
    way = Way(route, route.targets, {"model": backend}, SystemClock())
    events: list[StreamEvent] = []
    try:
        events += [each async for each in way.stream(asked)]
    except BackendError:  # the fake is OpenAI's, and refuses what another provider would take
        assert not events
    return server.requests[-1].body


@pytest.mark.parametrize(
    "may", [frozenset(), BOTH, frozenset({DataUse.TRAIN})], ids=["nothing", "both", "train"]
)
async def test_openai_is_told_to_store_nothing(tmp_path: Path, may: frozenset[DataUse]) -> None:
    """A provider would keep what no route allows it to keep, streamed or not."""
    async with openai_server() as server:
        wanted = {"type": "openai", "preset": "openai", "base_url": server.base_url}
        async with made(tmp_path / "p", wanted) as backend:
            for is_stream in (True, False):
                body = await sent(server, backend, conversation("Hi", is_stream=is_stream), may)
                assert body.get("store", True) is (DataUse.STORE in may)
            vectors = await sent(server, backend, only("a", wanted=Embeddings(None)))
            assert set(vectors) == {"model", "input"}


@pytest.mark.parametrize(
    ("may", "said"),
    [
        (frozenset(), NEVER),
        (frozenset({DataUse.STORE}), {"data_collection": "deny"}),
        (frozenset({DataUse.TRAIN}), {"zdr": True}),
        (BOTH, None),
    ],
    ids=["neither", "store", "train", "both"],
)
async def test_openrouter_is_told_in_every_call(
    tmp_path: Path, may: frozenset[DataUse], said: Json
) -> None:
    """A call of one kind would go to a provider that trains on it, while others do not."""
    async with openai_server() as server:
        wanted = {"type": "openai", "preset": "openrouter", "base_url": server.base_url}
        async with made(tmp_path / "p", wanted) as backend:
            for asked in (
                conversation("Hi"),
                only("a", wanted=Embeddings(None)),
                only("a crumb", wanted=Pictures()),
            ):
                assert (await sent(server, backend, asked, may)).get("provider") == said
    async with responses_server() as server:
        wanted = {"type": "responses", "preset": "openrouter", "base_url": server.base_url}
        async with made(tmp_path / "r", wanted) as backend:
            body = await sent(server, backend, conversation("Hi"), may)
            assert body.get("provider") == said
            assert body.get("store", True) is (DataUse.STORE in may)


async def test_a_client_cannot_undo_it(tmp_path: Path) -> None:
    """What passes through would open what the route keeps shut; the rest of it would be lost."""
    theirs = {"provider": {"data_collection": "allow", "zdr": False, "order": ["x"]}, "store": True}
    async with openai_server() as server:
        for preset, said in (
            ("openrouter", {"provider": {**NEVER, "order": ["x"]}, "store": True}),
            ("openai", {"provider": theirs["provider"], "store": False}),
        ):
            wanted = {"type": "openai", "preset": preset, "base_url": server.base_url}
            async with made(tmp_path / preset, wanted) as backend:
                body = await sent(server, backend, replace(conversation("Hi"), passthrough=theirs))
                assert {name: body[name] for name in said} == said


async def test_what_a_form_cannot_say_is_not_sent() -> None:
    """A picture would reach a provider that was not told what it may not do with it."""
    switches = Switches({DataUse.TRAIN: {Call.IMAGES: {"provider": {"data_collection": "deny"}}}})
    async with openai_server() as server, aiohttp.ClientSession() as session:
        to = Connection(session, server.base_url, {}, Timeouts(), switches=switches)
        said = only("a crumb", wanted=Pictures())
        (message,) = said.messages
        shows = replace(
            said, messages=(replace(message, parts=(*message.parts, ImagePart(PIXEL))),)
        )
        with pytest.raises(RequestError, match="cannot be told in a form"):
            await sent(server, OpenAIAsked(to), shows)
        assert not server.requests


async def test_anthropic_messages_carry_switches() -> None:
    """A provider behind this protocol would not be told."""
    switches = Switches({DataUse.STORE: {Call.MESSAGES: {"provider": {"zdr": True}}}})
    async with anthropic_server() as server, aiohttp.ClientSession() as session:
        to = Connection(session, server.base_url, {}, Timeouts(), switches=switches)
        body = await sent(server, AnthropicAsked(to), conversation("Hi"))
        assert body["provider"] == {"zdr": True}


@pytest.mark.parametrize(
    ("version", "is_told"), [(None, True), ("2025-02-01-preview", True), ("2024-10-21", False)]
)
async def test_azure_is_told_where_it_understands(
    tmp_path: Path, version: str | None, *, is_told: bool
) -> None:
    """Azure would keep completions, or an older version refuse every request."""
    async with azure_server() as server:
        wanted = {
            "type": "azure",
            "base_url": server.base_url,
            "api_key": "${KEY}",
            "api_version": version,
        }
        async with made(tmp_path / "p", wanted) as backend:
            body = await sent(server, backend, conversation("Hi"))
            assert ("store" in body) is is_told


async def test_what_detectors_ask_carries_switches() -> None:
    """A judge would show a text to a provider that keeps it."""
    async with far() as there:
        asked = there.reach.backends["model"]
        assert isinstance(asked, OpenAIAsked)
        switches = switches_of(OpenAIBackend(type="openai", preset="openai"))
        to = Connection(there.reach.session, there.models.base_url, {}, Timeouts(), None, switches)
        reach = replace(there.reach, backends={"model": OpenAIAsked(to)})
        outside = reach.asking("acme", ROUTES)
        await outside.complete("judge", Question(((Role.USER, "Is it so?"),)), str)
        assert there.models.requests[-1].body["store"] is False


def backend_at(**fields: Json) -> OpenAIBackend:
    """Settings without what reads them from a file."""
    return OpenAIBackend.model_construct(
        type="openai", **{"preset": None, "base_url": None, **fields}
    )


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "openai"),
        ({"base_url": "https://api.openai.com/v1"}, "openai"),
        ({"base_url": "https://bread.openai.azure.com/openai/v1"}, "azure"),
        ({"base_url": "https://openai.azure.com.example.org/v1"}, None),
        ({"base_url": "https://notopenai.azure.com/v1"}, None),
        ({"base_url": "https://another-api.openai.com/v1"}, None),
        ({"base_url": "https://api.openai.com.example.org/v1"}, None),
        ({"base_url": "https://proxy.example.org/v1", "preset": "mistral"}, "mistral"),
        ({"base_url": "https://openrouter.ai/api/v1", "preset": "openai"}, "openrouter"),
        ({"preset": "zai"}, "zhipu"),
        ({"preset": "ollama"}, "yours"),
        ({"base_url": "http://10.0.0.5:8080/v1"}, "yours"),
        ({"base_url": "http://localhost:8080/v1"}, "yours"),
        ({"base_url": "http://8.8.8.8/v1"}, None),
        ({"base_url": "http://house:8080/v1"}, None),
    ],
    ids=str,
)
def test_who_gets_it(fields: Json, name: str | None) -> None:
    """A provider would not be told, or a stranger be taken for one's own machine."""
    assert provider_of(backend_at(**fields)) == name


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_preset_is_looked_up(name: str) -> None:
    """A provider that is offered by name would be asked without anybody having looked."""
    backend = OpenAIBackend(type="openai", preset=name)
    assert provider_of(backend) in providers()
    assert provider_of(backend_at(base_url=presets()[name].base_url)) == provider_of(backend)


@pytest.mark.parametrize("name", sorted(providers()))
def test_what_is_known_of_a_provider_is_whole(name: str) -> None:
    """The table would say something without a source, or a switch have no effect."""
    for use in DataUse:
        held = providers()[name].held_off(use)
        assert held.what.endswith(".")
        assert held.source.startswith("https://") is (held.by is not HeldOffBy.YOURS)


def test_what_litellm_is_asked_is_not_taken_for_told() -> None:
    """Nobody would be warned that a switch of a provider is not set through LiteLLM."""
    for provider, why in (("openrouter", "LiteLLM"), ("nobody", "not known")):
        through = LiteLLMBackend.model_construct(
            type="litellm", provider=provider, api_key=SecretStr("k")
        )
        assert why in (unforbidden(through, DataUse.TRAIN) or "")


def test_fields_of_two_sources() -> None:
    """The gateway's word would not hold, or what it says nothing about be lost."""
    assert over({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}, "b": {"z": 1}}) == {
        "a": {"x": 1, "y": 3},
        "b": {"z": 1},
    }


BACKENDS = """
backends:
  vendor: {type: openai, preset: openai}
  claude: {type: anthropic%s}
  house: {type: openai, base_url: http://10.0.0.5/v1}
  stranger: {type: openai, base_url: https://models.example.org/v1}
  idle: {type: openai, preset: deepseek}
endpoints:
  moderation: {type: service, url: "https://api.openai.com/v1/moderations"}
  elsewhere: {type: service, url: "https://guard.example.org/check"}
routes:
  balanced: {backend: claude, model: m, fallbacks: [{backend: stranger, model: n}]%s}
  hurried: {backend: vendor, model: m}
  nowhere: {backend: house, model: m}
  vectors: {backend: vendor, model: m}
  pictures: {backend: vendor, model: m}
"""


@pytest.mark.parametrize(
    ("assured", "may", "warned"),
    [
        ("", "", {("claude", "store"), ("stranger", "train"), ("stranger", "store")}),
        (
            ", assured: {store: zero data retention}",
            "",
            {("stranger", "train"), ("stranger", "store")},
        ),
        ("", ", provider_may: [store]", {("stranger", "train")}),
        ("", ", provider_may: [store, train]", set()),
    ],
    ids=["by default", "an agreement", "storing allowed", "all allowed"],
)
def test_check_warns_of_what_nothing_forbids(
    root: Path, assured: str, may: str, warned: set[tuple[str, str]]
) -> None:
    """A provider would train on what users say, and nobody have been told."""
    (root / "banneton.yaml").write_text(BACKENDS % (assured, may), "utf-8")
    project = load_project(root, reads_secrets=False)
    found = sorted(unforbidden_uses(project.load().catalog, project.settings))
    at = {(each.path.rpartition(".")[2], each.what.split()[1]) for each in found}
    assert at == {*warned, ("elsewhere", "train"), ("elsewhere", "store")}
    lines = (root / "banneton.yaml").read_text("utf-8").splitlines()
    for each in found:
        assert lines[each.line - 1].strip().startswith(f"{each.path.rpartition('.')[2]}:")
        assert "assured: {" in each.what
    ended = run("check", "--root", root, "--no-cases")
    assert ended.status == 0
    assert ended.out.count("warning: banneton.yaml:") == len(found)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose deployment a test writes."""
    write_project(tmp_path / "project", "http://127.0.0.1:9/v1")
    return tmp_path / "project"
