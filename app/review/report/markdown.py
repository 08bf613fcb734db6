"""A page as GitHub's and GitLab's Markdown: one comment, however large the change is."""

import re
from collections.abc import Iterator

from app.review.report.page import (
    Bars,
    Block,
    Code,
    Lines,
    Page,
    Said,
    Section,
    Sides,
    Spans,
    Table,
    Tone,
)

MARK = "<!-- banneton plan -->"
"""Begins the Markdown, so that a workflow finds its own comment again."""
MOST = 65_536
"""Characters of a comment on GitHub."""
_SIGNS = {Tone.BAD: "🔴", Tone.WARN: "🟡", Tone.GOOD: "🟢", Tone.PLAIN: ""}
_SPECIAL = re.compile(r"[\\`*\[\]<>#|~$&]|_(?![A-Za-z0-9])|(?<![A-Za-z0-9])_")
"""What means something to Markdown; within a word, ``_`` does not."""
_ROOM = 600
"""Characters for saying what was left out."""
_ZERO = "&#8203;"
"""Keeps GitHub from taking a name for somebody to tell, a number for an issue, text for a link."""


def markdown(page: Page, *, most: int = MOST) -> str:
    """The page as one comment.

    Args:
        page: What to tell.
        most: Characters that there is room for. What does not fit is left out from the end on, and
            that is said.
    """
    sign = _SIGNS[page.tone]
    head = [MARK, f"### {sign} {text_of(page.title)}: **{text_of(page.verdict)}**", ""]
    head += [f"**{text_of(page.last_line)}**", ""]
    head += [said_of(each) for each in page.about]
    made = "\n".join([*head, ""])
    left_out: list[str] = []
    for section in page.sections:
        room = most - _ROOM - _size(made)
        shown, missing = _section(section, room)
        made += shown
        left_out += missing
    if left_out:
        what = "; ".join(left_out)
        more = f"\n> [!WARNING]\n> Left out, as a comment has room for {most:,} characters: "
        made += more + (what if len(what) <= _ROOM // 2 else f"{len(left_out)} parts")
        made += ". The whole of it is in the job's summary and its files.\n"
    return re.sub(r"\n{3,}", "\n\n", made)


def _section(section: Section, room: int) -> tuple[str, list[str]]:
    """The section as far as there is room for it, and what is missing of it."""
    title = f"{_SIGNS[section.tone]} {text_of(section.title)}".strip()
    opening, closing = f"\n#### {title}\n\n", ""
    if section.is_folded:
        opening, closing = f"\n<details><summary>{title}</summary>\n\n", "\n</details>\n"
    made, missing = opening, []
    for block in section.blocks:
        left = room - _size(made) - _size(closing)
        shown, lost = _block(block, left)
        made += shown
        if lost:
            missing.append(f"{lost} of “{text_of(section.title)}”")
    if made == opening:
        return "", missing
    return made + closing, missing


def _block(block: Block, room: int) -> tuple[str, str]:
    """The block, and what of it there was no room for; nothing in words where all is there."""
    match block:
        case Table():
            return _table(block, room)
        case Lines():
            made = "".join(f"{said_of(each)}\n\n" for each in block.lines)
            return (made, "") if _size(made) <= room else ("", "notes")
        case Sides():
            made = "\n".join(_sides(block)) + "\n"
            return (made, "") if _size(made) <= room else ("", f"a diff ({text_of(block.title)})")
        case Bars() | Spans():
            return "", ""  # the table beside it says the same


def _table(table: Table, room: int) -> tuple[str, str]:
    head = f"| {' | '.join(map(text_of, table.columns))} |\n|{' --- |' * len(table.columns)}\n"
    made, count, size = head, 0, _size(head) + 1
    for row in table.rows:
        line = f"| {' | '.join(map(said_of, row))} |\n"
        size += _size(line)
        if size > room:
            break
        made += line
        count += 1
    missing = len(table.rows) - count
    lost = f"{missing} of {len(table.rows)} rows" if missing else ""
    return (made + "\n" if count else ""), lost


def _size(text: str) -> int:
    """Characters as GitHub counts them: some take two."""
    return len(text) + sum(char > "\uffff" for char in text)


def _sides(sides: Sides) -> Iterator[str]:
    fence = _fence(sides.diff)
    yield f"<details><summary>{_escaped(sides.title)}</summary>"
    yield ""
    for note in sides.notes:
        yield said_of(note)
        yield ""
    yield f"{fence}diff"
    yield from (each.replace("\r", "\ufffd") for each in sides.diff)
    yield fence
    yield ""
    yield "</details>"
    yield ""


def _fence(lines: tuple[str, ...]) -> str:
    """A fence that no line of a prompt can close."""
    longest = 2
    for line in lines:
        for run in re.findall(r"`+", line):
            longest = max(longest, len(run))
    return "`" * (longest + 1)


def said_of(said: Said) -> str:
    """A line in which nothing but its code means anything to Markdown."""
    return "".join(_code(each.text) if isinstance(each, Code) else text_of(each) for each in said)


def text_of(said: str) -> str:
    """Text that means nothing to Markdown, in a cell or anywhere on a line."""
    line = _one_line(said)
    made = _SPECIAL.sub(lambda found: f"\\{found[0]}", line)
    made = made.replace("@", f"@{_ZERO}").replace("\\#", f"#{_ZERO}")
    made = re.sub(r"://|(?<=(?i:www))\.", lambda found: f"{_ZERO}{found[0]}", made)
    return re.sub(r"^([-+=]+(?=\s|$)|\d+(?=[.)](?:\s|$)))", lambda found: _entities(found[0]), made)


def _entities(said: str) -> str:
    return "".join(f"&#{ord(char)};" for char in said)


def _code(said: str) -> str:
    """A code span that shows the text as it is; one in a table, too."""
    line = _one_line(said)
    if "|" in line:  # which ends a cell, whatever stands before it
        return f"<code>{_escaped(line)}</code>"
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") or not line.strip() else ""
    return f"{fence}{pad}{line}{pad}{fence}" if line else ""


def _one_line(said: str) -> str:
    return re.sub(r"\s+", " ", said)


def _escaped(said: str) -> str:
    """Text inside HTML inside Markdown."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", _one_line(said)).replace(
        "@", f"@{_ZERO}"
    )
