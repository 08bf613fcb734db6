"""What leaves the process, made of settings: backends, endpoints, and who may use them."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, assert_never

import aiohttp
from pydantic import SecretStr

from app.backends.anthropic import AnthropicBackend, anthropic_headers
from app.backends.anthropic_request import Options as AnthropicOptions
from app.backends.azure import AzureBackend, azure_key
from app.backends.chat_request import Differences
from app.backends.gemini import GeminiBackend, VertexBackend, gemini_key, vertex_address
from app.backends.http import Connection
from app.backends.local import LocalBackend
from app.backends.openai import OpenAIBackend, bearer
from app.backends.outside import Answers, Endpoint, Reach
from app.backends.responses import ResponsesBackend
from app.backends.responses_request import Options as ResponsesOptions
from app.backends.scripted import Script, ScriptedBackend
from app.backends.timeouts import Timeouts
from app.backends.token_file import token_from_file
from app.catalog.wording import read_as, unknown
from app.catalog.yaml_source import read_document
from app.domain.catalog import Catalog, Source
from app.domain.clock import Clock, NewId
from app.domain.errors import ContentError, Problem
from app.domain.policy import DetectSpec
from app.domain.protocols import Backend
from app.guardrails.detector import Need, Place
from app.guardrails.plan import Kinds
from app.pipeline.loaded import Loaded
from app.settings import ServiceEndpoint, Settings, WebhookEndpoint
from app.settings.backends import AnthropicBackend as AnthropicSettings
from app.settings.backends import AzureBackend as AzureSettings
from app.settings.backends import Backend as BackendSettings
from app.settings.backends import BedrockBackend as BedrockSettings
from app.settings.backends import GeminiBackend as GeminiSettings
from app.settings.backends import LocalBackend as LocalSettings
from app.settings.backends import OpenAIBackend as OpenAISettings
from app.settings.backends import ResponsesBackend as ResponsesSettings
from app.settings.backends import ScriptedBackend as ScriptedSettings
from app.settings.backends import VertexBackend as VertexSettings
from app.settings.presets import presets

_AT_ONCE = 32
"""Requests to one endpoint's host at a time."""


async def start_backends(
    settings: Settings,
    root: Path,
    loaded: Loaded,
    kinds: Kinds,
    new_id: NewId,
    stack: AsyncExitStack,
) -> dict[str, Backend]:
    """The backends that personas and detectors use; those that none uses are not loaded."""
    session = await _session(stack, limit_per_host=0)
    backends: dict[str, Backend] = {}
    for name in sorted(used_backends(loaded, kinds)):
        backend = backends[name] = _backend(settings.backends[name], root, session, new_id)
        stack.push_async_callback(backend.close)
    return backends


async def open_reach(
    settings: Settings,
    backends: Mapping[str, Backend],
    clock: Clock,
    new_id: NewId,
    stack: AsyncExitStack,
) -> Reach:
    """What detectors can ask."""
    return Reach(
        backends=backends,
        endpoints={name: _endpoint(each) for name, each in settings.endpoints.items()},
        session=await _session(stack, limit_per_host=_AT_ONCE),
        answers=Answers(secrets.token_bytes(32)),
        clock=clock,
        new_id=new_id,
    )


def used_backends(loaded: Loaded, kinds: Kinds) -> set[str]:
    """The backends of every route that a persona or a detector uses."""
    routes = [route for served in loaded.served.values() for route in served.routes]
    for use in _uses(loaded.catalog):
        needs = [need for need in _needs(use.detect, kinds) if need.place is Place.ROUTE]
        routes += [loaded.routes[need.name] for need in needs]
    return {target.backend for route in routes for target in route.all_targets}


def unmet_needs(catalog: Catalog, settings: Settings, kinds: Kinds) -> Iterator[Problem]:
    """Detectors that ask what ``banneton.yaml`` does not name, or what takes none of theirs."""
    for use in _uses(catalog):
        for need in _needs(use.detect, kinds):
            if what := _unmet(need, catalog, settings):
                setting = f"{use.detect.detector}.{need.setting}"
                source = _source(catalog, use.file, f"{use.place}.{setting}")
                where = f"{use.said_as}.{setting}"
                yield Problem(source.file, source.line, source.column, where, what)


def _unmet(need: Need, catalog: Catalog, settings: Settings) -> str:
    """Why what a detector needs is not there; empty where it is."""
    if need.place is not Place.ROUTE:
        known = [name for name, each in settings.endpoints.items() if each.type == need.place.value]
        kind = f"endpoint of type '{need.place}'"
        return "" if need.name in known else unknown(kind, need.name, known)
    route = catalog.routes.get(need.name)
    if route is None:
        return unknown("route", need.name, list(catalog.routes))
    if any(target.when.takes("", "") for target in route.all_targets):
        return ""
    return (
        f"is '{need.name}', whose targets each want an audience or a persona: a detector asks for "
        "neither; add one without that"
    )


@dataclass(frozen=True, slots=True)
class _Use:
    """Where files use a detector."""

    file: str
    place: str
    """In the merged file, as the catalog's sources name it."""
    said_as: str
    """The same for people, by ids."""
    detect: DetectSpec


def _uses(catalog: Catalog) -> Iterator[_Use]:
    for name, policy in catalog.policies.items():
        for index, rule in enumerate(policy.rules):
            place, said_as = f"rules[{index}].detect", f"rules.{rule.id}.detect"
            yield _Use(f"policies/{name}.yaml", place, said_as, rule.detect)
    personas = [*catalog.personas.items()]
    personas += [(name, persona) for (name, _), persona in catalog.variants.items()]
    for name, persona in personas:
        for index, behaviour in enumerate(persona.behaviours):
            if behaviour.verify is not None:
                detect = DetectSpec(behaviour.verify.detector, behaviour.verify.settings)
                place, said_as = f"behaviours[{index}].verify", f"behaviours.{behaviour.id}.verify"
                yield _Use(f"personas/{name}.yaml", place, said_as, detect)


def _needs(detect: DetectSpec, kinds: Kinds) -> list[Need]:
    kind = kinds[detect.detector]
    settings: Any = kind.settings.model_validate(detect.settings)
    return list(kind.needs(settings))


def _source(catalog: Catalog, file: str, path: str) -> Source:
    """Where it stands, or what it is left out of."""
    while path and (file, path) not in catalog.sources:
        path = path.rpartition(".")[0]
    return catalog.sources.get((file, path), Source(file, 0, 0))


async def _session(stack: AsyncExitStack, *, limit_per_host: int) -> aiohttp.ClientSession:
    return await stack.enter_async_context(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=limit_per_host, keepalive_timeout=60
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Detectors have deadlines of their own, and backends wait as their settings say.
            timeout=aiohttp.ClientTimeout(total=None),
        )
    )


def _endpoint(settings: WebhookEndpoint | ServiceEndpoint) -> Endpoint:
    match settings:
        case WebhookEndpoint():
            return Endpoint(settings.url, signing_key=settings.signing_key())
        case ServiceEndpoint():
            headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
            if settings.api_key is not None:
                headers["authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
            return Endpoint(settings.url, headers)
        case _:
            assert_never(settings)


def _backend(
    settings: BackendSettings, root: Path, session: aiohttp.ClientSession, new_id: NewId
) -> Backend:
    match settings:
        case OpenAISettings() | AzureSettings() | ResponsesSettings():
            return _openai(settings, session)
        case AnthropicSettings():
            return _anthropic(settings, session)
        case BedrockSettings():
            return _bedrock(settings, session)
        case GeminiSettings() | VertexSettings():
            to = _gemini_connection(settings, session)
            leaves_out = settings.leave_out
            kind = GeminiBackend if isinstance(settings, GeminiSettings) else VertexBackend
            return kind(to, new_id, thinking=settings.thinking, leaves_out=leaves_out)
        case LocalSettings():
            return LocalBackend(
                settings.gguf, context_tokens=settings.context_tokens, threads=settings.threads
            )
        case ScriptedSettings():
            return ScriptedBackend(read_script(settings.script, root))
        case _:
            assert_never(settings)


def _openai(
    settings: OpenAISettings | AzureSettings | ResponsesSettings, session: aiohttp.ClientSession
) -> Backend:
    key = _secret(settings.api_key)
    if isinstance(settings, ResponsesSettings):
        to = _connection(settings, settings.address, session, bearer(key))
        options = ResponsesOptions(settings.encrypted_reasoning, settings.summary)
        return ResponsesBackend(to, options, leaves_out=settings.leave_out)
    server = presets()["openai"] if isinstance(settings, AzureSettings) else settings.server
    differences = Differences(
        server.max_tokens_field, server.seed_field, server.stream_options, server.lacks
    )
    if isinstance(settings, AzureSettings):
        to = _connection(settings, settings.base_url, session, azure_key(key))
        return AzureBackend(to, differences, api_version=settings.api_version)
    return OpenAIBackend(_connection(settings, server.base_url, session, bearer(key)), differences)


def _gemini_connection(
    settings: GeminiSettings | VertexSettings, session: aiohttp.ClientSession
) -> Connection:
    if isinstance(settings, GeminiSettings):
        key = gemini_key(_secret(settings.api_key))
        return _connection(settings, settings.base_url, session, key)
    base_url = settings.base_url or vertex_address(settings.project, settings.location)
    to = _connection(settings, base_url, session, {})
    if settings.token_file is not None:
        return replace(to, authorize=token_from_file(settings.token_file))
    try:
        from app.backends import google_tokens  # noqa: PLC0415  # an optional extra
    except ModuleNotFoundError:
        raise _unstartable(
            "type 'vertex' needs a token_file, or: pip install 'banneton[vertex]'"
        ) from None
    try:
        return replace(to, authorize=google_tokens.token_from_chain())
    except ValueError as exc:
        raise _unstartable(str(exc)) from None


def _secret(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _anthropic(settings: AnthropicSettings, session: aiohttp.ClientSession) -> Backend:
    key = settings.api_key.get_secret_value() if settings.api_key else None
    headers = anthropic_headers(key, settings.version)
    options = AnthropicOptions(settings.version, settings.thinking, settings.max_tokens)
    to = _connection(settings, settings.base_url, session, headers)
    return AnthropicBackend(to, options, leaves_out=settings.leave_out)


def _bedrock(settings: BedrockSettings, session: aiohttp.ClientSession) -> Backend:
    try:
        from app.backends import bedrock  # noqa: PLC0415  # an optional extra of 30 MB
    except ModuleNotFoundError:
        raise _unstartable("type 'bedrock' needs: pip install 'banneton[bedrock]'") from None
    key = settings.api_key.get_secret_value() if settings.api_key else None
    base_url = settings.base_url or bedrock.endpoint_of(settings.region)
    to = _connection(settings, base_url, session, bearer(key))
    if settings.access_key_id is not None and settings.secret_access_key is not None:
        token = settings.session_token
        keys = bedrock.Keys(
            settings.access_key_id.get_secret_value(),
            settings.secret_access_key.get_secret_value(),
            token.get_secret_value() if token else None,
        )
        to = replace(to, authorize=bedrock.signed_by_keys(keys, settings.region))
    elif key is None:
        try:
            authorize = bedrock.signed_by_chain(settings.profile, settings.region)
        except ValueError as exc:
            raise _unstartable(str(exc)) from None
        to = replace(to, authorize=authorize)
    return bedrock.BedrockBackend(to, thinking=settings.thinking, leaves_out=settings.leave_out)


def _unstartable(what: str) -> ContentError:
    return ContentError([Problem("banneton.yaml", 0, 0, "backends", what)])


def _connection(
    settings: OpenAISettings
    | ResponsesSettings
    | AnthropicSettings
    | BedrockSettings
    | GeminiSettings
    | VertexSettings
    | AzureSettings,
    base_url: str,
    session: aiohttp.ClientSession,
    key: Mapping[str, str],
) -> Connection:
    """How an endpoint is reached; ``key`` are the headers of its protocol, such as its key's."""
    waits = settings.timeouts
    headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
    return Connection(
        session,
        base_url,
        {**headers, **key},
        Timeouts(
            connect_s=waits.connect_ms / 1000,
            first_token_s=waits.first_token_ms / 1000,
            between_tokens_s=waits.between_tokens_ms / 1000,
            total_s=waits.total_ms / 1000,
        ),
    )


def read_script(path: Path, root: Path) -> Script:
    """A script of answers.

    Raises:
        ContentError: Every mistake with its line and column.
    """
    return read_as(Script, read_document(path, root))


def refuse_stopped_backends(loaded: Loaded, kinds: Kinds, running: Mapping[str, Backend]) -> None:
    """Refuse a reload that needs a backend which was not started; at the start none is running.

    Raises:
        ContentError: It needs one.
    """
    stopped = sorted(used_backends(loaded, kinds) - set(running))
    if running and stopped:
        what = f"is new; restart the gateway to start it ({', '.join(stopped)})"
        raise ContentError([Problem("banneton.yaml", 0, 0, "backends", what)])
