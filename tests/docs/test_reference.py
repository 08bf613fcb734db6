"""The reference is what the code says."""

import re
from pathlib import Path

import pytest
import typer

from app.cli.app import cli
from app.cli.reference import pages
from app.guardrails.kinds import KINDS
from app.guardrails.shapes import Shape
from app.main import check_cases, load_project
from tests.docs.pages import DOCS, REPOSITORY

PAGES = pages(typer.main.get_command(cli))
_EXAMPLE = re.compile(r"^\| `(?P<read>[^`]+)` \| `(?P<held>[^`]*)` \|", re.MULTILINE)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_what_the_code_says(name: str) -> None:
    """The reference would describe another version; `make docs` writes it anew."""
    assert (DOCS / "reference" / name).read_text("utf-8") == PAGES[name]


def test_every_key_and_option_says_what_it_is() -> None:
    """A reader would find a key in the reference and not what it means."""
    silent = [
        f"{name}: {line}"
        for name in sorted(PAGES)
        if name not in {"coverage.md", "http.md", "records.md"}
        for line in PAGES[name].splitlines()
        if line.startswith("| `") and line.endswith("|  |")
    ]
    assert silent == []


def test_every_error_code_is_listed() -> None:
    """A client would meet a code that stands nowhere."""
    raised = {
        code
        for path in (REPOSITORY / "app").rglob("*.py")
        if path.parent.name != "cli"
        for code in re.findall(r'\bcode="([a-z_]+)"', path.read_text("utf-8"))
    }
    listed = set(re.findall(r"^\| \d+ \| `([a-z_]+)`", PAGES["errors.md"], re.MULTILINE))
    assert raised <= listed


@pytest.mark.parametrize("name", sorted(KINDS))
def test_each_detector_has_a_page_that_names_its_settings(name: str) -> None:
    """A detector would ship without what it catches and misses, or with settings nobody knows."""
    text = (DOCS / "reference" / "detectors" / f"{name}.md").read_text("utf-8")
    missing = [key for key in KINDS[name].settings.model_fields if f"`{key}" not in text]
    assert missing == []


async def test_the_annotated_files_load_and_pass_their_cases() -> None:
    """Whoever starts from an annotated file would start from mistakes."""
    project = load_project(DOCS / "reference" / "examples", reads_secrets=False)
    count, problems = await check_cases(project, project.load())
    assert count > 0
    assert problems == ()


def test_the_worked_example_of_streams_is_true() -> None:
    """The page would promise that less, or more, is held than the gate holds."""
    rows = _EXAMPLE.findall((DOCS / "explanation" / "streams.md").read_text("utf-8"))
    shape = Shape(r"\b[0-9]{1,2}% off\b")
    held = [(read, read[shape.scan(read, 0, is_end=False)[1] :]) for read, _ in rows]
    assert len(rows) == 7
    assert held == rows


def _pages() -> list[Path]:
    return [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("page", _pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    """A reader would follow a link to nothing."""
    text = re.sub(
        r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [
        target
        for target in targets
        if target and "://" not in target and not (page.parent / target).exists()
    ]
    assert missing == []


def test_the_map_leads_to_every_page() -> None:
    """A page would be there, and nobody would find it."""
    text = (DOCS / "index.md").read_text("utf-8")
    found = {
        path.relative_to(DOCS).as_posix()
        for folder in ("tutorial", "how-to", "reference", "explanation")
        for path in (DOCS / folder).glob("*.md")
    }
    assert [page for page in sorted(found) if f"({page})" not in text] == []
