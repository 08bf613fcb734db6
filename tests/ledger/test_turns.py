"""Turns that others go on from are kept as texts are, and go as they do."""

import orjson
import pytest

from app.domain.conversation import Message, Origin, Role, TextPart, ToolCallPart
from app.domain.errors import LedgerError
from app.domain.turns import turns_json
from app.ledger.keyring import Kept, Keyring, _derive, seal
from app.ledger.ledger import Ledger
from app.ledger.verify import Intact
from tests.ledger.exchanges import StandingClock, closing, opening

ASKED = (Message(Role.USER, Origin.CLIENT, (TextPart("", "messages[0].content"),)),)
ANSWERED = (Message(Role.ASSISTANT, Origin.CLIENT, (ToolCallPart("c", "", "", "text"),)),)


async def exchange(ledger: Ledger, request_id: str, **more: object) -> None:
    """Record an exchange that others may go on from, whose answer has no text."""
    values: dict[str, object] = {"turns": ASKED, "keeps_content": True, "subject": "ada", **more}
    await ledger.open(opening(request_id, **values))  # type: ignore[arg-type]  # checked by its tests
    await ledger.close(closing(request_id, turns=ANSWERED, content=()))


async def test_turns_are_kept_with_their_texts(ledger: Ledger) -> None:
    """A conversation cannot be gone on with, or an answer without text is lost."""
    await exchange(ledger, "r1")
    kept = await ledger.turns("r1")
    assert kept is not None
    assert (kept.asked, kept.answered) == (ASKED, ANSWERED)
    assert not kept.is_left_open
    assert kept.texts == {"messages[0].content": "write to [removed]"}
    assert ledger.are_of(kept, "acme", "ada")
    for tenant, subject in (("acme", "bob"), ("acme", None), ("other", "ada")):
        assert not ledger.are_of(kept, tenant, subject)
    assert [one.text for one in await ledger.content("r1")] == ["write to [removed]"]


async def test_turns_of_nobody_are_not_somebodys(ledger: Ledger) -> None:
    """Whoever names an end user reads what was said without one."""
    await exchange(ledger, "r1", subject=None)
    kept = await ledger.turns("r1")
    assert kept is not None
    assert ledger.are_of(kept, "acme", None)
    assert not ledger.are_of(kept, "acme", "ada")


@pytest.mark.parametrize("more", [{"keeps_content": False}, {"turns": ()}])
async def test_turns_are_kept_only_where_that_was_said(
    ledger: Ledger, more: dict[str, object]
) -> None:
    """A conversation is kept that policy, or the client, did not want kept."""
    await exchange(ledger, "r1", **more)
    assert await ledger.turns("r1") is None


async def test_an_open_exchange_has_no_turns_yet(ledger: Ledger) -> None:
    """A request goes on from an answer that is not there."""
    await ledger.open(opening("r1", turns=ASKED, keeps_content=True))
    assert await ledger.turns("r1") is None


async def test_turns_go_on_time_also_before_they_are_purged(
    ledger: Ledger, clock: StandingClock
) -> None:
    """What has expired is read as long as nobody has cleaned up."""
    await exchange(ledger, "r1", content_days=10)
    clock.go(days=9)
    assert await ledger.turns("r1") is not None
    clock.go(days=1)
    assert await ledger.turns("r1") is None
    assert (await ledger.purge()).contents == 2


async def test_turns_of_the_erased_are_gone(ledger: Ledger) -> None:
    """A person's conversation outlives their erasure."""
    await exchange(ledger, "r1")
    await ledger.erase_subject("acme", "ada")
    assert await ledger.turns("r1") is None


async def test_no_turn_stands_in_the_export(ledger: Ledger) -> None:
    """Ids of calls, or who said what, can be read from an export."""
    turn = Message(Role.USER, Origin.CLIENT, (TextPart("planted", "p"),), "planted-name")
    await exchange(ledger, "r1", turns=(turn,))
    text = b"\n".join([line async for line in ledger.export()])
    assert b"planted" not in text


def test_what_was_kept_before_there_were_turns_is_still_read() -> None:
    """Texts that an earlier version kept cannot be read any more."""
    keyring = Keyring(b"m" * 32)
    owner, _ = keyring.new_owner(b"o" * 16)
    content = (("messages[0].content", "hello"),)
    key = _derive(owner.key, "kept")
    assert owner.unseal_content(seal(key, orjson.dumps(content), b"r1"), "r1").texts == content
    older = orjson.dumps({"texts": content, "turns": turns_json(ASKED)})
    assert owner.unseal_content(seal(key, older, b"r1"), "r1") == Kept(
        content, ASKED, is_left_open=True
    )
    kept = Kept(content, ASKED, surrogates={"Elm Amberdale": "PERSON"})
    assert owner.unseal_content(owner.seal_content(kept, "r1"), "r1") == kept
    with pytest.raises(LedgerError):
        owner.unseal_content(seal(b"k" * 32, b"[]", b"r1"), "r1")


async def test_a_client_can_have_the_text_of_an_exchange_destroyed(
    ledger: Ledger, clock: StandingClock
) -> None:
    """Text is there after it was deleted, the record goes with it, or nobody can tell."""
    for request_id in ("r1", "r2"):
        await exchange(ledger, request_id)
    heads = await ledger.checkpoint()
    assert await ledger.delete_content("r1", "acme", "key-1")
    assert await ledger.turns("r1") is None
    assert await ledger.content("r1") == ()
    assert await ledger.turns("r2") is not None
    record = await ledger.record("r1", tenant="acme")
    assert record is not None
    assert record.opening["content"]
    assert isinstance(await ledger.verify(heads), Intact)
    lines = [line async for line in ledger.export()]
    assert sum(b'"kind":"deletion"' in line and b'"request_id":"r1"' in line for line in lines) == 1
    clock.go(days=1)
    assert not await ledger.delete_content("r1", "acme", "key-1")
    assert [line async for line in ledger.export()] == lines
