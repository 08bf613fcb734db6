"""The documentation's site builds, leads nowhere else, and asks nobody."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Page, Request, sync_playwright
from typing_extensions import override

from tests.docs.pages import DOCS, REPOSITORY

CONFIG = REPOSITORY / "zensical.toml"
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_PHONE = 390


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as strictly as ``make site`` does."""
    root = tmp_path_factory.mktemp("site")
    shutil.copy(CONFIG, root)
    shutil.copytree(DOCS, root / "docs")
    ended = subprocess.run(  # noqa: S603  # our own pages
        [Path(sys.executable).with_name("zensical"), "build", "--strict"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}"
    return root / "site"


def test_a_link_to_nothing_fails_the_build(tmp_path: Path) -> None:
    """A page that was renamed would leave readers on a page that says 404."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A\n\n[b](b.md)\n", "utf-8")
    shutil.copy(CONFIG, tmp_path)
    text = re.sub(r"(?s)^nav = \[.*?^\]\n", "", CONFIG.read_text("utf-8"), flags=re.MULTILINE)
    (tmp_path / "zensical.toml").write_text(text, "utf-8")
    ended = subprocess.run(  # noqa: S603  # our own pages
        [Path(sys.executable).with_name("zensical"), "build", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode != 0
    assert "page does not exist" in ended.stdout + ended.stderr


class _References(HTMLParser):
    """What a page loads and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if "src" in said:
            self.loads.append(said["src"])
        if tag == "link" and said.get("rel") != "canonical":
            self.loads.append(said.get("href", ""))
        if tag == "a":
            self.leads.append(said.get("href", ""))


def _references(page: Path) -> _References:
    read = _References()
    read.feed(page.read_text("utf-8"))
    return read


def _is_elsewhere(reference: str) -> bool:
    return bool(urlsplit(reference).scheme or urlsplit(reference).netloc)


def test_every_reference_of_every_page_is_there(site: Path) -> None:
    """A reader would click on a file, or look at a picture, that the site does not have."""
    lost: dict[str, str] = {}
    for page in sorted(site.rglob("*.html")):
        if page.name == "404.html" or page.is_relative_to(site / "examples"):
            continue  # asked from anywhere; pages that another command makes
        read = _references(page)
        for reference in {*read.loads, *read.leads}:
            path = unquote(urlsplit(reference).path)
            if not _is_elsewhere(reference) and path and not (page.parent / path).exists():
                lost[reference] = page.relative_to(site).as_posix()
    assert lost == {}


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    """Whoever reads the documentation would be told to another host."""
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 80
    foreign = {each for page in pages for each in _references(page).loads if _is_elsewhere(each)}
    assert foreign == set()


def _pages(nav: Any) -> Iterator[str]:  # noqa: ANN401  # a tree of TOML
    for each in nav if isinstance(nav, list) else nav.values():
        if isinstance(each, str):
            yield each
        else:
            yield from _pages(each)


def test_every_page_stands_in_the_map() -> None:
    """A page would be found by its search alone: give it a line under ``nav``."""
    listed = list(_pages(tomllib.loads(CONFIG.read_text("utf-8"))["project"]["nav"]))
    assert len(listed) == len(set(listed))
    folders = ("tutorial", "how-to", "reference", "reference/models", "explanation")
    written = {
        path.relative_to(DOCS).as_posix()
        for folder in folders
        for path in (DOCS / folder).glob("*.md")
    }
    assert written ^ set(listed) == {"index.md", "decisions/README.md"}


def test_what_is_not_ours_is_as_it_was_reviewed() -> None:
    """A script of others would have changed, and nobody have looked."""
    decision = (DOCS / "decisions" / "0274-zensical-makes-the-site.md").read_text("utf-8")
    for script in (DOCS / "assets").glob("*.js"):
        assert sha256(script.read_bytes()).hexdigest() in decision


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of Debian's Chromium."""
    found = next((path for name in _CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("There is no Chromium here; Debian's package 'chromium' has one.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started.new_page()
        started.close()


def test_the_first_page_asks_nobody_and_finds_pages(site: Path, page: Page) -> None:
    """The site would need the network, or its search would, when it is read from a disk."""
    foreign: list[str] = []
    wrong: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:", "about:")):
            foreign.append(request.url)

    page.on("request", asked)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((site / "index.html").as_uri())
    page.get_by_role("button", name=re.compile("Search")).first.click()
    page.locator("input:visible").first.fill("langchain")
    page.get_by_text(re.compile(r"^\d+ results$")).wait_for(timeout=90_000)
    assert (foreign, wrong) == ([], [])


@pytest.mark.parametrize("name", ["index", "reference/messages", "how-to/deploy"])
def test_a_page_fits_a_phone(site: Path, page: Page, name: str) -> None:
    """A reader would push a page to and fro to read a line."""
    page.set_viewport_size({"width": _PHONE, "height": 844})
    page.goto((site / f"{name}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= _PHONE
