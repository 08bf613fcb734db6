"""A provider's name as a backend of ``banneton.yaml``, with its key and a model to begin with."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.catalog.wording import choices
from app.catalog.yaml_writer import scalar_text
from app.domain.conversation import Json
from app.settings.presets import presets
from app.settings.values import http_url

LOCAL = "local"
_EMBEDDED_MODEL = "smollm2-135m-instruct"
_KEY_OF_URL = "MODEL_API_KEY"
_OTHERS: Mapping[str, tuple[dict[str, Json], str]] = {
    "anthropic": ({"leave_out": ["temperature", "top_p"]}, "ANTHROPIC_API_KEY"),
    "gemini": ({}, "GEMINI_API_KEY"),
}
"""Providers with a protocol of their own: what else to say of them, and their key."""
_MODELS = {
    "openai": "gpt-4.1-mini",
    "anthropic": "claude-sonnet-5-5",
    "gemini": "gemini-3-pro",
    LOCAL: _EMBEDDED_MODEL,
}
"""Where one is named in the guides, so that nobody has to look it up first."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A backend, and what is asked of it."""

    id: str
    backend: Mapping[str, Json]
    key: str | None
    """The environment variable that holds its key; none where it wants none."""
    model: str
    """Empty where nobody knows one to begin with."""

    @property
    def line(self) -> str:
        """The backend as one line of a file."""
        return f"{scalar_text(self.id)}: {_flow(dict(self.backend))}"

    @property
    def port(self) -> int:
        """Where a gateway in front of it may listen: a server on this machine may hold a port."""
        url = self.backend.get("base_url")
        preset = self.backend.get("preset")
        if url is None and isinstance(preset, str):
            url = presets()[preset].base_url
        is_taken = isinstance(url, str) and urlsplit(url).port == _PORT
        return _PORT + 1 if is_taken else _PORT


_PORT = 8000


def provider_names() -> list[str]:
    """All that can be named, the embedded model first."""
    return [LOCAL, *_OTHERS, *presets()]


def provider_named(name: str) -> Provider:
    """A provider by its name, or by the address of a server that speaks OpenAI's protocol.

    Raises:
        ValueError: There is none of that name, or no such address.
    """
    model = _MODELS.get(name, "")
    if name == LOCAL:
        return Provider(LOCAL, {"type": LOCAL}, None, model)
    if name in _OTHERS:
        more, key = _OTHERS[name]
        return Provider(name, {"type": name, "api_key": f"${{{key}}}", **more}, key, model)
    if "://" in name:
        url = http_url(name)
        wants_key = url.startswith("https://")
        key_of_url = {"api_key": f"${{{_KEY_OF_URL}}}"} if wants_key else {}
        backend: dict[str, Json] = {"type": "openai", "base_url": url, **key_of_url}
        return Provider("models", backend, _KEY_OF_URL if wants_key else None, model)
    preset = presets().get(name)
    if preset is None:
        raise ValueError("is no provider that is known by name")
    named: dict[str, Json] = {"type": "openai", "preset": name}
    if preset.key is not None:
        named["api_key"] = f"${{{preset.key}}}"
    return Provider(name, named, preset.key, model)


def wrong_provider(name: str) -> str:
    """Why there is no such provider; empty where there is one."""
    try:
        provider_named(name)
    except ValueError as exc:
        return f"{exc}{choices(name, provider_names())}"
    return ""


def _flow(value: Json) -> str:
    match value:
        case dict():
            inner = (f"{scalar_text(key)}: {_flow(each)}" for key, each in value.items())
            return f"{{{', '.join(inner)}}}"
        case list():
            return f"[{', '.join(map(_flow, value))}]"
        case _:
            return scalar_text(value)
