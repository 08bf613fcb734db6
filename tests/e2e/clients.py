"""Clients that run in processes of their own, each asked through a line of JSON."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.gateway import REPOSITORY, Gateway, environment

Json = Any


@dataclass
class Clients:
    """A process that knows one or more clients."""

    process: subprocess.Popen[bytes]

    def tell(self, **given: Json) -> Json:
        """Have a client do something; gives what it saw."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the process was started without pipes")
        self.process.stdin.write(orjson.dumps(given) + b"\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        if not said:
            raise RuntimeError(f"the clients ended with {self.process.wait(10)}")
        return orjson.loads(said)


@contextmanager
def clients(command: Sequence[str | Path]) -> Iterator[Clients]:
    """Have the process until the end of the block."""
    process = subprocess.Popen(  # noqa: S603  # our own command
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        # Otherwise LiteLLM asks the network for prices when it is loaded.
        env={**environment(), "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )
    with process:
        yield Clients(process)


@dataclass(frozen=True)
class Words:
    """How one client names what happens."""

    stop: str
    blocked: str
    bad_request: str
    unauthorized: str
    limited: str
    shows: frozenset[str] = frozenset()
    """Where it hands over what its vendor's answers do not have."""
    takes_wishes: bool = True
    """Whether requests can say what its vendor's do not."""
    repeats_all: bool = False
    """Whether it asks again after any error."""


_VENDOR = Words(
    "stop", "content_filter", "BadRequestError", "AuthenticationError", "RateLimitError"
)
_OPENAI = replace(_VENDOR, shows=frozenset({"ask", "stream"}))
_ANTHROPIC = replace(_OPENAI, stop="end_turn", blocked="refusal")
_RESPONSES = replace(_OPENAI, stop="completed")
_VERCEL = Words(
    "stop", "content-filter", "APICallError", "APICallError", "APICallError", takes_wishes=False
)
_LANGCHAIN_OPENAI = Words(
    "stop", "content_filter", "OpenAIInvalidRequestError", "OpenAIAuthenticationError",
    "OpenAIRateLimitError",
)  # fmt: skip
_LANGCHAIN_ANTHROPIC = Words(
    "end_turn", "refusal", "AnthropicInvalidRequestError", "AnthropicAuthenticationError",
    "AnthropicRateLimitError", frozenset({"ask"}),
)  # fmt: skip
_PYDANTIC_AI = Words(
    "stop", "content_filter", "ModelRequestRejectedError", "ModelAuthenticationError",
    "ModelRateLimitError",
)  # fmt: skip

CLIENTS = {
    "node-openai": ("node", _OPENAI),
    "node-responses": ("node", _RESPONSES),
    "node-anthropic": ("node", _ANTHROPIC),
    "vercel-compatible": ("node", replace(_VERCEL, shows=_OPENAI.shows, takes_wishes=True)),
    "vercel-openai": ("node", _VERCEL),
    "vercel-responses": ("node", _VERCEL),
    "vercel-anthropic": ("node", _VERCEL),
    "langchain-openai": ("langchain", _LANGCHAIN_OPENAI),
    "langchain-anthropic": ("langchain", _LANGCHAIN_ANTHROPIC),
    "pydantic-ai-openai": ("pydantic_ai", _PYDANTIC_AI),
    "pydantic-ai-anthropic": ("pydantic_ai", _PYDANTIC_AI),
    "llama-index-openai": ("llama_index", _OPENAI),
    "llama-index-responses": ("llama_index", _RESPONSES),
    "litellm-openai": ("litellm", replace(_VENDOR, shows=frozenset({"ask"}))),
    "litellm-anthropic": ("litellm", replace(_VENDOR, repeats_all=True)),
    "litellm-responses": ("litellm", replace(_RESPONSES, repeats_all=True)),
}
"""By name, the process that knows it, and its words."""


@dataclass(frozen=True)
class Client:
    """One client, set on the gateway."""

    name: str
    words: Words
    process: Clients
    gateway: Gateway

    def __call__(  # what a product sets
        self,
        does: str,
        text: str,
        *,
        model: str = "lexi",
        key: str = "t",
        retries: int = 0,
        wishes: Json = None,
    ) -> Json:
        """Ask as this client does.

        Args:
            does: ``ask``, ``stream``, ``tools``, ``structured`` or ``leave``.
            text: What the user says.
            model: The persona.
            key: Of a key, its name.
            retries: How often the client may ask again.
            wishes: For the persona.
        """
        return self.process.tell(
            client=self.name,
            does=does,
            url=self.gateway.url,
            key=self.gateway.keys.get(key, key),
            model=model,
            text=text,
            retries=retries,
            wishes={} if wishes is None else {"banneton": wishes},
        )
