"""From an empty folder to a reviewed patch, as somebody does who is new here."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.cli.test_plan import git
from tests.console.browser import DESKTOP, Watched
from tests.console.conftest import sign_in
from tests.e2e.gateway import banneton, gateway, make_keys
from tests.review.test_drafts import state
from tests.servers.openai_server import OpenAIServer, text_answer

LONG_MS = 120_000
BEFORE, AFTER = "warmth: medium", "warmth: high"


@contextmanager
def visited(browser: Browser, url: str) -> Iterator[Page]:
    """A page on which nothing may go wrong."""
    context = browser.new_context(viewport=DESKTOP, base_url=url, locale="en-GB")
    watched = Watched(context.new_page(), url.removeprefix("http://"))
    yield watched.page
    context.close()
    assert watched.unexpected() == []


def change(page: Page, file: str, before: str, after: str) -> None:
    """Find a text in a file, and type another one in its place."""
    page.get_by_label("File", exact=True).select_option(value=file)
    text = page.get_by_label("Text of the file")
    expect(text).to_be_enabled()
    expect(text).to_have_value(re.compile(re.escape(before)))
    text.evaluate(
        "(each, said) => { const at = each.value.indexOf(said);"
        " each.focus(); each.setSelectionRange(at, at + said.length) }",
        before,
    )
    page.keyboard.insert_text(after)


def test_from_an_empty_folder_to_a_reviewed_patch(
    tmp_path: Path,
    model: OpenAIServer,
    _browser: Browser,  # noqa: PT019  # its value is used
) -> None:
    """The journey that the product is for would break somewhere between two pages."""
    root = tmp_path / "bank"
    begun = banneton(
        "init", "desk", "--from", "bank-service", "--name", "Finch", "--yes",
        "--provider", model.base_url, "--model", "served-model", "--root", root,
    )  # fmt: skip
    assert begun.returncode == 0, begun.stderr
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "As init made it")
    keys = make_keys(root, {"me": ("--console", "--records")})
    files = state(root / "personas") | state(root / "policies") | state(root / "prompts")
    with gateway(root, keys=keys) as running, visited(_browser, running.url) as page:
        sign_in(page, keys["me"])
        model.play(text_answer("Open the app and freeze the card."))
        page.goto("/console/playground")
        page.locator("#text").fill("My card is gone.")
        page.keyboard.press("Enter")
        expect(page.get_by_role("log")).to_contain_text("freeze the card", timeout=LONG_MS)

        page.get_by_role("link", name="Compose").click()
        change(page, "personas/desk.yaml", BEFORE, AFTER)
        expect(page.locator(".line.is-new")).to_contain_text("Be warm", timeout=LONG_MS)
        change(page, "policies/baseline.yaml", "{at: 0.9, do: block}", "{at: 0.97, do: block}")
        row = page.get_by_role("row", name="injection").first
        expect(row).to_contain_text("from 0.97", timeout=LONG_MS)
        expect(row).to_contain_text("Before your change:")

        page.get_by_role("button", name="What would this change?").click()
        heading = page.get_by_role("heading", level=1, name="Something is weaker than before")
        expect(heading).to_be_visible(timeout=LONG_MS)
        last_line = page.locator(".report footer").inner_text()
        weaker = page.locator(".needs .command").inner_text().split()[5]
        cases = page.get_by_role("heading", name="cases beside the files").inner_text()
        with page.expect_download() as caught:
            page.get_by_role("link", name="Download the patch").click()
        patch = tmp_path / "change.patch"
        caught.value.save_as(patch)
        now = state(root / "personas") | state(root / "policies") | state(root / "prompts")
        assert now == files, "the console wrote to the project"
        assert git(root, "status", "--porcelain") == ""

    subprocess.run(["git", "apply", str(patch)], cwd=root, check=True, timeout=60)  # noqa: S603, S607  # as the page says
    assert AFTER in (root / "personas/desk.yaml").read_text("utf-8")
    checked = banneton("check", "--root", root)
    holding = re.search(r"\d+", cases)
    assert holding is not None
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.startswith(f"all well: {holding[0]} cases")
    planned = banneton("plan", "--base", "HEAD", "--records", "ledger", "--root", root)
    assert planned.returncode == 1
    assert last_line in " ".join(planned.stdout.split())
    assert weaker in planned.stdout
