"""What providers may do with what they are sent, and what holds them off."""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from ipaddress import ip_address
from types import MappingProxyType
from typing import Self, assert_never
from urllib.parse import urlsplit

from pydantic import TypeAdapter, model_validator

from app.domain.data_use import NO_SWITCHES, Call, DataUse, Json, Switches
from app.domain.persona import FileModel
from app.settings import ServiceEndpoint
from app.settings.backends import (
    AnthropicBackend,
    AzureBackend,
    Backend,
    BedrockBackend,
    GeminiBackend,
    LiteLLMBackend,
    LocalBackend,
    OpenAIBackend,
    ResponsesBackend,
    ScriptedBackend,
    VertexBackend,
)

YOURS = "yours"
_SAME_TERMS = {
    "moonshot-international": "moonshot",
    "qwen-international": "qwen",
    "zai": "zhipu",
    **dict.fromkeys(("vllm", "sglang", "ollama", "lm-studio", "llama.cpp"), YOURS),
}
"""Presets whose provider has another name among these."""


class HeldOffBy(StrEnum):
    """What keeps a provider from a use."""

    REQUEST = "request"
    TERMS = "terms"
    ACCOUNT = "account"
    NOTHING = "nothing"
    YOURS = "yours"


class HeldOff(FileModel):
    """How one provider is held off one use."""

    by: HeldOffBy
    what: str
    source: str
    fields: Mapping[Call, Mapping[str, Json]] = {}

    @model_validator(mode="after")
    def _request_has_fields(self) -> Self:
        if (self.by is HeldOffBy.REQUEST) is not bool(self.fields):
            raise ValueError("a request forbids by fields, and nothing else has any")
        return self


class Provider(FileModel):
    """One provider, as ``data_uses.toml`` describes it."""

    hosts: tuple[str, ...]
    litellm: str | None = None
    train: HeldOff
    store: HeldOff

    def held_off(self, use: DataUse) -> HeldOff:
        """How it is held off a use."""
        match use:
            case DataUse.TRAIN:
                return self.train
            case DataUse.STORE:
                return self.store


@cache
def providers() -> Mapping[str, Provider]:
    """All that are known, by name."""
    text = files("app.settings").joinpath("data_uses.toml").read_text("utf-8")
    read = TypeAdapter(dict[str, Provider]).validate_python(tomllib.loads(text))
    return MappingProxyType(read)


def provider_of(backend: Backend | ServiceEndpoint) -> str | None:
    """Who gets what a backend is sent, by name; none where nobody knows."""
    address: str | None = None
    name: str | None = None
    match backend:
        case LocalBackend() | ScriptedBackend():
            name = YOURS
        case OpenAIBackend():
            address, name = backend.server.base_url, backend.preset
        case ResponsesBackend():
            is_named = "preset" in backend.model_fields_set
            address, name = backend.address, backend.preset if is_named else None
        case AnthropicBackend():
            address = backend.base_url
        # Nobody else speaks these; another address is a gateway in between.
        case AzureBackend() | BedrockBackend() | GeminiBackend() | VertexBackend():
            name = backend.type
        case LiteLLMBackend():
            known = (each for each, it in providers().items() if it.litellm == backend.provider)
            name = next(known, None)
        case ServiceEndpoint():
            address = backend.url
        case _:
            assert_never(backend)
    host = urlsplit(address or "").hostname or ""
    known_by = _at(host) or _SAME_TERMS.get(name or "", name)
    return known_by or (YOURS if _is_private(host) else None)


def _at(host: str) -> str | None:
    for name, provider in providers().items():
        if host in provider.hosts:
            return name
    for name, provider in providers().items():
        if any(each.startswith(".") and host.endswith(each) for each in provider.hosts):
            return name
    return None


def _is_private(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return False


def switches_of(backend: Backend) -> Switches:
    """What a backend is sent to forbid its provider each use."""
    provider = providers().get(provider_of(backend) or "")
    if provider is None:
        return NO_SWITCHES
    return Switches({use: provider.held_off(use).fields for use in DataUse})


def unforbidden(backend: Backend | ServiceEndpoint, use: DataUse) -> str | None:
    """Why nothing is known to hold a backend's provider off a use; none where something does."""
    if isinstance(backend, LocalBackend | ScriptedBackend) or use in backend.assured:
        return None
    name = provider_of(backend)
    provider = providers().get(name or "")
    if provider is None:
        return "what the server at this address does with it is not known."
    held = provider.held_off(use)
    match held.by:
        case HeldOffBy.TERMS | HeldOffBy.YOURS:
            return None
        case HeldOffBy.REQUEST:
            # LiteLLM is asked for an answer, in its words alone.
            through = isinstance(backend, LiteLLMBackend)
            return f"LiteLLM is not asked to say so to '{name}'." if through else None
        case HeldOffBy.ACCOUNT | HeldOffBy.NOTHING:
            return f"'{name}' has no switch for it in a request. {held.what}"
