"""How rooms meet: what one needs of another, without importing it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from app.domain.conversation import Conversation
from app.domain.events import StreamEvent
from app.domain.record import Closing, Opening


class Backend(Protocol):
    """One endpoint with its provider protocol."""

    def stream(self, conversation: Conversation, model: str) -> AsyncIterator[StreamEvent]:
        """The model's answer as events, ending with one ``Finish`` for each choice.

        The conversation's first message is the composed system prompt. ``Usage`` comes at most
        once, at any place. Closing the iterator early cancels the request up to the provider.

        Raises:
            BackendError: Also in mid-stream.
        """
        ...

    async def close(self) -> None:
        """Give back connections and memory."""
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
    session: str
    """The client's session, or the request id where there is none."""


class PseudonymVault(Protocol):
    """Keeps what each pseudonym stands for, for sessions that outlive a request."""

    async def load(self, scope: PseudonymScope) -> Mapping[str, str]:
        """Every pseudonym of the scope that has not expired, with its value."""
        ...

    async def save(self, scope: PseudonymScope, minted: Mapping[str, str]) -> None:
        """Keep these until they expire. Durable when it returns."""
        ...


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
