"""A page as one HTML file: no script, no other host, light and dark, down to a phone's width."""

import difflib
from collections.abc import Iterator
from importlib.resources import files

from app.review.report.markup import Markup, element, joined
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
    plain,
)

_CONTEXT = 3
"""Lines that stay as they are, around those that change."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page_html(page: Page) -> str:
    """The whole document."""
    style = files("app.review.report").joinpath("style.css").read_text("utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", f"{page.title}: {page.verdict}"),
        Markup(f"<style>\n{style}</style>"),
    )
    tiles = [
        element("li", element("b", f"{tile.count:,}"), tile.label, class_=tile.tone)
        for tile in page.tiles
    ]
    header = element(
        "header",
        element("h1", page.title),
        element("p", _upper(page.verdict), class_=f"verdict {page.tone}"),
        *[element("p", _said(each), class_="about") for each in page.about],
        element("ul", *tiles, class_="tiles"),
    )
    body = element("main", header, *map(_section, page.sections), element("footer", page.last_line))
    document = element("html", head, "\n", element("body", body), lang="en")
    return f"<!doctype html>\n{document.text}\n"


def sections_html(page: Page) -> str:
    """The sections alone, for a page that has a head and a style of its own."""
    return joined(*map(_section, page.sections)).text


def _upper(said: str) -> str:
    return said[:1].upper() + said[1:]


def _section(section: Section) -> Markup:
    inside = joined(*map(_block, section.blocks))
    heading = element("h2", element("span", section.title), class_=section.tone)
    if section.is_folded:
        inside = element("details", element("summary", "Show"), inside)
    return joined("\n", element("section", heading, inside))


def _block(block: Block) -> Markup:
    match block:
        case Lines():
            return joined(*[element("p", _said(each), class_="notes") for each in block.lines])
        case Table():
            return _table(block)
        case Sides():
            return _sides(block)
        case Bars():
            return _bars(block)
        case Spans():
            return _spans(block)


def _said(said: Said) -> Markup:
    return joined(
        *[element("code", each.text) if isinstance(each, Code) else each for each in said]
    )


def _table(table: Table) -> Markup:
    head = element("tr", *[element("th", each, scope="col") for each in table.columns])
    rows = [
        element(
            "tr",
            *[
                element("td", _said(cell), data_label=label) if plain(cell) else element("td")
                for label, cell in zip(table.columns, row, strict=True)
            ],
        )
        for row in table.rows
    ]
    return element("table", element("thead", head), element("tbody", *rows))


def _bars(bars: Bars) -> Markup:
    most = max(bar.count for bar in bars.bars)
    rows = []
    for bar in bars.bars:
        width = max(100 * bar.count / most, 1.0)
        shape = element("rect", x=0, y=15, width=width, height=70, class_="bar")
        drawn = element(
            "svg",
            shape,
            viewBox="0 0 100 100",
            preserveAspectRatio="none",
            class_=bar.tone,
            aria_hidden="true",
        )
        label = element("span", bar.label)
        value = element("span", f"{bar.count:,}", class_="value")
        rows.append(element("div", label, drawn, value, class_="row"))
    return element("figure", element("figcaption", bars.title), *rows)


def _spans(spans: Spans) -> Markup:
    ends = (element("span", f"← {spans.worse}"), element("span", f"{spans.better} →"))
    scale = element("div", element("span"), element("div", *ends, class_="scale"), class_="row")
    rows = []
    for span in spans.spans:
        low, point, high = (50 + 48 * bound for bound in (span.low, span.point, span.high))
        thin, thick = ({"vector_effect": "non-scaling-stroke", "stroke_width": w} for w in (3, 12))
        drawn = element(
            "svg",
            element("line", x1=50, y1=0, x2=50, y2=100, class_="zero", stroke_width=1),
            element("line", x1=low, y1=50, x2=high, y2=50, class_="mark", **thin),
            element("line", x1=point, y1=50, x2=point, y2=50, class_="mark", **thick),
            viewBox="0 0 100 100",
            preserveAspectRatio="none",
            class_=span.tone,
            role="img",
            aria_label=span.said,
        )
        label = element("span", span.label)
        value = element("span", span.said.removeprefix(f"{span.label}: "), class_="value")
        rows.append(element("div", label, drawn, value, class_="row"))
    return element("figure", element("figcaption", spans.title), scale, *rows)


def _sides(sides: Sides) -> Markup:
    head = element("tr", element("th", "before", scope="col"), element("th", "after", scope="col"))
    table = element(
        "table", element("thead", head), element("tbody", *_rows(sides)), class_="sides"
    )
    notes = [element("p", _said(each), class_="notes") for each in sides.notes]
    return element("details", element("summary", sides.title), *notes, table, open="")


def _rows(sides: Sides) -> Iterator[Markup]:
    before, after = sides.before.split("\n"), sides.after.split("\n")
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    last = 0
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        if skipped := group[0][1] - last:
            yield _skipped(skipped)
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (_row(line, line, "same") for line in before[i1:i2])
                continue
            for index in range(max(i2 - i1, j2 - j1)):
                was = before[i1 + index] if i1 + index < i2 else None
                now = after[j1 + index] if j1 + index < j2 else None
                yield _row(was, now, "")
        last = group[-1][2]
    if skipped := len(before) - last:
        yield _skipped(skipped)


def _row(was: str | None, now: str | None, same: str) -> Markup:
    return element("tr", _side(was, "\u2212 ", same or "gone"), _side(now, "+ ", same or "new"))


def _side(line: str | None, sign: str, kind: str) -> Markup:
    if line is None:
        return element("td", class_="none")
    return element("td", ("  " if kind == "same" else sign) + line, class_=kind)


def _skipped(count: int) -> Markup:
    said = f"… {count} line{'' if count == 1 else 's'} alike …"
    return element("tr", element("td", said, colspan=2, class_="skip"))
