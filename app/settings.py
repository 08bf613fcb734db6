"""Environment and ``banneton.yaml`` to frozen settings, read once.

Secrets are references: ``${NAME}`` for an environment variable, ``file:path`` for a file. One that
stands in YAML is refused, and none is ever printed.
"""

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, ValidationInfo
from typing_extensions import override

from app.domain.persona import FileModel

ModelT = TypeVar("ModelT", bound=BaseModel)

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_FILE = "file:"
_CREDENTIAL = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SQLITE = "sqlite:///"
_NO_LITERAL = (
    "must not stand in the file; write ${NAME} for an environment variable, or file:path for a file"
)


class Document(Protocol):
    """``banneton.yaml``, read strictly, without what belongs to the catalog."""

    def read_as(self, model: type[ModelT], *, context: object) -> ModelT:
        """Validate the document.

        Raises:
            ContentError: Every mistake with its line and column, and no value of the file.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What references in the file refer to."""

    environ: Mapping[str, str]
    root: Path

    def expand(self, text: str) -> str:
        """The text with every reference replaced by what it refers to."""
        if text.startswith(_FILE):
            try:
                return (self.root / text.removeprefix(_FILE)).read_text("utf-8").strip()
            except (OSError, ValueError):
                raise ValueError("names a file that cannot be read") from None
        for name in _VARIABLE.findall(text):
            if not self.environ.get(name):
                raise ValueError(f"names the environment variable {name}, which is not set")
        return _VARIABLE.sub(lambda found: self.environ[found[1]], text)


def _surroundings(info: ValidationInfo) -> _Surroundings:
    if not isinstance(info.context, _Surroundings):
        raise TypeError("settings are made by settings_from")
    return info.context


def _secret(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    if not (_VARIABLE.fullmatch(value) or value.startswith(_FILE)):
        raise ValueError(_NO_LITERAL)
    secret = _surroundings(info).expand(value)
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ValueError("refers to something that is no key: it is empty or not plain ASCII")
    return secret


def _headers(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, dict):
        return value
    expanded: dict[str, object] = {}
    for name, text in value.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("has a name that no HTTP header can have")
        if not isinstance(text, str):
            expanded[name] = text
            continue
        is_reference = bool(_VARIABLE.search(text)) or text.startswith(_FILE)
        if _CREDENTIAL.search(name) and not is_reference:
            raise ValueError(f"{name}: {_NO_LITERAL}")
        expanded[name] = _surroundings(info).expand(text)
        if not str(expanded[name]).isprintable():
            raise ValueError(f"{name}: holds a line break or another control character")
    return expanded


def _reference(value: object, info: ValidationInfo) -> object:
    return _surroundings(info).expand(value) if isinstance(value, str) else value


def _http_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        raise ValueError("must be an http or https URL") from None
    if not is_url:
        raise ValueError("must be an http or https URL")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must not hold a user, a password or a query; keys go into 'api_key'")
    return url.rstrip("/")


def _endpoint_url(url: str) -> str:
    """As ``_http_url``, but for the end: an endpoint's path is its own."""
    _http_url(url)
    return url


_SIGNING_PREFIX = "whsec_"
_SIGNING_BYTES = range(24, 65)


def _signing_key(secret: SecretStr) -> SecretStr:
    try:
        text = secret.get_secret_value().removeprefix(_SIGNING_PREFIX)
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) not in _SIGNING_BYTES:
        raise ValueError("must be 24 to 64 random bytes in base64, with or without 'whsec_'")
    return secret


def _sqlite_url(url: str, info: ValidationInfo) -> str:
    path = url.removeprefix(_SQLITE)
    if path == url or not path:
        raise ValueError("must be sqlite:/// and a path, such as sqlite:///var/banneton.db")
    return f"{_SQLITE}{_surroundings(info).root / path}"


def _under_root(path: Path, info: ValidationInfo) -> Path:
    return _surroundings(info).root / path


Secret = Annotated[SecretStr, BeforeValidator(_secret)]
ProjectPath = Annotated[Path, AfterValidator(_under_root)]
Milliseconds = Annotated[int, Field(ge=1, le=3_600_000)]


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


class OpenAIBackend(FileModel):
    """Any endpoint that speaks OpenAI Chat Completions."""

    type: Literal["openai"]
    """Which protocol the endpoint speaks."""
    base_url: Annotated[str, BeforeValidator(_reference), AfterValidator(_http_url)] = (
        "https://api.openai.com/v1"
    )
    """Without ``/chat/completions``. May hold ``${NAME}``."""
    api_key: Secret | None = None
    """``${NAME}`` or ``file:path``; left out where the endpoint wants no key."""
    timeouts: Timeouts = Timeouts()
    """How long to wait."""
    headers: Annotated[Mapping[str, SecretStr], BeforeValidator(_headers)] = {}
    """Sent with every request. May hold ``${NAME}``, and must where they carry a credential."""


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


class WebhookEndpoint(FileModel):
    """A service of yours that speaks ``banneton.guard/1``."""

    type: Literal["webhook"]
    """Requests are signed."""
    url: Annotated[str, BeforeValidator(_reference), AfterValidator(_endpoint_url)]
    """Where requests go. May hold ``${NAME}``. Redirects are not followed."""
    secret: Annotated[Secret, AfterValidator(_signing_key)]
    """``${NAME}`` or ``file:path``: what requests are signed with, 24 to 64 random bytes in base64,
    with or without ``whsec_`` before them."""

    def signing_key(self) -> bytes:
        """The bytes of the secret."""
        return base64.b64decode(self.secret.get_secret_value().removeprefix(_SIGNING_PREFIX))


class ServiceEndpoint(FileModel):
    """A service of somebody else that a detector knows how to ask."""

    type: Literal["service"]
    """Requests may carry a key."""
    url: Annotated[str, BeforeValidator(_reference), AfterValidator(_endpoint_url)]
    """Where requests go, whole, such as ``https://api.openai.com/v1/moderations``. May hold
    ``${NAME}``. Redirects are not followed."""
    api_key: Secret | None = None
    """``${NAME}`` or ``file:path``; left out where the service wants no key."""
    headers: Annotated[Mapping[str, SecretStr], BeforeValidator(_headers)] = {}
    """Sent with every request. May hold ``${NAME}``, and must where they carry a credential."""


Endpoint = Annotated[WebhookEndpoint | ServiceEndpoint, Field(discriminator="type")]


class Storage(FileModel):
    """Where the ledger lives."""

    url: Annotated[str, AfterValidator(_sqlite_url)] = Field(
        default="sqlite:///var/banneton.db", validate_default=True
    )
    """``sqlite:///`` and a path, relative to the project's root."""
    key_file: ProjectPath = Field(default="var/banneton.key", validate_default=True)
    """The key under which the ledger seals what it keeps; made at the first start."""


class Server(FileModel):
    """Where the gateway listens."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """An address or name of this machine."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    """A TCP port."""


class Limits(FileModel):
    """What a single request may hold."""

    max_body_bytes: Annotated[int, Field(ge=1_024, le=100_000_000)] = 2_000_000
    """Bytes of the request's body."""
    max_messages: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Messages of a conversation."""
    max_text_chars: Annotated[int, Field(ge=1, le=10_000_000)] = 400_000
    """Code points of all texts together."""


class Telemetry(FileModel):
    """What the gateway tells its operators."""

    metrics: bool = True
    """Whether ``GET /metrics`` answers."""


class Settings(FileModel):
    """What differs by deployment."""

    backends: Annotated[Mapping[str, Backend], Field(min_length=1)]
    """Models' endpoints by id; routes name them."""
    endpoints: Mapping[str, Endpoint] = {}
    """Where detectors may ask, by id; policies name them."""
    detectors: tuple[str, ...] = ()
    """Detectors that other installed packages bring, by name; no other code of theirs is run."""
    storage: Storage = Field(default={}, validate_default=True)
    """Where the ledger lives."""
    server: Server = Server()
    """Where the gateway listens."""
    limits: Limits = Limits()
    """What a single request may hold."""
    telemetry: Telemetry = Telemetry()
    """What the gateway tells its operators."""


def environment() -> Mapping[str, str]:
    """The process's environment, as it is now."""
    return dict(os.environ)  # noqa: TID251  # this is the one place


class AnyEnvironment(Mapping[str, str]):
    """Answers to every name, so that files can be checked where no secret is at hand."""

    @override
    def __getitem__(self, name: str) -> str:
        return "unset" * 8  # long enough, and of the right letters, for a signing key too

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(())

    @override
    def __len__(self) -> int:
        return 0


def settings_from(document: Document, environ: Mapping[str, str], root: Path) -> Settings:
    """Make the settings, with every reference followed and every path absolute.

    Args:
        document: ``banneton.yaml``.
        environ: What ``${NAME}`` refers to.
        root: What paths are relative to.

    Raises:
        ContentError: Every mistake. Names of variables are printed, values never.
    """
    return document.read_as(Settings, context=_Surroundings(environ, root.resolve()))
