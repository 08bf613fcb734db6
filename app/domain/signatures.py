"""Who signed what.

Providers sign reasoning and calls, and want them back as they were. None takes back what another
signed: some refuse the request for it, some read it wrongly, and some bind what they sign to one
account or region. So what a backend signed is marked with its name before it leaves, and only what
bears its mark goes back to it, with the mark taken off.

A mark ends with a colon, which no signature holds: they are base64, or ids.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Final

from app.domain.conversation import Conversation, Part, ReasoningPart, ToolCallPart
from app.domain.events import ReasoningDelta, StreamEvent, ToolCallDelta

ANTHROPIC: Final = "anthropic"
"""Who signs at Anthropic's own address."""
OPENAI: Final = "openai"
"""Who signs at OpenAI's own address."""


class SignedKind(StrEnum):
    """What was signed: not every wire format has a place that says it."""

    REASONING = ""
    REDACTED = ".redacted"
    CALL = ".call"


def signer_named(backend: str) -> str:
    """What a backend's signatures are marked with: not its name, which is not the client's to know.

    Args:
        backend: Its id.
    """
    digest = hashlib.sha256(backend.encode()).digest()[:6]
    return base64.urlsafe_b64encode(digest).decode()


def marked(event: StreamEvent, signer: str) -> StreamEvent:
    """The event with its signature marked, where it has one."""
    if isinstance(event, ReasoningDelta) and event.signed is not None:
        kind = SignedKind.REDACTED if event.is_redacted else SignedKind.REASONING
        return replace(event, signed=f"{signer}{kind}:{event.signed}")
    if isinstance(event, ToolCallDelta) and event.signed is not None:
        return replace(event, signed=f"{signer}{SignedKind.CALL}:{event.signed}")
    return event


def addressed(conversation: Conversation, signer: str) -> Conversation:
    """The conversation as a backend may see it: what it signed as it was, the rest unsigned."""
    signed = (ReasoningPart, ToolCallPart)
    if not any(
        isinstance(part, signed) and part.signed is not None
        for message in conversation.messages
        for part in message.parts
    ):
        return conversation
    messages = (
        replace(message, parts=tuple(_addressed(part, signer) for part in message.parts))
        for message in conversation.messages
    )
    return replace(conversation, messages=tuple(messages))


def _addressed(part: Part, signer: str) -> Part:
    match part:
        case ReasoningPart():
            signed = _own(part.signed, signer, SignedKind.REASONING)
            redacted = _own(part.signed, signer, SignedKind.REDACTED)
            return replace(part, signed=signed or redacted, is_redacted=redacted is not None)
        case ToolCallPart():
            return replace(part, signed=_own(part.signed, signer, SignedKind.CALL))
        case _:
            return part


def _own(signed: str | None, signer: str, kind: SignedKind) -> str | None:
    """What this signer signed; none where it is another's, or of another kind."""
    mark = f"{signer}{kind}:"
    return signed[len(mark) :] if signed is not None and signed.startswith(mark) else None


def unmarked(signed: str, signer: str) -> str:
    """A signature without its mark where this is the signer, for the wire format of its own."""
    mark, _, value = signed.partition(":")
    return value if mark.partition(".")[0] == signer else signed


def claimed(signed: str, signer: str, kind: SignedKind) -> str:
    """A signature with its mark again: one without a mark is this signer's."""
    return signed if ":" in signed else f"{signer}{kind}:{signed}"


def signed_calls(parts: Iterable[Part]) -> Iterator[Part]:
    """Put the signature of each call in its place, where it came as reasoning right before it."""
    before: str | None = None
    for part in parts:
        if isinstance(part, ReasoningPart) and _is_of_call(part.signed):
            before = part.signed
            continue
        if isinstance(part, ToolCallPart) and before is not None:
            yield replace(part, signed=before)
        else:
            yield part
        before = None


def _is_of_call(signed: str | None) -> bool:
    return signed is not None and signed.partition(":")[0].endswith(SignedKind.CALL)
