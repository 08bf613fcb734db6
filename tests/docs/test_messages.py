"""Every message that somebody can meet is on the page of messages."""

import re
from pathlib import Path

from app.cli.message_source import Said, messages
from app.cli.messages_page import NOT_MET, PARTS, collected, place_of, shown
from tests.docs.pages import DOCS, REPOSITORY

SAID = collected()
_STAND_INS = ("is not an RE2 pattern", "does not close '{{'")
"""What detectors and templates of these tests say, and not the product's."""
_WAYS = """
from app.domain.errors import Problem, RequestError

_WHY = {"a": "is too long", "b": "is too short"}
_BOUNDS = {"least": ("ge", "is below {}")}


def direct(name: str) -> None:
    raise RequestError(f"there is no '{name}'; choose another")


def by_name(is_long: bool) -> None:
    what = "is long"
    if is_long:
        what = "is longer"
    what += "; cut it"
    raise RequestError(what)


def from_a_table(key: str) -> None:
    _, phrase = _BOUNDS[key]
    raise RequestError(_WHY.get(key, phrase.format(3)))


def handed_on() -> None:
    _say("name", "is nothing here")


def _say(path: str, what: str) -> None:
    raise RequestError(f"{path}: {what}")


def with_help(known: list[str]) -> None:
    raise RequestError("is unknown" + _choices(known))


def _choices(known: list[str]) -> str:
    return f" ({', '.join(known)})" if known else ""


def defect() -> None:
    raise RuntimeError("never met")
"""


def test_messages_are_found_however_they_are_made(tmp_path: Path) -> None:
    """A message that is put together in another way than the others would not be listed."""
    (tmp_path / "ways.py").write_text(_WAYS, "utf-8")
    assert {said.text for said in messages(tmp_path)} == {
        "there is no '…'; choose another",
        "is long",
        "is longer",
        "is longer; cut it",
        "is too long",
        "is too short",
        "is below …",
        "…: is nothing here",
        "is unknown (…)",
        "is unknown",
    }


def test_every_message_has_a_place() -> None:
    """Whoever meets it would not be told what to do."""
    assert [said for said in SAID if place_of(said) is None] == []


def test_every_place_has_a_message() -> None:
    """A part of the page would be about nothing."""
    met = {place_of(said) for said in SAID}
    places = [*NOT_MET, *(place for _, _, places in PARTS for place in places)]
    assert [place.title for place in places if place not in met] == []


def _known(texts: list[str], line: str) -> bool:
    """Whether a message is on the page, wherever its path ends."""
    parts = line.split(": ")
    tails = [": ".join(parts[at:]) for at in range(len(parts))]
    return any(
        re.fullmatch(".*".join(map(re.escape, text.split("…"))), tail, re.DOTALL)
        for text in texts
        for tail in tails
    )


def test_what_authors_are_told_is_listed() -> None:
    """An author would look for the message on the screen, and not find it on the page."""
    said = {said.text for said in SAID}
    texts = sorted({re.sub("…+", "…", text) for text in said}, key=len, reverse=True)
    lines = {
        re.sub(r"^[^:]+(:\d+:\d+)?: ", "", line)
        for file in (REPOSITORY / "tests/cases/bad_catalogs").glob("*/expected.txt")
        for line in file.read_text("utf-8").splitlines()
    }
    assert len(lines) > 300
    lost = [line for line in sorted(lines) if not line.endswith(_STAND_INS)]
    assert [line for line in lost if not _known(texts, line)] == []


def test_the_page_shows_what_was_collected() -> None:
    """A message would be collected and dropped on its way to the page."""
    page = (DOCS / "reference" / "messages.md").read_text("utf-8")
    met = [said for said in SAID if place_of(said) not in NOT_MET]
    assert len(met) > 900
    lost = [said for said in met if not _is_on(page, said)]
    assert lost == []


def _is_on(page: str, said: Said) -> bool:
    """Whether the page has it, with or without what may be chosen from."""
    text = shown(said.text)
    return f"`{text}`" in page or f"`` {text} ``" in page or f"{text}; did you mean" in page
