"""Turns that a later request goes on from: what is kept of them, and how they come back."""

from dataclasses import replace

from app.domain.conversation import (
    STANDING,
    Conversation,
    FilePart,
    Message,
    Origin,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
)
from app.domain.errors import RequestError
from app.domain.events import (
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from app.domain.protocols import Caller
from app.domain.record import Status
from app.ledger.ledger import Ledger
from app.ledger.records import KeptTurns, Record
from app.pipeline.gateway import Answered
from app.pipeline.segments import segments, with_texts

_LEFT_OUT = "-"
"""Stands for a text that is kept by its path."""
_CHOICE = "choices[0]"


def nothing_kept() -> RequestError:
    """One error for all of it, so that nobody learns which ids there are."""
    what = (
        "previous_response_id: there is nothing to go on from: no such response was kept for this"
        " key, persona and end user, or it has expired or was erased; send the earlier turns in"
        " 'input'"
    )
    return RequestError(what, param="previous_response_id", code="previous_response_not_found")


def to_keep(asked: Conversation) -> tuple[Message, ...]:
    """The turns of a request as passed on, without the texts that are kept by their paths.

    What holds for one answer alone is not among them: the persona's prompt, and instructions.
    """
    turns = tuple(
        turn
        for turn in asked.messages
        if turn.origin is not Origin.PERSONA and turn.path != STANDING
    )
    said = Conversation(asked.persona, turns)
    return with_texts(said, {one.path: _LEFT_OUT for one in segments(said)}).messages


class Answer:
    """What an answer was made of, event by event; of several choices, the first one."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}
        self._reasoning: list[str] = []

    def add(self, event: StreamEvent) -> None:
        """An event that left."""
        if isinstance(event, ReasoningDelta):
            if event.choice == 0:
                self._reason(event)
            return
        self._reasoning.clear()
        match event:
            case TextDelta(choice=0):
                self._parts.setdefault("text", TextPart("", f"{_CHOICE}.text"))
            case RefusalDelta(choice=0):
                self._parts.setdefault("refusal", RefusalPart("", f"{_CHOICE}.refusal"))
            case ToolCallDelta(choice=0):
                at = f"tool_calls[{event.index}]"
                made = ToolCallPart(event.call_id or "", "", "", f"{_CHOICE}.{at}")
                call = self._parts.setdefault(at, made)
                if event.signed is not None and isinstance(call, ToolCallPart):
                    self._parts[at] = replace(call, signed=event.signed)
            case _:
                return

    def _reason(self, event: ReasoningDelta) -> None:
        """Reasoning that is signed left as the model wrote it; other is of no use to a provider."""
        self._reasoning.append(event.text)
        if event.signed is None:
            return
        at = f"signed[{len(self._parts)}]"
        self._parts[at] = ReasoningPart(
            "".join(self._reasoning), f"{_CHOICE}.{at}", event.signed, event.is_redacted
        )
        self._reasoning.clear()

    def to_keep(self, finish: FinishReason | None, reply: str | None) -> tuple[Message, ...]:
        """The answer as a turn, without the texts that are kept by their paths.

        Args:
            finish: Why it ended. Calls that a filter cut off were never shown as calls.
            reply: The persona's own words, where policy stopped it.
        """
        parts = list(self._parts.values())
        if finish is FinishReason.CONTENT_FILTER:
            parts = [part for part in parts if not isinstance(part, ToolCallPart)]
        if reply is not None:
            parts.append(TextPart(reply, f"{_CHOICE}.reply"))
        return (Message(Role.ASSISTANT, Origin.CLIENT, tuple(parts), path=_CHOICE),)


async def going_on(
    ledger: Ledger, asked: Conversation, caller: Caller
) -> tuple[Conversation, str | None]:
    """The request with the turns before it that it goes on from, and the variant that gave them.

    They are looked at again, as a client's own history is: policy may have changed since.

    Raises:
        RequestError: They are not kept, or not for this key, persona and subject.
    """
    request_id = asked.continues or ""
    record = await ledger.record(request_id, tenant=caller.tenant)
    if record is None or (record.persona, record.opening["key_id"], record.status) != (
        asked.persona,
        caller.key_id,
        Status.COMPLETED,
    ):
        raise nothing_kept()
    kept = await ledger.turns(request_id)
    is_theirs = kept is not None and ledger.are_of(kept, caller.tenant, asked.subject)
    if kept is None or not is_theirs or not kept.is_left_open:
        raise nothing_kept()
    turns = [turn for turn in whole((*kept.asked, *kept.answered), kept) if turn.parts]
    earlier = [_moved(turn, at) for at, turn in enumerate(turns)]
    standing = [turn for turn in asked.messages if turn.path == STANDING]
    new = [turn for turn in asked.messages if turn.path != STANDING]
    gone_on = replace(asked, messages=(*standing, *earlier, *new))
    return gone_on, record.opening["variant"]


async def kept_answer(ledger: Ledger, record: Record) -> Answered | None:
    """The answer that a record is of, where it was kept."""
    kept = await ledger.turns(record.request_id)
    if record.closing is None or record.closing["finish"] is None:
        return None
    if kept is None or not kept.is_left_open:
        return None
    usage = record.closing["usage"]
    return Answered(
        record.request_id,
        record.persona,
        record.opened_at,
        FinishReason(record.closing["finish"]),
        tuple(whole(kept.asked, kept)),
        tuple(part for turn in whole(kept.answered, kept) for part in turn.parts),
        None if usage is None else Usage(**usage),
        record.opening.get("continues"),  # older entries do not say
    )


def whole(turns: tuple[Message, ...], kept: KeptTurns) -> tuple[Message, ...]:
    """Turns with their texts."""
    return with_texts(Conversation("", turns), kept.texts).messages


def _moved(turn: Message, at: int) -> Message:
    """A turn with paths of its own in the request that goes on from it."""
    path = f"previous[{at}]"
    parts = [_part_at(part, f"{path}[{number}]") for number, part in enumerate(turn.parts)]
    return replace(turn, parts=tuple(parts), path=path)


def _part_at(part: Part, path: str) -> Part:
    if isinstance(part, FilePart):
        return replace(part, path=path, name_path=f"{path}.name")
    return replace(part, path=path)
