"""Models' endpoints, as ``banneton.yaml`` names them under ``backends``."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from app.domain.conversation import SamplingField
from app.domain.data_use import DataUse
from app.domain.persona import FileModel
from app.settings.presets import Preset, presets
from app.settings.values import (
    Assurance,
    Milliseconds,
    ProjectPath,
    Secret,
    aws_region,
    azure_version,
    expanded,
    expanded_headers,
    expanded_url,
    google_name,
    http_url,
    provider_name,
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
    base_url: Annotated[str, BeforeValidator(expanded_url), AfterValidator(http_url)] | None = None
    """Without ``/chat/completions``. May hold ``${NAME}``. Left out, it is the preset's; without
    one, OpenAI's."""
    api_key: Secret | None = None
    """``${NAME}`` or ``file:path``; left out where the endpoint wants no key."""
    leave_out: tuple[SamplingField, ...] = ()
    """Wishes of personas and clients that are not sent, where models refuse them."""
    timeouts: Timeouts = Timeouts()
    """How long to wait."""
    headers: Annotated[Mapping[str, SecretStr], BeforeValidator(expanded_headers)] = {}
    """Sent with every request. May hold ``${NAME}``, and must where they carry a credential."""
    assured: Mapping[DataUse, Assurance] = {}
    """By what a contract or an account's setting forbids the provider a use, where no request can
    say it, such as ``store: zero data retention, agreed 2026-03-01``."""

    @property
    def server(self) -> Preset:
        """Where it is, and how it differs from what most compatible servers do."""
        if self.preset is None and self.base_url is not None:
            return Preset(base_url=self.base_url, docs="")
        known = presets()[self.preset or "openai"]
        return known.model_copy(update={"base_url": self.base_url or known.base_url})


def _responses_preset(name: str) -> str:
    speaking = [each for each, preset in presets().items() if preset.responses is not None]
    if _preset(name) not in speaking:
        raise ValueError(
            "names a provider whose documentation knows no Responses; use type 'openai', or one of "
            f"{', '.join(sorted(speaking))}"
        )
    return name


class ResponsesBackend(FileModel):
    """Any endpoint that speaks OpenAI Responses; also Azure's, at ``/openai/v1``."""

    type: Literal["responses"]
    """Which protocol the endpoint speaks."""
    preset: Annotated[str, AfterValidator(_responses_preset)] = "openai"
    """A provider by name, such as ``openrouter``: its address."""
    base_url: Annotated[str, BeforeValidator(expanded_url), AfterValidator(http_url)] | None = None
    """Without ``/responses``. May hold ``${NAME}``. Left out, it is the preset's."""
    api_key: Secret | None = None
    """``${NAME}`` or ``file:path``; left out where the endpoint wants no key."""
    encrypted_reasoning: bool = True
    """Asks for what a model thought, encrypted, so that it gets it back in the next turn. Set it to
    ``false`` for models that do not reason and for servers that do not know it: they refuse it."""
    summary: Literal["auto", "concise", "detailed"] | None = None
    """Asks for a summary of what a model thought, for people to read; left out, for none. For some
    models OpenAI wants the organization to be verified."""
    leave_out: tuple[SamplingField, ...] = ()
    """Wishes of personas and clients that are not sent. Without this, a wish that the protocol
    cannot carry is an error."""
    timeouts: Timeouts = Timeouts()
    """How long to wait."""
    headers: Annotated[Mapping[str, SecretStr], BeforeValidator(expanded_headers)] = {}
    """Sent with every request. May hold ``${NAME}``, and must where they carry a credential."""
    assured: Mapping[DataUse, Assurance] = {}
    """By what a contract or an account's setting forbids the provider a use, where no request can
    say it, such as ``store: zero data retention, agreed 2026-03-01``."""

    @property
    def address(self) -> str:
        """Where it is."""
        return self.base_url or presets()[self.preset].base_url


class AnthropicBackend(FileModel):
    """Any endpoint that speaks Anthropic Messages."""

    type: Literal["anthropic"]
    """Which protocol the endpoint speaks."""
    base_url: Annotated[str, BeforeValidator(expanded_url), AfterValidator(http_url)] = (
        "https://api.anthropic.com/v1"
    )
    """Without ``/messages``. May hold ``${NAME}``."""
    api_key: Secret | None = None
    """``${NAME}`` or ``file:path``; left out where the endpoint wants no key."""
    version: Literal["2026-10-21", "2023-06-01"] = "2026-10-21"
    """Of the protocol. Since 2026-10-21 it knows no ``temperature``, ``top_p`` and ``top_k``;
    models up to Claude 4.6 take them under 2023-06-01."""
    thinking: Literal["adaptive", "budget"] = "adaptive"
    """How models are told to reason: ``adaptive``, by effort, from Claude 4.6 on; ``budget``, by a
    number of tokens, before."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 4_096
    """Of an answer where neither persona nor client says it: the protocol wants a limit."""
    leave_out: tuple[SamplingField, ...] = ()
    """Wishes of personas and clients that are not sent. Without this, a wish that the protocol
    cannot carry is an error."""
    timeouts: Timeouts = Timeouts()
    """How long to wait."""
    headers: Annotated[Mapping[str, SecretStr], BeforeValidator(expanded_headers)] = {}
    """Sent with every request. May hold ``${NAME}``, and must where they carry a credential."""
    assured: Mapping[DataUse, Assurance] = {}
    """By what a contract or an account's setting forbids the provider a use, where no request can
    say it, such as ``store: zero data retention, agreed 2026-03-01``."""


class BedrockBackend(FileModel):
    """Models on AWS Bedrock, by its Converse; needs the extra ``banneton[bedrock]``.

    Without a key of either kind, AWS's own chain finds credentials: environment, profile, role.
    """

    type: Literal["bedrock"]
    """Which protocol the endpoint speaks."""
    region: Annotated[str, AfterValidator(aws_region)]
    """Such as ``eu-central-1``."""
    base_url: Annotated[str, BeforeValidator(expanded_url), AfterValidator(http_url)] | None = None
    """Without ``/model``; left out, the region's own endpoint. May hold ``${NAME}``."""
    api_key: Secret | None = None
    """``${NAME}`` or ``file:path``: a Bedrock API key, instead of a signature."""
    access_key_id: Secret | None = None
    """``${NAME}`` or ``file:path``: of the keys that requests are signed with."""
    secret_access_key: Secret | None = None
    """``${NAME}`` or ``file:path``."""
    session_token: Secret | None = None
    """``${NAME}`` or ``file:path``; of keys that are temporary."""
    profile: Annotated[str, Field(min_length=1)] | None = None
    """Of AWS's own files, where its chain is to find credentials."""
    thinking: Literal["effort", "budget"] = "effort"
    """How models are told to reason: ``effort``; ``budget``, by a number of tokens, as Claude
    before 4.6 wants it."""
    leave_out: tuple[SamplingField, ...] = ()
    """Wishes of personas and clients that are not sent. Without this, a wish that the protocol
    cannot carry is an error."""
    timeouts: Timeouts = Timeouts()
    """How long to wait."""
    headers: Annotated[Mapping[str, SecretStr], BeforeValidator(expanded_headers)] = {}
    """Sent with every request. May hold ``${NAME}``, and must where they carry a credential."""
    assured: Mapping[DataUse, Assurance] = {}
    """By what a contract or an account's setting forbids the provider a use, where no request can
    say it, such as ``store: zero data retention, agreed 2026-03-01``."""

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key come together; give both")
        if self.session_token is not None and self.access_key_id is None:
            raise ValueError(
                "session_token belongs to access_key_id and secret_access_key; give those too"
            )
        kinds = [self.api_key, self.access_key_id, self.profile]
        if sum(each is not None for each in kinds) > 1:
            raise ValueError(
                "has more than one kind of credentials; "
                "give one of api_key, access_key_id and profile"
            )
        return self


class GeminiBackend(FileModel):
    """Google's Gemini, by the Gemini API."""

    type: Literal["gemini"]
    """Which protocol the endpoint speaks."""
    base_url: Annotated[str, BeforeValidator(expanded_url), AfterValidator(http_url)] = (
        "https://generativelanguage.googleapis.com/v1beta"
    )
    """Without ``/models``. May hold ``${NAME}``."""
    api_key: Secret | None = None
    """``${NAME}`` or ``file:path``; left out where a gateway in between wants no key."""
    thinking: Literal["level", "budget"] = "level"
    """How models are told to reason: ``level``, from Gemini 3 on; ``budget``, by a number of
    tokens, before."""
    leave_out: tuple[SamplingField, ...] = ()
    """Wishes of personas and clients that are not sent, where models refuse them."""
    timeouts: Timeouts = Timeouts()
    """How long to wait."""
    headers: Annotated[Mapping[str, SecretStr], BeforeValidator(expanded_headers)] = {}
    """Sent with every request. May hold ``${NAME}``, and must where they carry a credential."""
    assured: Mapping[DataUse, Assurance] = {}
    """By what a contract or an account's setting forbids the provider a use, where no request can
    say it, such as ``store: zero data retention, agreed 2026-03-01``."""


class VertexBackend(FileModel):
    """Gemini on Google's Vertex AI.

    Without ``token_file``, Google's own chain finds credentials, which needs the extra
    ``banneton[vertex]``: a file of a service account or of workload identity, the command line's
    login, or the machine's own account.
    """

    type: Literal["vertex"]
    """Which protocol the endpoint speaks."""
    project: Annotated[str, BeforeValidator(expanded), AfterValidator(google_name)]
    """The id of the project. May hold ``${NAME}``."""
    location: Annotated[str, AfterValidator(google_name)]
    """A region, such as ``europe-west4``, or ``eu``, ``us`` or ``global``."""
    base_url: Annotated[str, BeforeValidator(expanded_url), AfterValidator(http_url)] | None = None
    """Without ``/models``; left out, the location's own endpoint. May hold ``${NAME}``."""
    token_file: ProjectPath | None = None
    """A file that something else keeps an access token in; it is read again each minute."""
    thinking: Literal["level", "budget"] = "level"
    """How models are told to reason: ``level``, from Gemini 3 on; ``budget``, by a number of
    tokens, before."""
    leave_out: tuple[SamplingField, ...] = ()
    """Wishes of personas and clients that are not sent, where models refuse them."""
    timeouts: Timeouts = Timeouts()
    """How long to wait."""
    headers: Annotated[Mapping[str, SecretStr], BeforeValidator(expanded_headers)] = {}
    """Sent with every request. May hold ``${NAME}``, and must where they carry a credential."""
    assured: Mapping[DataUse, Assurance] = {}
    """By what a contract or an account's setting forbids the provider a use, where no request can
    say it, such as ``store: zero data retention, agreed 2026-03-01``."""


class AzureBackend(FileModel):
    """OpenAI's chat models on Azure; a route's ``model`` is the name of the deployment."""

    type: Literal["azure"]
    """Which protocol the endpoint speaks."""
    base_url: Annotated[str, BeforeValidator(expanded_url), AfterValidator(http_url)]
    """The resource, such as ``https://bread.openai.azure.com``, without ``/openai``. May hold
    ``${NAME}``."""
    api_key: Secret | None = None
    """``${NAME}`` or ``file:path``; left out where a gateway in between wants no key."""
    auth: Literal["key", "entra"] = "key"
    """``entra``: requests carry a token of Entra ID, of what Azure's own chain finds: environment,
    workload identity, managed identity, command line. Needs the extra ``banneton[azure]``."""
    token_file: ProjectPath | None = None
    """A file that something else keeps an access token in; it is read again each minute."""
    api_version: Annotated[str, AfterValidator(azure_version)] | None = None
    """Such as ``2024-10-21``: the address then names the deployment. Left out, Azure's v1 API is
    used, which has no versions."""
    leave_out: tuple[SamplingField, ...] = ()
    """Wishes of personas and clients that are not sent, where models refuse them."""
    timeouts: Timeouts = Timeouts()
    """How long to wait."""
    headers: Annotated[Mapping[str, SecretStr], BeforeValidator(expanded_headers)] = {}
    """Sent with every request. May hold ``${NAME}``, and must where they carry a credential."""
    assured: Mapping[DataUse, Assurance] = {}
    """By what a contract or an account's setting forbids the provider a use, where no request can
    say it, such as ``store: zero data retention, agreed 2026-03-01``."""

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> Self:
        kinds = [self.api_key is not None, self.auth == "entra", self.token_file is not None]
        if sum(kinds) > 1:
            raise ValueError(
                "has more than one kind of credentials; "
                "give one of api_key, 'auth: entra' and token_file"
            )
        return self


class LiteLLMBackend(FileModel):
    """A provider that has no protocol here, through LiteLLM; needs ``banneton[litellm]``."""

    type: Literal["litellm"]
    """Through LiteLLM."""
    provider: Annotated[str, AfterValidator(provider_name)]
    """By LiteLLM's name, such as ``cohere``."""
    base_url: Annotated[str, BeforeValidator(expanded_url), AfterValidator(http_url)] | None = None
    """Left out, LiteLLM's own for the provider. May hold ``${NAME}``."""
    api_key: Secret
    """``${NAME}`` or ``file:path``. Where it had none, LiteLLM would look for one in the
    environment."""
    leave_out: tuple[SamplingField, ...] = ()
    """Wishes of personas and clients that are not sent. Without this, a wish that the provider
    does not have, as far as LiteLLM knows, is an error."""
    timeouts: Timeouts = Timeouts()
    """How long to wait; ``connect_ms`` has no meaning here."""
    headers: Annotated[Mapping[str, SecretStr], BeforeValidator(expanded_headers)] = {}
    """Sent with every request. May hold ``${NAME}``, and must where they carry a credential."""
    assured: Mapping[DataUse, Assurance] = {}
    """By what a contract or an account's setting forbids the provider a use, where no request can
    say it, such as ``store: zero data retention, agreed 2026-03-01``."""


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


Backend = Annotated[
    OpenAIBackend
    | ResponsesBackend
    | AnthropicBackend
    | BedrockBackend
    | GeminiBackend
    | VertexBackend
    | AzureBackend
    | LiteLLMBackend
    | LocalBackend
    | ScriptedBackend,
    Field(discriminator="type"),
]
