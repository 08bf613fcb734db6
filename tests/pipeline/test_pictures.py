"""Pictures in exchanges: who gets them, what holds them, and what the record says."""

from pathlib import Path
from typing import Any

import pytest

from app.domain.conversation import Conversation, PersonaWishes
from app.domain.errors import FieldRefusedError, ImageRefusedError
from app.domain.events import Finish, FinishReason, ImageDelta, StreamEvent, TextDelta
from app.domain.record import Status
from app.domain.wanted import Pictures, TextAnswer
from app.ledger.ledger import Ledger
from app.pipeline.answer import ExchangeEvent, Stopped
from tests.guardrails.building import text_of
from tests.pipeline.exchanging import Kitchen, PlayedBackend, conversation, kitchen
from tests.servers.images import PIXEL

IMAGE = ImageDelta("image/png", PIXEL)
MINOR = PersonaWishes(audience="minor")


def drawing(*said: StreamEvent) -> PlayedBackend:
    """A backend that says this and draws."""
    return PlayedBackend((*said, IMAGE, Finish(FinishReason.STOP)))


async def play(at: Kitchen, asked: Conversation) -> list[ExchangeEvent]:
    """All events of an exchange."""
    return [event async for event in at.exchange(asked).run()]


def wanting(wanted: TextAnswer | Pictures, persona: str = "painter", **more: Any) -> Conversation:  # noqa: ANN401  # as conversation takes them
    """A request that wants this."""
    asked = conversation("Hello", persona=persona, **more)
    return Conversation(**{**_fields(asked), "wanted": wanted})


def _fields(asked: Conversation) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in Conversation.__dataclass_fields__}


@pytest.mark.parametrize(
    "wanted",
    [TextAnswer(), TextAnswer(images_path="modalities"), Pictures()],
    ids=["unasked", "asked", "pictures alone"],
)
async def test_a_picture_leaves_and_is_in_the_record(
    root: Path, wanted: TextAnswer | Pictures
) -> None:
    """A picture is lost, or whoever has one cannot be told whether it was drawn here."""
    async with kitchen(root, drawing()) as at:
        events = await play(at, wanting(wanted))
        assert IMAGE in events
        (record,) = await at.records()
        assert record.status is Status.COMPLETED
        assert record.closing is not None
        assert "choices[0].images[0]" in str(record.closing["content"])
        assert PIXEL not in str(record)


async def test_what_is_kept_of_a_picture_is_what_it_was(root: Path) -> None:
    """A ledger that keeps content fills with pictures, or going on from such an answer fails."""
    async with kitchen(root, drawing(TextDelta("Here."))) as at:
        asked = wanting(TextAnswer(), persona="keeper")
        await play(at, Conversation(**{**_fields(asked), "keeps_turns": True}))
        (record,) = await at.records()
        assert isinstance(at.ledger, Ledger)
        kept = await at.ledger.turns(record.request_id)
        assert kept is not None
        said = kept.texts["choices[0].images[0]"]
        assert said.startswith("image/png, 70 bytes, sha256:")
        assert [
            part for turn in kept.answered for part in turn.parts if not hasattr(part, "text")
        ] == []


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (wanting(TextAnswer(images_path="modalities"), wishes=MINOR), "modalities"),
        (wanting(Pictures(), wishes=MINOR), "model"),
        (wanting(Pictures(count=5)), "n"),
    ],
)
async def test_what_policy_lets_out_to_nobody_is_refused_before_anything(
    root: Path, asked: Conversation, field: str
) -> None:
    """A picture that nobody may see is drawn and billed."""
    async with kitchen(root, drawing()) as at:
        with pytest.raises(FieldRefusedError) as refused:
            await play(at, asked)
        assert refused.value.param == field
        assert "media.answers.images" in refused.value.message
        assert (at.backend.calls, await at.records()) == ([], ())


async def test_a_picture_that_comes_unasked_is_not_for_everyone(root: Path) -> None:
    """A model that draws whatever it is asked shows minors what policy keeps from them."""
    async with kitchen(root, drawing()) as at:
        with pytest.raises(ImageRefusedError):
            await play(at, wanting(TextAnswer(), wishes=MINOR))
        (record,) = await at.records()
        assert record.closing is not None
        assert (record.status, record.closing["error"]) == (Status.FAILED, "image_not_allowed")


@pytest.mark.parametrize(("said", "leaves"), [("1. Fine.", True), ("1. SHOUTED", False)])
async def test_a_picture_waits_for_behaviours(root: Path, *, said: str, leaves: bool) -> None:
    """A picture leaves of an answer that a behaviour then stops."""
    backend = PlayedBackend((IMAGE, TextDelta(said), Finish(FinishReason.STOP)))
    async with kitchen(root, backend) as at:
        events = await play(at, wanting(TextAnswer(), persona="conduct"))
        assert (IMAGE in events) == leaves
        assert any(isinstance(event, Stopped) for event in events) != leaves
        assert text_of([e for e in events if isinstance(e, TextDelta)]) == (said if leaves else "")
