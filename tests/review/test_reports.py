"""Reports in every format: whatever names hold, they are text, and nothing is left out unsaid."""

import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft4Validator
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console
from typing_extensions import override

from app.domain.errors import Problem
from app.domain.policy import Stage
from app.review.change import Change, Effect, Located
from app.review.plan import Plan
from app.review.report import annotations
from app.review.report.contents import page_of
from app.review.report.document import document
from app.review.report.html import page_html
from app.review.report.markdown import MARK, MOST, markdown
from app.review.report.page import Lines, Page, Section, Sides, Table, Tone, plain
from app.review.report.terminal import lines, print_page
from tests.review.plans import plan_of, plans

SARIF = Draft4Validator(
    json.loads(
        (Path(__file__).parent.parent / "schemas" / "sarif-schema-2.1.0.json").read_text("utf-8")
    )
)
some = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = re.compile(r"<!-- banneton plan -->\n?|</?details>\n*|</?summary>|</?code>")
BLOCKS = {
    *("html_block", "paragraph_open", "paragraph_close", "heading_open", "heading_close"),
    *("inline", "fence"),
    *(
        f"{each}_{end}"
        for each in ("table", "thead", "tbody", "tr", "th", "td")
        for end in ("open", "close")
    ),
}


def shown(token: Token) -> str:
    """What somebody reads of a line of Markdown."""
    said = "".join(
        "" if each.type == "html_inline" else each.content for each in token.children or ()
    )
    return " ".join(said.replace("\u200b", "").split())


def cells(page: Page) -> list[str]:
    """What stands in every cell of every table of a page."""
    return [
        " ".join(plain(cell).replace("\u200b", "").split())
        for section in page.sections
        for block in section.blocks
        if isinstance(block, Table)
        for row in block.rows
        for cell in row
    ]


@some
@given(plans())
def test_markdown_shows_names_as_they_are(plan: Plan) -> None:
    """A persona could be named so that a comment calls people or links elsewhere."""
    page = page_of(plan)
    tokens = READER.parse(markdown(page))
    assert {token.type for token in tokens} <= BLOCKS
    for token in tokens:
        if token.type == "html_block":
            assert not OURS.sub("", _without_summary(token.content)).strip(), token.content
        for each in token.children or ():
            assert each.type in {
                "text",
                "text_special",
                "code_inline",
                "html_inline",
                "softbreak",
                "strong_open",
                "strong_close",
            }
            if each.type == "html_inline":
                assert OURS.fullmatch(each.content), each.content
            elif each.type in {"text", "text_special"}:
                assert not re.search(r"@\w|#\d|[a-z]://|www\.", each.content)
    found = [shown(tokens[at + 1]) for at, token in enumerate(tokens) if token.type == "td_open"]
    assert found == cells(page)


def _without_summary(content: str) -> str:
    """A block without the text of its summary, in which there may be no markup at all."""
    return re.sub(r"(?<=<summary>)[^<>]*(?=</summary>)", "", content)


class _Reader(HTMLParser):
    """Notes what is in a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self.in_cell = False
        self.open: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)
        if tag == "td":
            self.in_cell = True
            self.cells.append("")

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.in_cell = self.in_cell and tag != "td"

    @override
    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.cells[-1] += data


@some
@given(plans())
def test_html_shows_names_as_they_are(plan: Plan) -> None:
    """Opening a report could run somebody's script, or ask another host."""
    page = page_of(plan)
    reader = _Reader()
    made = page_html(page)
    reader.feed(made)
    reader.close()
    assert reader.open == []
    assert not reader.tags & {"script", "img", "a", "link", "iframe", "object", "image", "use"}
    assert not {
        name
        for name in reader.attributes
        if name.startswith("on") or name in {"href", "src", "style"}
    }
    assert "url(" not in made.partition("</style>")[0]
    read = {" ".join(cell.replace("\u200b", "").split()) for cell in reader.cells}
    assert set(cells(page)) <= read


@some
@given(plans())
def test_machines_can_read_every_report(plan: Plan) -> None:
    """CI would refuse a report because of what somebody named a rule."""
    found = annotations.of_plan(plan)
    log = json.loads(annotations.sarif(found, "1.0", prefix="a b/"))
    SARIF.validate(log)
    for result in log["runs"][0]["results"]:
        said = result["message"]["text"].replace("{{", "").replace("}}", "")
        assert "{" not in said
        assert "](" not in said
    suite = ET.fromstring(annotations.junit("plan", found, passed="fine"))  # noqa: S314  # ours
    failures = len(suite.findall(".//failure"))
    assert bool(failures) is plan.is_weaker or plan.is_weaker
    assert int(suite.get("failures", "")) == failures
    quality = json.loads(annotations.code_quality(found))
    assert all(
        set(each) == {"description", "check_name", "fingerprint", "severity", "location"}
        for each in quality
    )
    assert json.loads(document(plan))["is_weaker"] is plan.is_weaker


@some
@given(plans())
def test_a_terminal_is_told_nothing_but_text(plan: Plan) -> None:
    """A name could move the cursor and write over what is weaker."""
    page = page_of(plan)
    for line, _ in lines(page):
        assert all(char.isprintable() for char in line), ascii(line)
    file = io.StringIO()
    print_page(page, Console(file=file, force_terminal=False))
    assert "\x1b" not in file.getvalue()
    assert file.getvalue().split("\n")[:-1] == [line for line, _ in lines(page)]


def test_a_terminal_shows_colours() -> None:
    """Nothing would stand out where somebody looks."""
    file = io.StringIO()
    print_page(page_of(plan_of(change())), Console(file=file, force_terminal=True))
    assert "\x1b[1;31mWeaker:" in file.getvalue()


def change(what: str = "less", effect: Effect = Effect.WEAKER) -> Located:
    """A change of a rule."""
    return Located(Change(effect, "then", what, "r", ("public",), (Stage.INPUT,)), ("p",))


def test_a_comment_has_room_for_what_github_takes() -> None:
    """GitHub would refuse the comment of the very change that has to be read."""
    many = [change(f"it is less {number} 🎉") for number in range(900)]
    other = [change(f"other {number}", Effect.CHANGED) for number in range(900)]
    page = page_of(plan_of(*many, *other))
    made = markdown(page)
    assert len(made.encode("utf-16-le")) // 2 <= MOST
    assert made.startswith(MARK)
    shown = len(re.findall(r"it is less \d", made))
    assert 300 < shown < 900
    assert f"{900 - shown} of 900 rows of “Weaker”" in made
    assert "900 of 900 rows of “Changed”" in made
    assert "900 weaker, 900 changed" in made
    whole = markdown(page, most=1_000_000)
    assert "Left out" not in whole
    assert len(re.findall(r"other \d", whole)) == 900


def test_a_comment_leaves_a_long_prompt_out_before_a_short_table() -> None:
    """A prompt that was rewritten would push what changed out of the comment, without a word."""
    sides = Sides("a prompt", "a", "b", ("+" + "x" * MOST,))
    table = Table(("what",), ((("the rest",),),))
    page = replace(
        page_of(plan_of()),
        sections=(Section("Prompts", (sides,)), Section("Changed", (table, Lines((("so",),))))),
    )
    made = markdown(page)
    assert "the rest" in made
    assert "a diff (a prompt) of “Prompts”" in made.replace("\\", "")
    assert len(made) < 1_500


def _colours(css: str) -> Iterator[dict[str, str]]:
    for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL):
        yield dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))


def _light(colour: str) -> float:
    """Relative luminance. Source: WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_read(scheme: int) -> None:
    """Somebody could not tell what is weaker, by day or by night."""
    css = files("app.review.report").joinpath("style.css").read_text("utf-8")
    colours = list(_colours(css))[scheme]
    backs = ("page", "card")
    pairs = [(front, back) for front in ("text", "soft") for back in (*backs, "code")]
    for tone in ("bad", "warn", "good", "plain"):
        pairs += [(tone, back) for back in (*backs, f"{tone}-back")]
    for front, back in pairs:
        bright, dark = sorted((_light(colours[front]), _light(colours[back])), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, (front, back)


def test_what_check_finds_is_annotated() -> None:
    """A mistake in a file would not stand beside its line in a pull request."""
    problem = Problem("policies/a.yaml", 3, 5, "rules[0]", "is [wrong](x) {0}")
    warning = Problem("personas/a.yaml", 0, 0, "", "looks odd")
    found = annotations.of_check([problem], [warning])
    log = json.loads(annotations.sarif(found, "1.0"))
    SARIF.validate(log)
    first, second = log["runs"][0]["results"]
    assert (first["level"], second["level"]) == ("error", "warning")
    assert first["message"]["text"] == "rules[0]: is [wrong] (x) {{0}}"
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 5}
    suite = ET.fromstring(annotations.junit("check", found, passed="all well"))  # noqa: S314  # ours
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    none = ET.fromstring(annotations.junit("check", [], passed="all well"))  # noqa: S314  # ours
    assert (none.get("tests"), none.get("failures")) == ("1", "0")


def test_figures_stand_under_their_names() -> None:
    """Twenty metrics on a terminal are a row of brackets each."""
    rows = ((("Cost",), ("1.20 $",)), (("Over-refusal",), ()))
    table = Table(("metric", "after"), rows, has_figures=True)
    page = Page("", "", Tone.PLAIN, (), (), (Section("Metrics", (table,)),), "done")
    said = [line for line, _ in lines(page)]
    assert said[1:4] == ["  metric        after", "  Cost          1.20 $", "  Over-refusal"]
