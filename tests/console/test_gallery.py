"""The gallery, and what a key for some personas sees of the others: nothing."""

from collections.abc import Iterator
from html import unescape

import pytest
from playwright.sync_api import Page, expect

from tests.console.browser import violations
from tests.console.test_playground import Visitor, begin
from tests.e2e.gateway import Gateway, make_keys
from tests.servers.openai_server import OpenAIServer

CASES = """cases:
  - {id: a question that is banned, text: May I ask-banned here?, expect: block}
  - {id: an address, text: I am anna.keller@example.org, expect: pseudonymize}
  - {id: an ordinary question, text: How are you?, expect: allow}
"""


@pytest.fixture
def _cases(console: Gateway) -> Iterator[None]:
    """Cases of the policy, while a test runs."""
    file = console.root / "policies" / "root.cases.yaml"
    file.write_text(CASES, "utf-8")
    yield
    file.unlink()


@pytest.mark.usefixtures("_cases")
def test_from_the_gallery_into_the_playground(page: Page) -> None:
    """Somebody who starts could not find a persona, or would see results that nobody had."""
    page.goto("/console/gallery")
    lexi = page.locator("#persona-lexi")
    lexi.get_by_text("What its policy stops").click()
    expect(lexi.locator(".gallery-stops")).to_contain_text("May I ask-banned here?")
    expect(lexi.locator(".gallery-stops")).to_contain_text("rule banned-question")
    assert violations(page) == []
    lexi.get_by_role("link", name="Try this in the playground").click()
    expect(page.get_by_label("Your message")).to_have_value("May I ask-banned here?")
    expect(page.get_by_label("Persona")).to_have_value("lexi")
    samples = page.locator(".sample")
    assert [each.strip() for each in samples.locator(".badge").all_text_contents()] == [
        "allowed",
        "pseudonymised",
        "blocked",
    ]
    samples.first.click()
    expect(page.get_by_label("Your message")).to_have_value("How are you?")
    begin(page, "persona=lexi&audience=professional")
    expect(page.get_by_label("Audience")).to_have_value("public")


def test_a_key_for_one_persona_sees_no_other(console: Gateway, model: OpenAIServer) -> None:
    """Whoever may try one persona would read the prompts and policies of all."""
    console.keys |= make_keys(
        console.root, {"of-lexi": ("--console", "--persona", "lexi", "--audience", "minor")}
    )
    visitor = Visitor(console, "of-lexi")
    model.requests.clear()
    for path in ("playground?persona=curt", "compare?persona=curt", "gallery"):
        html = visitor.http.get(f"/console/{path}").text
        assert "Lexi" in html
        assert "Curt" not in html
    assert visitor.http.get("/console/gallery/curt").status_code == 403
    for fields in ({"persona": "curt"}, {"audience": "public"}, {"route": "nowhere"}):
        shown = unescape(visitor.turn("Hello", **fields))
        assert 'role="alert"' in shown
    assert model.requests == []
    assert "Lexi cannot help" in visitor.turn("grown-up")
    visitor.http.close()
