"""What an exchange is made of: the parts of the process, and the request with what is decided."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.domain.catalog import Route
from app.domain.clock import Clock, NewId
from app.domain.conversation import Conversation
from app.domain.prompt import NO_PROMPT, LineSource, SystemPrompt
from app.domain.protocols import (
    Backend,
    Caller,
    Ledger,
    Outside,
    PseudonymScope,
    PseudonymVault,
)
from app.domain.record import Assigned
from app.domain.tokens import token_units, tokens_of
from app.domain.wanted import Pictures
from app.guardrails.evaluate import History
from app.pipeline.loaded import Served, Shadow
from app.pipeline.shadows import Shadows
from app.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Steps:
    """What an exchange needs of the rest; one object for the whole process."""

    backends: Mapping[str, Backend]
    ledger: Ledger
    vault: PseudonymVault
    metrics: Metrics
    clock: Clock
    new_id: NewId
    outside: Callable[[str, Mapping[str, Route]], Outside]
    """Makes what one exchange's detectors ask outside through, for a tenant, by these routes."""
    pseudonym_key: bytes
    history: History
    max_messages: int
    max_text_chars: int
    """Code points of all texts of a request together."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """How far each rollout has come, in percent, by its id; followed while the process runs."""
    shadows: Shadows | None = None
    """Runs variants beside exchanges; none runs none."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, with all that is decided about it before anything is looked at."""

    conversation: Conversation
    served: Served
    catalog: str
    caller: Caller
    audience: str
    routes: Mapping[str, Route]
    request_id: str
    assigned: Assigned = Assigned.ALONE
    """Why this version answers."""
    shadows: tuple[Shadow, ...] = ()
    """What may run beside it."""
    shadow_of: str | None = None
    """The exchange that it runs beside, where it is a shadow itself."""

    @property
    def shown_id(self) -> str:
        """Of the exchange that the user sees: shares of traffic fall alike for its shadows."""
        return self.shadow_of or self.request_id

    def prompt(self, conversation: Conversation) -> SystemPrompt:
        """The system prompt with this conversation's variables.

        Where no turn is wanted there is none, but for what the persona says of pictures.

        Raises:
            RequestError: The scenario or a variable is not as the persona declares it.
        """
        if isinstance(conversation.wanted, Pictures):
            return self._words_before()
        if not conversation.wanted.is_turn:
            return NO_PROMPT
        wishes = conversation.wishes
        return self.served.prompt.compose(wishes.scenario, wishes.variables)

    def _words_before(self) -> SystemPrompt:
        persona = self.served.persona
        words = "" if persona.images is None else persona.images.instruct.strip()
        if not words:
            return NO_PROMPT
        digest = f"sha256:{hashlib.sha256(words.encode()).hexdigest()}"
        line = LineSource(f"personas/{persona.id}.yaml", 0, "images.instruct")
        lines = (line,) * (words.count("\n") + 1)
        return SystemPrompt(words, digest, tokens_of(token_units(words)), lines, "", len(words))

    @property
    def scope(self) -> PseudonymScope:
        """Within which its pseudonyms hold: the session, or this request alone."""
        session = self.conversation.wishes.session
        request_id = "" if session is not None else self.request_id
        return PseudonymScope(self.caller.tenant, self.caller.key_id, session, request_id)
