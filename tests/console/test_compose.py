"""Composing: the prompt with its margin, a copy that is edited, and what comes of it."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from app.console.composed import Kind, composed
from app.console.drafting import draft_in
from app.domain.errors import RequestError
from app.domain.prompt import LineSource, SystemPrompt
from tests.console.browser import PHONE, Watched, is_scrolled_sideways, violations
from tests.e2e.gateway import Gateway
from tests.review.test_drafts import state

LINES = st.lists(st.sampled_from(["# A", "## B", "one", "two", "", "#no"]), min_size=1, max_size=9)


def prompt_of(lines: list[str], cacheable: int) -> SystemPrompt:
    """A prompt whose lines each come from a line of their own."""
    text = "\n".join(lines)
    places = tuple(LineSource("prompts/x.md.j2", at) for at in range(1, len(lines) + 1))
    return SystemPrompt(text, "", 9, places, "x", min(cacheable, len(text)))


@given(before=LINES, after=LINES, cacheable=st.integers(0, 40))
def test_the_page_has_every_line_of_both_prompts(
    before: list[str], after: list[str], cacheable: int
) -> None:
    """A reader would see a prompt that no model is sent."""
    was, now = prompt_of(before, 9), prompt_of(after, cacheable)
    lines = [line for section in composed(was, now).sections for line in section.lines]
    assert [each.text for each in lines if each.kind is not Kind.GONE] == after
    assert [each.text for each in lines if each.kind is not Kind.NEW] == before
    begins = [each for each in lines if each.begins_change]
    assert len(begins) == (now.cacheable_chars < len(now.text))


@given(
    st.text(max_size=30)
    | st.recursive(st.none() | st.booleans() | st.text(max_size=3), st.lists).map(json.dumps)
)
def test_anything_but_a_draft_is_refused(text: str) -> None:
    """Whoever sends a form by hand would see an error of ours that is none of theirs."""
    try:
        made = draft_in({"draft": text})
    except RequestError:
        return
    assert all(isinstance(each, str | None) for each in made.values())


def open_at(page: Page, line: int) -> None:
    """Put the cursor at the beginning of a line, as somebody does with the keyboard."""
    page.get_by_label("Text of the file").focus()
    page.keyboard.press("Control+Home")
    for _ in range(line - 1):
        page.keyboard.press("ArrowDown")


def test_a_line_leads_to_the_place_that_says_it(page: Page, console: Gateway) -> None:
    """Provenance would be a label, and the author would search for the line."""
    page.goto("/console/compose?persona=lexi&scenario=review")
    assert violations(page) == []
    row = page.locator(".line", has_text="Begin with the costs.")
    row.get_by_role("link").click()
    expect(page.get_by_label("Text of the file")).to_be_focused()
    text = (console.root / "personas/lexi.yaml").read_text("utf-8")
    chosen = page.evaluate(
        "() => { const t = document.getElementById('text');"
        " return t.value.slice(t.selectionStart, t.selectionEnd) }"
    )
    assert "Begin with the costs." in chosen
    assert chosen in text
    expect(page.get_by_text("what a provider can cache")).to_have_count(0)


def test_editing_by_keyboard_with_a_mistake_and_its_remedy(page: Page, console: Gateway) -> None:
    """An author would learn only later that a change is wrong, or could not type at all."""
    was = state(console.root / "personas")
    page.goto("/console/compose?persona=lexi")
    expect(page.get_by_label("Text of the file")).to_be_enabled()
    text = (console.root / "personas/lexi.yaml").read_text("utf-8")
    line = next(i for i, said in enumerate(text.split("\n"), 1) if said.startswith("prompt:"))
    open_at(page, line)
    page.keyboard.press("End")
    page.keyboard.type("x")
    problem = page.get_by_role("button", name=f"personas/lexi.yaml:{line}")
    expect(problem).to_contain_text("assistant")
    expect(page.get_by_text("This is the prompt without it")).to_be_visible()
    expect(page.get_by_role("button", name="What would this change?")).to_be_disabled()
    assert violations(page) == []
    page.get_by_label("Text of the file").focus()
    page.keyboard.press("Backspace")
    expect(problem).to_have_count(0)
    expect(page.get_by_role("heading", name="Your change")).to_have_count(0)

    role = next(i for i, said in enumerate(text.split("\n"), 1) if "role: explainer" in said)
    open_at(page, role)
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.keyboard.type(" of contracts")
    new = page.locator(".line.is-new")
    expect(new).to_contain_text("You are Lexi, explainer of contracts.")
    expect(page.locator(".line.is-gone")).to_contain_text("You are Lexi, explainer.")
    expect(page.get_by_role("heading", name="Your change")).to_be_visible()
    assert violations(page) == []
    page.reload()
    expect(new).to_contain_text("explainer of contracts")
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download the patch").click()
    patch = Path(caught.value.path()).read_text("utf-8")
    assert re.search(r"^\+identity: \{role: explainer of contracts\}$", patch, re.MULTILINE)
    page.set_viewport_size(PHONE)
    assert not is_scrolled_sideways(page)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Discard the draft").click()
    expect(new).to_have_count(0)
    assert state(console.root / "personas") == was, "the console wrote to the project"


def test_a_threshold_is_shown_before_and_after(page: Page, console: Gateway) -> None:
    """An author would not see that a rule became weaker until somebody reviews it."""
    root = (console.root / "policies/root.yaml").read_text("utf-8")
    draft = {"policies/root.yaml": root.replace("public: flag, prof", "public: block, prof")}
    page.goto("/console/compose?persona=lexi&audience=public")
    page.evaluate("d => sessionStorage.setItem('banneton.draft', d)", json.dumps(draft))
    page.reload()
    row = page.get_by_role("row", name="grown-up").first
    expect(row).to_contain_text("blocked")
    expect(row).to_contain_text("Before your change:")
    page.get_by_label("Audience").select_option("minor")
    expect(page.get_by_text("Your draft changes what these rules do")).to_have_count(0)


@pytest.mark.parametrize(
    "name", ["banneton.yaml", "../secret.md", "knowledge/../../secret.md", "/etc/passwd"]
)
def test_the_editor_opens_no_other_file(watched: Watched, page: Page, name: str) -> None:
    """The console would show secrets of the machine to whoever may write prompts."""
    watched.expected = ("400",)
    answer = page.request.get("/console/compose/file", params={"name": name})
    assert answer.status == 400
    assert (
        "outside" in answer.text()
        or "leads elsewhere" in answer.text()
        or "absolute" in answer.text()
    )
