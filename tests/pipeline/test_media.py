"""Pictures and files of a request: what is refused, what the record says, and what is kept."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.domain.conversation import (
    Conversation,
    FilePart,
    ImagePart,
    Inline,
    Linked,
    Message,
    Origin,
    Role,
)
from app.domain.errors import FieldRefusedError
from app.domain.policy import Media, MediaBounds, Policy
from app.pipeline.media import check_media
from tests.api.bodies import DOCUMENT, PICTURE
from tests.pipeline.exchanging import Kitchen, PlayedBackend, conversation, kitchen

CASES = Path(__file__).parent.parent / "cases" / "media"
HOSTS = frozenset({"example.com", "*.pictures.org"})
MEDIA = Media(
    MediaBounds(frozenset({"image/png", "image/jpeg"}), 70, 2, "public", HOSTS),
    MediaBounds(frozenset({"application/pdf"}), 70, 2, "public", HOSTS),
)
POLICY = Policy("p", ("minor", "public", "professional"), "public", (), media=MEDIA)


def rows(name: str) -> list[Any]:
    """The rows of a table as parameters, named by their ids."""
    table = yaml.load((CASES / f"{name}.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    return [pytest.param(row, id=row["id"]) for row in table["rows"]]


def saying(*parts: ImagePart | FilePart, text: str = "What is it?") -> Conversation:
    """A request that holds them."""
    asked = conversation(text)
    (message,) = asked.messages
    return replace(asked, messages=(replace(message, parts=(*message.parts, *parts)),))


def refusal(asked: Conversation, audience: str = "public", policy: Policy = POLICY) -> str:
    """Why a request is refused; empty where it is not."""
    try:
        check_media(asked, policy, audience)
    except FieldRefusedError as refused:
        return refused.message
    return ""


@pytest.mark.parametrize("row", rows("links"))
@pytest.mark.parametrize("part", [ImagePart, FilePart])
def test_links(row: dict[str, Any], part: type[ImagePart] | type[FilePart]) -> None:
    """A provider is sent somewhere that nobody has named, or not where it may go."""
    url = row["url"].ljust(row.get("padded", 0), "a")
    said = refusal(saying(part(Linked(url), "here")))
    assert (said == "") == row["passes"]
    assert said == "" or said.startswith("here: ")
    assert url not in said


@pytest.mark.parametrize("row", rows("bytes"))
def test_bytes(row: dict[str, Any]) -> None:
    """Bytes pass that policy does not let in, or the sender is not told why."""
    raw = bytes.fromhex(row.get("hex", "")).ljust(row.get("padded", 0), b"\0")
    data = row.get("data", base64.b64encode(raw).decode())
    made = FilePart if row.get("kind") == "files" else ImagePart
    parts = [
        made(Inline(row["type"], data), f"part {number}") for number in range(row.get("times", 1))
    ]
    said = refusal(saying(*parts))
    assert (said == "") == ("says" not in row)
    assert row.get("says", "") in said
    assert len(data) < 5 or data not in said


@pytest.mark.parametrize("audience", POLICY.audiences)
def test_who_may_send(audience: str) -> None:
    """A stricter audience sends what policy keeps from it, or a looser one may not."""
    said = refusal(saying(ImagePart(Inline("image/png", PICTURE[:12]), "here")), audience)
    assert ("media.images.strictest_audience" in said) == (audience == "minor")
    assert (said == "") == (audience != "minor")


def test_a_policy_that_says_nothing_lets_nothing_in() -> None:
    """A policy from before there were pictures would let them in."""
    policy = replace(POLICY, media=Media())
    assert "media.images" in refusal(
        saying(ImagePart(Linked("https://example.com/a"), "h")), policy=policy
    )
    assert "media.files" in refusal(
        saying(FilePart(Inline("application/pdf", DOCUMENT), "h")), policy=policy
    )


def test_pictures_and_files_are_counted_apart_and_over_all_turns() -> None:
    """A long conversation holds more than policy lets in, or files use up what pictures may."""
    picture = ImagePart(Inline("image/png", PICTURE[:12]), "here")
    paper = FilePart(Inline("application/pdf", DOCUMENT), "there")
    assert refusal(saying(picture, picture, paper, paper)) == ""
    two = saying(picture, picture)
    later = Message(Role.TOOL, Origin.TOOL, (replace(picture, path="later"),))
    assert refusal(replace(two, messages=(*two.messages, later))).startswith("later: more than 2")


async def run(at: Kitchen, asked: Conversation) -> None:
    """All of an exchange."""
    async for _ in at.exchange(asked).run():
        pass


async def test_the_record_counts_what_nobody_looked_inside(root: Path) -> None:
    """Nobody could tell later which answers were about something that no detector saw."""
    parts = (
        ImagePart(Inline("image/png", PICTURE), "a"),
        ImagePart(Inline("image/png", PICTURE), "b"),
        ImagePart(Linked("https://example.com/a.png"), "c"),
        FilePart(Inline("application/pdf", DOCUMENT), "d"),
    )
    async with kitchen(root, PlayedBackend()) as at:
        await run(at, saying(*parts))
        await run(at, conversation("Nothing to see"))
        plain, shown = await at.records()
    assert plain.opening["media"] == []
    assert shown.opening["media"] == [
        {"kind": "images", "type": "image/png", "count": 2, "bytes": 140},
        {"kind": "images", "type": None, "count": 1, "bytes": 0},
        {"kind": "files", "type": "application/pdf", "count": 1, "bytes": 15},
    ]
    assert PICTURE[:20] not in str(shown)


async def test_a_refusal_comes_before_the_model_and_the_record(root: Path) -> None:
    """A model sees what policy keeps out, or a request that never was one leaves a record."""
    async with kitchen(root, PlayedBackend()) as at:
        with pytest.raises(FieldRefusedError, match=r"media\.images\.hosts"):
            await run(at, saying(ImagePart(Linked("https://example.org/a.png"), "here")))
        assert at.backend.calls == []
        assert await at.records() == ()


async def test_a_link_that_a_rule_rewrites_is_refused(root: Path) -> None:
    """The provider fetches from an address that is made of a pseudonym, or of a mask."""
    url = "https://example.com/anna.keller@example.org"
    async with kitchen(root, PlayedBackend()) as at:
        with pytest.raises(FieldRefusedError, match=r"here: a rule .* rewrites this address"):
            await run(at, saying(ImagePart(Linked(url), "here")))
        assert at.backend.calls == []


async def test_a_block_says_so_also_where_a_link_is_rewritten(root: Path) -> None:
    """A blocked request is answered with an error instead of the persona's reply."""
    url = "https://example.com/anna.keller@example.org"
    async with kitchen(root, PlayedBackend()) as at:
        await run(at, saying(ImagePart(Linked(url), "here"), text="ask-banned"))
        (record,) = await at.records()
        assert (record.outcome, at.backend.calls) == ("block", [])
