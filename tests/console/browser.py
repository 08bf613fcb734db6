"""A real browser, and what it must never say."""

import shutil
from asyncio import AbstractEventLoop, _set_running_loop, get_running_loop
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    sync_playwright,
)

DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def chromium() -> str:
    """Where Debian's Chromium is, or another one; the test is skipped where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip("There is no Chromium here; Debian's package 'chromium' has one.")


@dataclass
class Started:
    """A browser that runs, and the loop of whoever drives it."""

    browser: Browser
    loop: AbstractEventLoop

    @contextmanager
    def in_use(self) -> Iterator[Browser]:
        """The browser, for the length of a test.

        Playwright's loop stays in the middle of its run between two calls, and this thread counts
        as running it: no other test could run a loop of its own. So it counts only meanwhile.
        """
        _set_running_loop(self.loop)
        try:
            yield self.browser
        finally:
            _set_running_loop(None)


@contextmanager
def browser() -> Iterator[Started]:
    """A browser that asks nobody but the gateway."""
    path = chromium()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=[*_OPTIONS])
        started = Started(launched, get_running_loop())
        _set_running_loop(None)
        try:
            yield started
        finally:
            _set_running_loop(started.loop)
            launched.close()


@dataclass
class Watched:
    """A page with everything that went wrong on it."""

    page: Page
    host: str
    wrong: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """Parts of what the browser may say, such as a status that the test asks for."""

    def __post_init__(self) -> None:
        """Listen from the start."""
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.wrong.append(message.text)

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).netloc != self.host and not request.url.startswith("data:"):
            self.wrong.append(f"asked another host: {request.url}")

    def unexpected(self) -> list[str]:
        """What went wrong that the test did not ask for."""
        return [what for what in self.wrong if not any(part in what for part in self.expected)]


def violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG A and AA, with the elements that it is about."""
    found = Axe().run(page, options=_RULES).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {node['html'][:160]}"
        for each in found
        for node in each["nodes"]
    ]


def is_scrolled_sideways(page: Page) -> bool:
    """Whether the page is wider than the window: a phone would cut it off."""
    return bool(
        page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    )


def saved(page: Page, to: Path) -> None:
    """A picture of all of the page."""
    page.screenshot(path=to, full_page=True)
