"""Side by side: one message through several columns, and where the answers differ."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from app.console.compare import Answer, compared, words
from app.console.past import Past
from app.domain.errors import ContentError, RequestError
from app.main import load_project
from tests.console.browser import PHONE, is_scrolled_sideways, violations
from tests.e2e.project import write_project
from tests.servers.openai_server import OpenAIServer, echo

TEXTS = st.text("ab ,.中文😀\n", max_size=20)


@given(TEXTS, TEXTS)
def test_what_differs_makes_both_texts(one: str, two: str) -> None:
    """A difference is shown that is none, or a word that no answer has."""
    (found,) = compared([Answer("A", "allow", one), Answer("B", "allow", two)])
    assert "".join(part.text for part in found.parts if part.side != "ins") == one
    assert "".join(part.text for part in found.parts if part.side != "del") == two
    assert found.is_same == (one == two)
    assert "".join(words(one)) == one


def test_long_answers_are_not_compared() -> None:
    """Two long answers would keep a core busy for minutes."""
    (found,) = compared([Answer("A", "allow", "a b " * 1_500), Answer("B", "allow", "b " * 3_000)])
    assert found.is_too_long


def test_one_message_to_two_columns(page: Page, model: OpenAIServer) -> None:
    """A product manager could not see what another audience gets for the same words."""
    model.answer = echo
    page.goto("/console/compare?persona=lexi")
    second = page.locator("[data-column=b]")
    second.get_by_label("Persona").select_option("lexi")
    second.get_by_label("Audience").select_option("minor")
    expect(second.get_by_label("Audience")).to_have_value("minor")
    page.get_by_label("One message for all columns").fill("grown-up talk")
    page.keyboard.press("Enter")
    difference = page.locator(".difference")
    expect(difference).to_contain_text("another outcome")
    expect(page.locator("[data-column=a] .talk-answer")).to_contain_text("grown-up talk")
    expect(second.locator(".talk-answer")).to_contain_text("Lexi cannot help with that.")
    assert difference.locator("del").all_text_contents()
    assert violations(page) == []
    page.get_by_role("button", name="Add a column").click()
    expect(page.locator("[data-column=c]").get_by_label("Audience")).to_have_value("minor")
    page.locator("[data-column=c]").get_by_role("button", name="Remove").click()
    expect(page.locator("[data-column]")).to_have_count(2)
    page.set_viewport_size(PHONE)
    assert not is_scrolled_sideways(page)
    assert violations(page) == []


def test_another_model_and_no_repository(page: Page) -> None:
    """A column would ask another model than it says, or a folder without Git end with a stack."""
    page.goto("/console/compare?persona=lexi")
    expect(page.locator("main")).to_contain_text("no Git repository")
    first = page.locator("[data-column=a]")
    first.get_by_label("Model").select_option("nowhere")
    second = page.locator("[data-column=b]")
    second.get_by_label("Files").fill("HEAD")
    page.keyboard.press("Tab")
    expect(second.get_by_role("alert")).to_contain_text("no Git repository")
    page.get_by_label("One message for all columns").fill("Hello")
    page.keyboard.press("Enter")
    expect(first.get_by_role("alert")).to_contain_text("The model cannot be reached.")
    expect(second.locator(".talk-turn").get_by_role("alert")).to_contain_text("no Git repository")
    assert violations(page) == []


def git(root: Path, *arguments: str) -> None:
    """Run Git in a folder."""
    who = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
    subprocess.run(  # noqa: S603  # git itself
        ["git", "-C", str(root), *who, *arguments],  # noqa: S607
        check=True,
        capture_output=True,
    )


def test_files_as_they_were(tmp_path: Path) -> None:
    """A column would say yesterday and run today, or change what stands in the working tree."""
    root = write_project(tmp_path / "project", "http://127.0.0.1:9/v1")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "First files")
    persona = root / "personas" / "lexi.yaml"
    persona.write_text(persona.read_text("utf-8").replace("Number your steps.", "Be brief."))
    git(root, "commit", "-qam", "Shorter")
    persona.write_text("not: yaml: at all")
    past = Past(root, load_project(root, reads_secrets=False).load_at)

    async def digests() -> list[str]:
        loaded = [await past.at(each) for each in ("HEAD", "HEAD~1", "HEAD")]
        assert loaded[0] is loaded[2]
        assert [each.subject for each in await past.commits()] == ["Shorter", "First files"]
        said = [each.find("lexi", None).prompt.compose(None, {}).text for each in loaded]
        assert ["Be brief." in each for each in said] == [True, False, True]
        with pytest.raises(RequestError):
            await past.at("no-such-branch")
        git(root, "commit", "-qam", "Broken")
        with pytest.raises(ContentError):
            await past.at("HEAD")
        return [each.catalog.digest for each in loaded]

    made = asyncio.run(digests())
    assert made[0] != made[1]
    assert persona.read_text("utf-8") == "not: yaml: at all"
