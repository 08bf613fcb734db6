"""How rooms meet: what one needs of another, without importing it."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol, TypeVar

from app.domain.catalog import Feature
from app.domain.conversation import Conversation, Json, Role
from app.domain.events import StreamEvent, Usage
from app.domain.record import Closing, Opening

AnswerT = TypeVar("AnswerT")


class Backend(Protocol):
    """One endpoint with its provider protocol."""

    gives: frozenset[Feature] = frozenset()
    """What it can give besides one answer in words: embeddings, pictures; several choices,
    log-probabilities."""
    draws: ClassVar[bool] = False
    """Whether it can be asked for pictures in a turn."""

    def stream(self, conversation: Conversation, model: str) -> AsyncGenerator[StreamEvent, None]:
        """The model's answer as events, ending with one ``Finish`` for each choice asked for.

        Where a turn is wanted, the conversation's first message is the composed system prompt;
        nothing else is wanted but what it ``gives``. ``Usage`` comes at most once, at any place.
        Where log-probabilities are wanted, all text comes as ``TokenDelta``.
        Closing the iterator early cancels the request up to the provider.

        Raises:
            BackendError: Also in mid-stream.
        """
        ...

    async def close(self) -> None:
        """Give back connections and memory."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """What a detector asks a model."""

    turns: tuple[tuple[Role, str], ...]
    schema: Mapping[str, Json] | None = None
    """The answer is JSON of this shape, where the provider sees to that; ``read`` checks it."""
    max_tokens: int = 64


class Outside(Protocol):
    """What detectors ask outside the process through. One for each exchange.

    Nothing is asked but what ``banneton.yaml`` names: a detector gives names, never addresses.
    """

    @property
    def usage(self) -> Usage | None:
        """What models have counted for answering detectors so far; none where none was asked."""
        ...

    async def complete(
        self, route: str, question: Question, read: Callable[[str], AnswerT]
    ) -> AnswerT:
        """What ``read`` makes of a model's answer.

        An answer that could be read is remembered for an hour: the same model is not asked the same
        twice.

        Args:
            route: The id of a route.
            question: All that the model is told.
            read: Raises ``DetectorError`` where the answer is none that was asked for.

        Raises:
            BackendError: The model's side failed.
            DetectorError: There is no such route, the model refused, or ``read`` raised.
        """
        ...

    async def post(self, endpoint: str, body: bytes, read: Callable[[str], AnswerT]) -> AnswerT:
        """What ``read`` makes of the JSON that an endpoint answers; redirects are not followed.

        Of services an answer that could be read is remembered as those of models are. Webhooks are
        always asked: what they say may depend on more than the text.

        Args:
            endpoint: Its name.
            body: JSON.
            read: Raises ``DetectorError`` where the answer is none that was asked for.

        Raises:
            DetectorError: There is no such endpoint, it cannot be reached, its answer is not 200
                with JSON of a sane size, or ``read`` raised. Nothing of what it said is quoted.
        """
        ...


class Ledger(Protocol):
    """Where records live. Both calls return when the entry is durable, or raise."""

    async def open(self, opening: Opening) -> None:
        """Commit the opening entry.

        Raises:
            LedgerError: The entry is not durable; the model must not be called.
        """
        ...

    async def close(self, closing: Closing) -> None:
        """Commit the closing entry.

        Raises:
            LedgerError: The entry is not durable; the terminal event must not leave.
        """
        ...


@dataclass(frozen=True, slots=True)
class PseudonymScope:
    """Within which a pseudonym means one value: never outside tenant, key and session."""

    tenant: str
    key_id: str
    session: str | None
    """As the client names it; none where there is none, and the scope is one request."""
    request_id: str = ""
    """Of that one request; empty where there is a session."""


@dataclass(frozen=True, slots=True)
class Original:
    """What a pseudonym stands for."""

    category: str
    """The detector's word for the kind of value, by which policy says who may see it."""
    value: str = field(repr=False)


class PseudonymVault(Protocol):
    """Keeps what each pseudonym stands for, for sessions that outlive a request."""

    async def load(self, scope: PseudonymScope) -> Mapping[str, Original]:
        """Every pseudonym of a session that has not expired, with what it stands for."""
        ...

    async def save(self, scope: PseudonymScope, minted: Mapping[str, Original]) -> None:
        """Keep these of a session until they expire. Durable when it returns."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """What an identity provider has signed about whom a request is for."""

    audience: str | None
    """Under which the subject is to be served; ``None`` where the token does not say."""
    subject: str | None = None
    """The end user; ``None`` leaves that to the request."""
    tenant: str | None = None
    """Whose the subject is; ``None`` where nothing is compared with it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as their key says."""

    tenant: str
    key_id: str
    personas: frozenset[str] | None
    """Which personas the key may use; ``None`` means all."""
    loosest_audience: str | None
    """The loosest audience the key may be served under; ``None`` means the policy's default."""
    may_read_records: bool = False
    may_name_variants: bool = True
    """Whether requests may name the variant that answers; else the session's draw alone says it."""
    may_use_console: bool = False
    key_name: str = ""
    """What people call the key; empty where there is none."""
    claim: Claim | None = None
    """What the request carries beside the key; ``None`` where it carries nothing."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What a key may do. Its secret is shown once and kept nowhere."""

    id: str
    tenant: str
    name: str
    """What people call it, such as ``checkout service``."""
    personas: frozenset[str] | None
    """Which personas it may use; ``None`` means all."""
    loosest_audience: str | None
    """The loosest audience it may be served under; ``None`` means the policy's default."""
    may_read_records: bool
    created_at: datetime
    expires_at: datetime | None
    """``None`` means never."""
    revoked_at: datetime | None = None
    """``None`` means that it was not revoked."""
    may_name_variants: bool = True
    may_use_console: bool = False


class KeyStore(Protocol):
    """Keeps keys, by the hash of their secret."""

    async def add(self, key: ApiKey, secret_hash: bytes) -> None:
        """Keep a new key. Durable when it returns."""
        ...

    async def find(self, secret_hash: bytes) -> ApiKey | None:
        """The key with this secret, also where it was revoked or has expired."""
        ...

    async def list(self, tenant: str | None) -> Sequence[ApiKey]:
        """All keys of a tenant, or of all tenants, oldest first."""
        ...

    async def revoke(self, key_id: str, at: datetime) -> bool:
        """End a key for good; false where there is none with this id that is not revoked yet."""
        ...
