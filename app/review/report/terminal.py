"""A page on a terminal: coloured where one is there, plain lines in a file or pipe."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from app.review.report.page import (
    Bars,
    Block,
    Lines,
    Page,
    Said,
    Section,
    Sides,
    Spans,
    Table,
    Tone,
    plain,
)

_STYLES = {Tone.BAD: "bold red", Tone.WARN: "yellow", Tone.GOOD: "green", Tone.PLAIN: "bold"}
_WIDTH = 30
"""Characters of a picture."""

Styled = tuple[str, str]
"""A line, and its style."""


def print_page(page: Page, console: Console) -> None:
    """Print a page; nothing in it is taken for markup."""
    for line, style in lines(page):
        console.print(Text(line, style), soft_wrap=True, highlight=False)


def lines(page: Page) -> Iterator[Styled]:
    """The lines, each with its style, worst first."""
    for section in page.sections:
        yield f"{section.title}:", _STYLES[section.tone]
        yield from _section(section)
        yield "", ""
    for said in page.about:
        yield plain(said), "dim"
    yield page.last_line, _STYLES[page.tone]


def _section(section: Section) -> Iterator[Styled]:
    for block in section.blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[Styled]:
    match block:
        case Lines():
            yield from ((f"  {plain(each)}", "dim") for each in block.lines)
        case Table(has_figures=True):
            yield from _figures(block)
        case Table():
            yield from ((f"  {_row(row)}", "") for row in block.rows)
        case Sides():
            yield f"  {block.title}:", "bold"
            yield from (_of_diff(line) for line in block.diff)
            yield from ((f"    {plain(each)}", "dim") for each in block.notes)
        case Bars():
            most = max(bar.count for bar in block.bars)
            for bar in block.bars:
                drawn = "█" * max(round(_WIDTH * bar.count / most), 1)
                yield f"  {drawn:<{_WIDTH}}  {bar.count:>7,}  {bar.label}", _STYLES[bar.tone]
        case Spans():
            yield f"  {block.worse:<{_WIDTH // 2}}{block.better:>{_WIDTH // 2}}", "dim"
            for span in block.spans:
                drawn = _drawn(span.low, span.point, span.high)
                yield f"  {drawn}  {span.said}", _STYLES[span.tone].removeprefix("bold ")


def _figures(table: Table) -> Iterator[Styled]:
    """Columns under their names, each as wide as its longest cell."""
    rows = [table.columns, *(tuple(map(plain, row)) for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for index, row in enumerate(rows):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells).rstrip()}", "" if index else "dim"


def _row(row: tuple[Said, ...]) -> str:
    first, second, *rest = (plain(cell) for cell in (*row, ()))
    more = [f"({each})" for each in rest if each]
    return "  ".join(filter(None, (first, " ".join(filter(None, (second, *more))))))


def _of_diff(line: str) -> Styled:
    style = {"+": "green", "-": "red"}.get(line[:1], "dim")
    # Written as in the files but for what would move the cursor.
    return "    " + "".join(each if each.isprintable() else "\ufffd" for each in line), style


def _drawn(low: float, point: float, high: float) -> str:
    """An interval between -1 and 1, with its middle and zero."""
    at = [round((_WIDTH - 1) * (bound + 1) / 2) for bound in (low, point, high)]
    made = ["─" if at[0] <= index <= at[2] else " " for index in range(_WIDTH)]
    made[(_WIDTH - 1) // 2] = "│"
    made[at[1]] = "●"
    return "".join(made)
