"""Models' endpoints, as ``banneton.yaml`` names them under ``backends``."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from app.domain.persona import FileModel
from app.settings.presets import Preset, presets
from app.settings.values import (
    Milliseconds,
    ProjectPath,
    Secret,
    expanded,
    expanded_headers,
    http_url,
)


class Timeouts(FileModel):
    """How long to wait for a model, in milliseconds."""

    connect_ms: Milliseconds = 5_000
    """For a connection."""
    first_token_ms: Milliseconds = 60_000
    """From the request to the first event of the answer."""
    between_tokens_ms: Milliseconds = 30_000
    """Between one event and the next."""
    total_ms: Milliseconds = 600_000
    """For the whole answer."""


def _preset(name: str) -> str:
    known = presets()
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise ValueError(f"names no provider that is known; {hint}({', '.join(sorted(known))})")
    return name


class OpenAIBackend(FileModel):
    """Any endpoint that speaks OpenAI Chat Completions."""

    type: Literal["openai"]
    """Which protocol the endpoint speaks."""
    preset: Annotated[str, AfterValidator(_preset)] | None = None
    """A provider by name, such as ``deepseek``: its address, and how it differs from OpenAI."""
    base_url: Annotated[str, BeforeValidator(expanded), AfterValidator(http_url)] | None = None
    """Without ``/chat/completions``. May hold ``${NAME}``. Left out, it is the preset's; without
    one, OpenAI's."""
    api_key: Secret | None = None
    """``${NAME}`` or ``file:path``; left out where the endpoint wants no key."""
    timeouts: Timeouts = Timeouts()
    """How long to wait."""
    headers: Annotated[Mapping[str, SecretStr], BeforeValidator(expanded_headers)] = {}
    """Sent with every request. May hold ``${NAME}``, and must where they carry a credential."""

    @property
    def server(self) -> Preset:
        """Where it is, and how it differs from what most compatible servers do."""
        if self.preset is None and self.base_url is not None:
            return Preset(base_url=self.base_url, docs="")
        known = presets()[self.preset or "openai"]
        return known.model_copy(update={"base_url": self.base_url or known.base_url})


class LocalBackend(FileModel):
    """A model that runs inside the gateway's process."""

    type: Literal["local"]
    """Runs here."""
    gguf: ProjectPath | None = None
    """The weights; left out, the small model that comes with the package."""
    context_tokens: Annotated[int, Field(ge=256, le=1_000_000)] = 4096
    """How much the model can see at once."""
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    """How many processor threads to use; left out, as many as there are cores."""


class ScriptedBackend(FileModel):
    """Answers from a file, for tests and demonstrations."""

    type: Literal["scripted"]
    """Says what a file says."""
    script: ProjectPath
    """The file with the answers."""


Backend = Annotated[OpenAIBackend | LocalBackend | ScriptedBackend, Field(discriminator="type")]
