"""Which version of a persona answers: drawn by session, the same for as long as the shares stay."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.conversation import Conversation
from app.domain.record import Assigned
from app.guardrails.share import draw_of
from app.pipeline.loaded import Loaded, Served


@dataclass(frozen=True, slots=True)
class Chosen:
    """The version that answers, and why it does."""

    served: Served
    assigned: Assigned


def unit_of(conversation: Conversation, request_id: str) -> str:
    """What stays with one version: the session, else the subject, else the request alone."""
    if conversation.wishes.session is not None:
        return f"session\0{conversation.wishes.session}"
    if conversation.subject is not None:
        return f"subject\0{conversation.subject}"
    return f"request\0{request_id}"


def drawn(key: bytes, tenant: str, experiment: str, unit: str) -> float:
    """Where in [0, 100) a unit falls in one experiment, which says nothing of any other.

    Args:
        key: Of the deployment: every replica draws alike, and no client can choose.
        tenant: Whose unit it is.
        experiment: Such as the split of a persona.
        unit: What stays on one side.
    """
    return draw_of(key, tenant, f"{experiment}\0{unit}")


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a choice depends on besides the files and the request."""

    key: bytes
    shares: Mapping[str, float]
    """How far each rollout has come."""

    def choose(
        self, loaded: Loaded, conversation: Conversation, tenant: str, request_id: str
    ) -> Chosen:
        """The version that answers a request that goes on from no other.

        Raises:
            RequestError: There is no such persona, or no such variant.
        """
        served = loaded.find(conversation.persona, conversation.variant)
        if conversation.variant is not None:
            return Chosen(served, Assigned.NAMED)
        split = loaded.splits.get(conversation.persona)
        if split is None:
            return Chosen(served, Assigned.ALONE)
        unit = unit_of(conversation, request_id)
        draw = drawn(self.key, tenant, f"split\0{split.persona}", unit)
        return Chosen(split.of(draw, self.shares) or served, Assigned.DRAWN)

    def choose_again(
        self, loaded: Loaded, conversation: Conversation, variant: str | None
    ) -> Chosen:
        """The version that answers a request which goes on from another exchange: the same one.

        A variant that is gone, or was taken back, answers no more.

        Args:
            loaded: What is served now.
            conversation: The request.
            variant: That answered the exchange before.

        Raises:
            RequestError: There is no such persona, or no such variant as the request names.
        """
        served = loaded.find(conversation.persona, conversation.variant)
        if conversation.variant is not None:
            return Chosen(served, Assigned.NAMED)
        again = loaded.served.get((conversation.persona, variant))
        if again is None or self._is_taken_back(loaded, conversation.persona, again):
            again = served
        return Chosen(again, Assigned.CONTINUED)

    def _is_taken_back(self, loaded: Loaded, persona: str, served: Served) -> bool:
        split = loaded.splits.get(persona)
        if split is None or split.rollout is None or split.rolled_out is not served:
            return False
        return self.shares.get(split.rollout, 0.0) == 0
