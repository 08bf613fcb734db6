"""Reviewing: a patch, a branch or a draft as a page."""

import json

from playwright.sync_api import Page, expect

from tests.console.browser import PHONE, Watched, is_scrolled_sideways, violations
from tests.console.conftest import sign_in
from tests.e2e.gateway import Gateway

LONG_MS = 60_000


def weaker_patch(console: Gateway) -> str:
    """A patch that lets something pass that was flagged."""
    lines = (console.root / "policies/root.yaml").read_text("utf-8").split("\n")
    at = next(i for i, line in enumerate(lines) if "public: flag, prof" in line)
    return (
        "--- a/policies/root.yaml\n+++ b/policies/root.yaml\n"
        f"@@ -{at + 1} +{at + 1} @@\n"
        f"-{lines[at]}\n+{lines[at].replace('public: flag', 'public: allow')}\n"
    )


def test_a_patch_is_reviewed_with_the_records_that_flip(page: Page, console: Gateway) -> None:
    """A reviewer would approve without seeing whom it touches, or the link would lead nowhere."""
    console.client("app").chat.completions.create(
        model="lexi", messages=[{"role": "user", "content": "Is this grown-up?"}]
    )
    page.goto("/console/review")
    assert violations(page) == []
    form = page.get_by_role("form", name="A patch")
    form.get_by_label("Paste it").fill(weaker_patch(console))
    form.get_by_role("button", name="What would this change?").click()
    expect(page.get_by_role("heading", level=1, name="Something is weaker")).to_be_visible(
        timeout=LONG_MS
    )
    assert violations(page) == []
    expect(page.get_by_role("heading", name="Approvals needed: 1")).to_be_visible()
    expect(page.locator(".needs .command")).to_contain_text("--approve-weakening w-")
    flips = page.locator("section", has=page.get_by_role("heading", name="recorded decision"))
    expect(flips).to_contain_text("flag → allow")
    link = flips.locator('a[href^="/console/records/"]').first
    expect(link).to_be_visible()
    for kind, begin in (("Markdown", "<!-- banneton plan -->"), ("SARIF", "{"), ("HTML", "<!doc")):
        href = page.get_by_role("link", name=kind).get_attribute("href")
        assert page.request.get(href or "").text().startswith(begin)
    page.set_viewport_size(PHONE)
    assert not is_scrolled_sideways(page)


def test_a_patch_that_does_not_fit_says_why(watched: Watched, page: Page, console: Gateway) -> None:
    """A reviewer would look at a plan of something else, or at an error without a remedy."""
    watched.expected = ("422",)
    page.goto("/console/review")
    form = page.get_by_role("form", name="A patch")
    wrong = weaker_patch(console).replace("then:", "than:")
    form.get_by_label("Paste it").fill(wrong)
    form.get_by_role("button", name="What would this change?").click()
    expect(page.get_by_role("alert")).to_contain_text("policies/root.yaml: the patch does not fit")
    expect(form.get_by_label("Paste it")).to_have_value(wrong)
    assert violations(page) == []


def test_a_review_is_its_owners(watched: Watched, console: Gateway) -> None:
    """Somebody with another key would read a draft; or an author without records, records."""
    page = watched.page
    sign_in(page, console.keys["author"])
    page.goto("/console/compose?persona=lexi")
    root = (console.root / "policies/root.yaml").read_text("utf-8")
    draft = {"policies/root.yaml": root.replace("public: flag, prof", "public: block, prof")}
    page.evaluate("d => sessionStorage.setItem('banneton.draft', d)", json.dumps(draft))
    page.reload()
    page.get_by_role("button", name="What would this change?").click()
    expect(page.get_by_role("heading", level=1, name="Nothing is weaker")).to_be_visible(
        timeout=LONG_MS
    )
    expect(page.locator('a[href^="/console/records/"]')).to_have_count(0)
    expect(page.get_by_text("Nobody looked at recorded traffic")).to_be_visible()
    where = page.url
    page.context.clear_cookies()
    sign_in(page, console.keys["reviewer"])
    watched.expected = ("404",)
    answer = page.goto(where)
    assert answer is not None
    assert answer.status == 404
