"""Backends, made of their settings: one function for each provider's protocol."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import assert_never
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from app.backends import litellm
from app.backends.anthropic import AnthropicBackend, anthropic_headers
from app.backends.anthropic_request import Options as AnthropicOptions
from app.backends.azure import AzureBackend, azure_key
from app.backends.chat_request import Differences
from app.backends.gemini import GeminiBackend, VertexBackend, gemini_key, vertex_address
from app.backends.http import Authorize, Connection
from app.backends.local import LocalBackend
from app.backends.openai import OpenAIBackend, bearer
from app.backends.responses import ResponsesBackend
from app.backends.responses_request import Options as ResponsesOptions
from app.backends.scripted import Script, ScriptedBackend
from app.backends.timeouts import Timeouts
from app.backends.token_file import token_from_file
from app.catalog.wording import read_as
from app.catalog.yaml_source import read_document
from app.domain.clock import NewId
from app.domain.errors import ContentError, Problem
from app.domain.protocols import Backend
from app.domain.signatures import ANTHROPIC, OPENAI, signer_named
from app.settings import Settings
from app.settings.backends import AnthropicBackend as AnthropicSettings
from app.settings.backends import AzureBackend as AzureSettings
from app.settings.backends import Backend as BackendSettings
from app.settings.backends import BedrockBackend as BedrockSettings
from app.settings.backends import GeminiBackend as GeminiSettings
from app.settings.backends import LiteLLMBackend as LiteLLMSettings
from app.settings.backends import LocalBackend as LocalSettings
from app.settings.backends import OpenAIBackend as OpenAISettings
from app.settings.backends import ResponsesBackend as ResponsesSettings
from app.settings.backends import ScriptedBackend as ScriptedSettings
from app.settings.backends import Timeouts as TimeoutSettings
from app.settings.backends import VertexBackend as VertexSettings
from app.settings.data_uses import switches_of
from app.settings.presets import presets

_VENDORS = {ANTHROPIC: "api.anthropic.com", OPENAI: "api.openai.com"}
"""Where the vendors of wire formats are themselves."""


def backend_of(
    settings: BackendSettings, root: Path, session: aiohttp.ClientSession, new_id: NewId
) -> Backend:
    """A backend as its settings say.

    Raises:
        ContentError: It needs an extra that is not installed, or a credential that is not there.
    """
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
        case LiteLLMSettings():
            return _litellm(settings)
        case LocalSettings() | ScriptedSettings():
            return _inside(settings, root)
        case _:
            assert_never(settings)


def signers(settings: Settings) -> dict[str, str]:
    """Who signs what each backend gives.

    What clients of a wire format hold unmarked was signed where that format is at home. That is the
    vendor's own address, or the only one that the file has for it.
    """
    homes = {name: _home(each) for name, each in settings.backends.items()}
    made: dict[str, str] = {}
    for name, home in homes.items():
        made[name] = signer_named(name)
        if home is not None:
            vendor, host = home
            others = {each[1] for each in homes.values() if each is not None and each[0] == vendor}
            if host == _VENDORS[vendor] or len(others) == 1:
                made[name] = vendor
    return made


def _home(settings: BackendSettings) -> tuple[str, str | None] | None:
    """Whose wire format a backend is asked in that clients speak too, and at which host."""
    if isinstance(settings, AnthropicSettings):
        return ANTHROPIC, urlsplit(settings.base_url).hostname
    if isinstance(settings, ResponsesSettings):
        return OPENAI, urlsplit(settings.address).hostname
    return None


def _inside(settings: LocalSettings | ScriptedSettings, root: Path) -> Backend:
    """One that asks nobody."""
    if isinstance(settings, ScriptedSettings):
        return ScriptedBackend(read_script(settings.script, root))
    return LocalBackend(
        settings.gguf, context_tokens=settings.context_tokens, threads=settings.threads
    )


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
        server.max_tokens_field,
        server.seed_field,
        server.stream_options,
        server.lacks,
        frozenset(settings.leave_out),
    )
    if isinstance(settings, AzureSettings):
        to = _connection(settings, settings.base_url, session, azure_key(key))
        to = replace(to, authorize=_azure_tokens(settings))
        return AzureBackend(to, differences, api_version=settings.api_version)
    return OpenAIBackend(_connection(settings, server.base_url, session, bearer(key)), differences)


def _azure_tokens(settings: AzureSettings) -> Authorize | None:
    if settings.token_file is not None:
        return token_from_file(settings.token_file)
    if settings.auth == "key":
        return None
    try:
        from app.backends import azure_tokens  # noqa: PLC0415  # an optional extra
    except ModuleNotFoundError:
        what = "'auth: entra' needs a token_file instead, or: pip install 'banneton[azure]'"
        raise _unstartable(what) from None
    return azure_tokens.token_from_chain(settings.base_url)


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


def _litellm(settings: LiteLLMSettings) -> Backend:
    # The module itself loads LiteLLM only when it makes a backend, since that takes seconds.
    through = litellm.Through(
        settings.provider,
        settings.api_key.get_secret_value(),
        settings.base_url,
        {name: value.get_secret_value() for name, value in settings.headers.items()},
        _waits(settings.timeouts),
    )
    try:
        return litellm.LiteLLMBackend(through, leaves_out=settings.leave_out)
    except ModuleNotFoundError:
        raise _unstartable("type 'litellm' needs: pip install 'banneton[litellm]'") from None
    except ValueError as exc:
        raise _unstartable(str(exc)) from None


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
    headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
    return Connection(
        session,
        base_url,
        {**headers, **key},
        _waits(settings.timeouts),
        switches=switches_of(settings),
    )


def _waits(waits: TimeoutSettings) -> Timeouts:
    return Timeouts(
        connect_s=waits.connect_ms / 1000,
        first_token_s=waits.first_token_ms / 1000,
        between_tokens_s=waits.between_tokens_ms / 1000,
        total_s=waits.total_ms / 1000,
    )


def read_script(path: Path, root: Path) -> Script:
    """A script of answers.

    Raises:
        ContentError: Every mistake with its line and column.
    """
    return read_as(Script, read_document(path, root))
