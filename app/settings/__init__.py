"""Environment and ``banneton.yaml`` to frozen settings, read once.

Secrets are references: ``${NAME}`` for an environment variable, ``file:path`` for a file. One that
stands in YAML is refused, and none is ever printed.
"""

import base64
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr

from app.domain.data_use import DataUse
from app.domain.persona import FileModel
from app.domain.prices import Price, Prices
from app.settings.admission import Access, Waivers
from app.settings.backends import Backend
from app.settings.values import (
    SIGNING_PREFIX,
    Assurance,
    ProjectPath,
    Secret,
    Surroundings,
    as_signing_key,
    endpoint_url,
    expanded_headers,
    expanded_url,
    sqlite_url,
)

ModelT = TypeVar("ModelT", bound=BaseModel)


class Document(Protocol):
    """``banneton.yaml``, read strictly, without what belongs to the catalog."""

    def read_as(self, model: type[ModelT], *, context: object) -> ModelT:
        """Validate the document.

        Raises:
            ContentError: Every mistake with its line and column, and no value of the file.
        """
        ...


class WebhookEndpoint(FileModel):
    """A service of yours that speaks ``banneton.guard/1``."""

    type: Literal["webhook"]
    """Requests are signed."""
    url: Annotated[str, BeforeValidator(expanded_url), AfterValidator(endpoint_url)]
    """Where requests go. May hold ``${NAME}``. Redirects are not followed."""
    secret: Annotated[Secret, AfterValidator(as_signing_key)]
    """``${NAME}`` or ``file:path``: what requests are signed with, 24 to 64 random bytes in base64,
    with or without ``whsec_`` before them."""

    def signing_key(self) -> bytes:
        """The bytes of the secret."""
        return base64.b64decode(self.secret.get_secret_value().removeprefix(SIGNING_PREFIX))


class ServiceEndpoint(FileModel):
    """A service of somebody else that a detector knows how to ask."""

    type: Literal["service"]
    """Requests may carry a key."""
    url: Annotated[str, BeforeValidator(expanded_url), AfterValidator(endpoint_url)]
    """Where requests go, whole, such as ``https://api.openai.com/v1/moderations``. May hold
    ``${NAME}``. Redirects are not followed."""
    api_key: Secret | None = None
    """``${NAME}`` or ``file:path``; left out where the service wants no key."""
    headers: Annotated[Mapping[str, SecretStr], BeforeValidator(expanded_headers)] = {}
    """Sent with every request. May hold ``${NAME}``, and must where they carry a credential."""
    assured: Mapping[DataUse, Assurance] = {}
    """By what a contract or an account's setting forbids the service a use of what it is sent."""


Endpoint = Annotated[WebhookEndpoint | ServiceEndpoint, Field(discriminator="type")]


class Storage(FileModel):
    """Where the ledger lives."""

    url: Annotated[str, AfterValidator(sqlite_url)] = Field(
        default="sqlite:///var/banneton.db", validate_default=True
    )
    """``sqlite:///`` and a path, relative to the project's root."""
    key_file: ProjectPath = Field(default="var/banneton.key", validate_default=True)
    """The key under which the ledger seals what it keeps; made at the first start."""
    pseudonym_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    """Days for which what pseudonyms of a session stand for is kept."""


class Server(FileModel):
    """Where the gateway listens."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """An address or name of this machine."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    """A TCP port."""


class ConsoleSettings(FileModel):
    """The pages under ``/console``."""

    enabled: bool = True
    """Whether there are any."""
    session_hours: Annotated[int, Field(ge=1, le=168)] = 12
    """How long somebody stays signed in."""


class Limits(FileModel):
    """What a single request may hold."""

    max_body_bytes: Annotated[int, Field(ge=1_024, le=100_000_000)] = 2_000_000
    """Bytes of the request's body."""
    max_messages: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Messages of a conversation."""
    max_text_chars: Annotated[int, Field(ge=1, le=10_000_000)] = 400_000
    """Code points of all texts together."""


_Dollars = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class ModelPrice(FileModel):
    """What a model costs, in USD per million tokens."""

    input: _Dollars
    """Of input that is not cached."""
    output: _Dollars
    """Of output, reasoning included."""
    cached: _Dollars | None = None
    """Of input that the provider reads from its cache; as other input where left out."""
    cache_write: _Dollars | None = None
    """Of input that the provider writes to its cache; as other input where left out."""


class Watch(FileModel):
    """How product metrics of live traffic are looked at for ``GET /metrics``."""

    every_minutes: Annotated[int, Field(ge=1, le=1_440)] = 15
    """How long from one look to the next."""
    days: Annotated[int, Field(ge=1, le=90)] = 14
    """How far back a look goes."""
    most_exchanges: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """The newest of that time; a look costs about 0.3 ms of one core for each."""


class Telemetry(FileModel):
    """What the gateway tells its operators."""

    metrics: bool = True
    """Whether ``GET /metrics`` answers."""
    watch: Watch | None = Watch()
    """How product metrics get there; ``null`` leaves them out."""


class Variants(FileModel):
    """How rollouts are looked at, and what shadows may take, in each process."""

    look_every_s: Annotated[float, Field(ge=0.1, le=3_600)] = 10
    """Seconds between two looks at the gates of rollouts, and at what others decided."""
    shadows_at_once: Annotated[int, Field(ge=1, le=1_000)] = 4
    """How many shadows run beside each other."""
    shadows_waiting: Annotated[int, Field(ge=1, le=10_000)] = 64
    """How many may wait; more are dropped, and counted."""
    shadow_tokens_per_hour: Annotated[int, Field(ge=1)] | None = None
    """Tokens of models and detectors that shadows may take in an hour; left out, as many as they
    do."""


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
    access: Access = Access()
    """Who may do what, besides keys."""
    waivers: Waivers = Waivers()
    """How it is verified who approved a waiver."""
    server: Server = Server()
    """Where the gateway listens."""
    console: ConsoleSettings = ConsoleSettings()
    """The pages for people."""
    limits: Limits = Limits()
    """What a single request may hold."""
    variants: Variants = Variants()
    """How rollouts are looked at, and what shadows may take."""
    telemetry: Telemetry = Telemetry()
    """What the gateway tells its operators."""
    prices: Mapping[str, Mapping[str, ModelPrice]] = {}
    """What models cost, by backend and by the model's name there. None are known without this, and
    what is not known is no cost of 0: metrics say that it is not scored."""

    @property
    def model_prices(self) -> Prices:
        """What models cost, by backend and model."""
        return {
            (backend, model): Price(**price.model_dump())
            for backend, models in self.prices.items()
            for model, price in models.items()
        }


def environment() -> Mapping[str, str]:
    """The process's environment, as it is now."""
    return dict(os.environ)  # noqa: TID251  # this is the one place


def accept_key(_line: str) -> None:
    """Find nothing wrong with an approver's key."""


def settings_from(
    document: Document,
    environ: Mapping[str, str] | None,
    root: Path,
    *,
    check_key: Callable[[str], object] = accept_key,
) -> Settings:
    """Make the settings, with every reference followed and every path absolute.

    Args:
        document: ``banneton.yaml``.
        environ: What ``${NAME}`` refers to; none reads no secret, also from no file.
        root: What paths are relative to.
        check_key: Called with each approver's key; raises ``ValueError`` where no signature of it
            could count.

    Raises:
        ContentError: Every mistake. Names of variables are printed, values never.
    """
    return document.read_as(Settings, context=Surroundings(environ, root.resolve(), check_key))
