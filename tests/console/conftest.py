"""One gateway and one browser for all pages of a worker: starting them costs seconds."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.console.browser import DESKTOP, Started, Watched, browser
from tests.e2e.gateway import Gateway, gateway, make_keys
from tests.e2e.project import PII, write_project
from tests.servers.openai_server import OpenAIServer, openai_server_in_thread


@pytest.fixture(scope="session")
def _started() -> Iterator[Started]:
    with browser() as started:
        yield started


@pytest.fixture
def _browser(_started: Started) -> Iterator[Browser]:
    with _started.in_use() as browser:
        yield browser


@pytest.fixture(scope="session")
def model() -> Iterator[OpenAIServer]:
    """The model behind the gateway."""
    with openai_server_in_thread() as server:
        yield server


@pytest.fixture(scope="session")
def console(
    model: OpenAIServer, _started: Started, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway with keys: ``author``, ``reviewer`` (reads records too), ``app`` (no console)."""
    root = write_project(
        tmp_path_factory.mktemp("console") / "project", model.base_url, personal_data=PII
    )
    keys = make_keys(
        root,
        {"author": ("--console",), "reviewer": ("--console", "--records"), "app": ()},
    )
    with gateway(root, keys=keys) as running:
        yield running


@pytest.fixture
def watched(_browser: Browser, console: Gateway) -> Iterator[Watched]:
    """A page of a browser that nobody used before; the test fails where something goes wrong."""
    context = _browser.new_context(viewport=DESKTOP, base_url=console.url, locale="en-GB")
    made = Watched(context.new_page(), console.url.removeprefix("http://"))
    yield made
    context.close()
    assert made.unexpected() == []


@pytest.fixture
def page(watched: Watched, console: Gateway) -> Page:
    """The same, signed in as ``reviewer``."""
    sign_in(watched.page, console.keys["reviewer"])
    return watched.page


def sign_in(page: Page, key: str) -> None:
    """Sign in as somebody does."""
    page.goto("/console/sign-in")
    page.get_by_label("Your key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console")
