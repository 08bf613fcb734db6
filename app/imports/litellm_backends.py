"""LiteLLM's deployments as backends: one for each provider, address and key.

Source: https://docs.litellm.ai/docs/providers and ``/docs/proxy/configs``, as of 2026.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from app.catalog.document import Node
from app.imports.persona_writer import Tree
from app.imports.taking import Taking

_ENVIRON = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
_PRESETS: Mapping[str, str] = {
    "deepseek": "deepseek",
    "mistral": "mistral",
    "groq": "groq",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "openrouter": "openrouter",
    "moonshot": "moonshot-international",
    "dashscope": "qwen-international",
    "volcengine": "doubao",
    "zai": "zai",
    "hosted_vllm": "vllm",
    "lm_studio": "lm-studio",
    "ollama": "ollama",
    "ollama_chat": "ollama",
}
_KEYS: Mapping[str, str] = {
    "openai": "OPENAI_API_KEY",
    "azure": "AZURE_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "groq": "GROQ_API_KEY",
    "together_ai": "TOGETHERAI_API_KEY",
    "fireworks_ai": "FIREWORKS_AI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "moonshot": "MOONSHOT_API_KEY",
    "dashscope": "DASHSCOPE_API_KEY",
    "volcengine": "VOLCENGINE_API_KEY",
    "zai": "ZAI_API_KEY",
}
"""Where LiteLLM looks for a key that the file does not name."""
_BY_NAME = {"claude": "anthropic", "gemini": "gemini", "mistral": "mistral", "deepseek": "deepseek"}
"""Whose a model is that is named without its provider."""
_WANTS_NO_KEY = {"ollama", "ollama_chat", "hosted_vllm", "lm_studio"}
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?")
_MILLISECONDS = 1_000
_MOST_MS = 3_600_000


class CannotCarryError(Exception):
    """There is no such backend here, and why."""


@dataclass(slots=True)
class Backends:
    """All backends so far, and how they are named."""

    taking: Taking
    trees: dict[str, Tree] = field(default_factory=dict)

    def of(self, params: Node) -> tuple[str, str]:
        """The backend and the model of a deployment's ``litellm_params``.

        Raises:
            CannotCarryError: There is no such backend here.
        """
        named = params.child("model")
        provider, model = _split((named.text if named else None) or "")
        if not model or "*" in model:
            raise CannotCarryError("names no one model; write one route for each model")
        making = _Making(params, provider, self)
        tree = _MAKERS.get(provider, _Making.other)(making)
        self.taking.take(named)
        making.waits(tree)
        for name, there in self.trees.items():
            if there == tree:
                return name, making.model(model)
        name = self._free(provider.replace("_", "-"))
        self.trees[name] = tree
        return name, making.model(model)

    def _free(self, wanted: str) -> str:
        number, name = 1, wanted
        while name in self.trees:
            number += 1
            name = f"{wanted}-{number}"
        return name

    def reference(self, node: Node | None, otherwise: str) -> str | None:
        """A secret as a reference to the environment, whatever stands in the file."""
        text = self.taking.text(node)
        if node is None or not text:
            return None
        if found := _ENVIRON.fullmatch(text):
            self.taking.take(node)
            return f"${{{found[1]}}}"
        name = re.sub(r"[^A-Z0-9]+", "_", otherwise.upper()).strip("_")
        what = f"stands in plain text, and is not copied: put it into the variable {name}, which "
        self.taking.leave(node, what + "stands for it now, and change it, as files are kept")
        return f"${{{name}}}"


def _split(model: str) -> tuple[str, str]:
    provider, slash, rest = model.partition("/")
    if slash:
        return provider.lower(), rest
    for start, known in _BY_NAME.items():
        if model.startswith(start):
            return known, model
    return "openai", model


@dataclass(frozen=True, slots=True)
class _Making:
    params: Node
    provider: str
    backends: Backends

    def model(self, name: str) -> str:
        return name.removeprefix("converse/") if self.provider == "bedrock" else name

    def key(self) -> str | None:
        known = _KEYS.get(self.provider)
        given = self.backends.reference(
            self.params.child("api_key"), known or f"{self.provider}_API_KEY"
        )
        default = f"${{{known}}}" if known else None
        return given or (None if self.provider in _WANTS_NO_KEY else default)

    def address(self, suffix: str = "") -> str | None:
        """Where the server is; a reference, where the address would give away a secret."""
        node = self.params.child("api_base") or self.params.child("base_url")
        text = (node.text if node else None) or ""
        if node is None or not text:
            return None
        parts = urlsplit(text)
        if _ENVIRON.fullmatch(text) or "@" in parts.netloc or parts.query or not parts.hostname:
            return self.backends.reference(node, f"{self.provider}_API_BASE")
        self.backends.taking.take(node)
        base = text.rstrip("/")
        return base if not suffix or base.endswith(suffix) else base + suffix

    def text(self, key: str) -> str | None:
        """A value that may be a reference, as ours may be."""
        node = self.params.child(key)
        value = (node.text if node else None) or ""
        if found := _ENVIRON.fullmatch(value):
            value = f"${{{found[1]}}}"
        self.backends.taking.take(node)
        return value or None

    def waits(self, tree: Tree) -> None:
        waits: Tree = {}
        for theirs, ours in (("timeout", "total_ms"), ("stream_timeout", "first_token_ms")):
            seconds = self.backends.taking.number(self.params.child(theirs))
            if seconds is not None and 1 <= seconds * _MILLISECONDS <= _MOST_MS:
                waits[ours] = int(seconds * _MILLISECONDS)
        if waits:
            tree["timeouts"] = waits

    def openai(self) -> Tree:
        base = self.address()
        where: Tree = {"base_url": base} if base else {"preset": "openai"}
        return {"type": "openai", **where, "api_key": self.key()}

    def preset(self) -> Tree:
        base = self.address("/v1" if self.provider in {"ollama", "ollama_chat"} else "")
        tree: Tree = {"type": "openai", "preset": _PRESETS[self.provider]}
        tree |= {"base_url": base} if base else {}
        key = self.key()
        return tree | ({"api_key": key} if key else {})

    def azure(self) -> Tree:
        base = self.address()
        if base is None:
            raise CannotCarryError("names no 'api_base', which Azure needs here")
        tree: Tree = {"type": "azure", "base_url": base, "api_key": self.key()}
        node = self.params.child("api_version")
        if node is not None and node.text and _VERSION.fullmatch(node.text):
            self.backends.taking.take(node)
            tree["api_version"] = node.text
        return tree

    def anthropic(self) -> Tree:
        base = self.address("/v1")
        tree: Tree = {"type": "anthropic", "api_key": self.key()}
        tree |= {"base_url": base} if base else {}
        return tree | {"leave_out": ["temperature", "top_p"]}

    def gemini(self) -> Tree:
        return {"type": "gemini", "api_key": self.key()}

    def vertex(self) -> Tree:
        project, location = self.text("vertex_project"), self.text("vertex_location")
        if project is None or location is None or location.startswith("$"):
            raise CannotCarryError("names no 'vertex_project' and 'vertex_location' in plain text")
        return {"type": "vertex", "project": project, "location": location}

    def bedrock(self) -> Tree:
        region = self.params.child("aws_region_name")
        text = (region.text if region else None) or ""
        if not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-[0-9]+", text):
            raise CannotCarryError("names no 'aws_region_name' in plain text, such as eu-central-1")
        self.backends.taking.take(region)
        tree: Tree = {"type": "bedrock", "region": text}
        if profile := self.text("aws_profile_name"):
            return tree | {"profile": profile}
        for theirs, ours in (
            ("aws_access_key_id", "access_key_id"),
            ("aws_secret_access_key", "secret_access_key"),
            ("aws_session_token", "session_token"),
        ):
            if key := self.backends.reference(self.params.child(theirs), theirs):
                tree[ours] = key
        return tree

    def other(self) -> Tree:
        """Through LiteLLM's own library."""
        if self.provider in _PRESETS:
            return self.preset()
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", self.provider):
            raise CannotCarryError("names a provider that cannot be one")
        tree: Tree = {"type": "litellm", "provider": self.provider}
        base = self.address()
        tree |= {"base_url": base} if base else {}
        return tree | {
            "api_key": self.key() or f"${{{self.provider.upper().replace('-', '_')}_API_KEY}}"
        }


_MAKERS: Mapping[str, Callable[[_Making], Tree]] = {
    "openai": _Making.openai,
    "azure": _Making.azure,
    "anthropic": _Making.anthropic,
    "gemini": _Making.gemini,
    "vertex_ai": _Making.vertex,
    "bedrock": _Making.bedrock,
}
