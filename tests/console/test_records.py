"""Records as people see them: found, read, verified, and nobody else's."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import httpx2
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import BadRequestError
from playwright.sync_api import Page, expect

from tests.console.browser import PHONE, Watched, is_scrolled_sideways, violations
from tests.console.conftest import sign_in
from tests.e2e.gateway import Gateway

MAIL = "ann.sample@example.com"
QUESTION = f"grown-up: write to {MAIL} please"


@pytest.fixture(scope="module")
def asked(past: Gateway) -> str:
    """The id of an exchange about somebody, whose text is kept."""
    client = past.client("reviewer")
    answer = client.chat.completions.with_raw_response.create(
        model="keeper",
        messages=[{"role": "user", "content": QUESTION}],
        user="ann",
        extra_body={"banneton": {"session": "visit-1"}},
    )
    return answer.headers["x-request-id"]


def times(page: Page) -> list[str]:
    """The ids of the records that a list shows, in its order."""
    links = page.locator("table.records td.when a").all()
    return [(link.get_attribute("href") or "").rpartition("/")[2] for link in links]


def test_a_search_is_an_address(at_past: Watched, past: Gateway, asked: str) -> None:
    """Somebody could not send a colleague what they found, or use it without a mouse."""
    page = at_past.page
    sign_in(page, past.keys["reviewer"])
    page.goto("/console/records")
    assert len(times(page)) == 50
    assert violations(page) == []
    page.get_by_label("Persona").focus()
    page.get_by_label("Persona").select_option("keeper")
    page.get_by_text("More filters").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Rule that applied").focus()
    page.keyboard.type("grown-up")
    page.get_by_label("User").focus()
    page.keyboard.type("ann")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/records?*")
    assert parse_qs(urlsplit(page.url).query) == {
        "persona": ["keeper"],
        "rule": ["grown-up"],
        "subject": ["ann"],
    }
    assert times(page) == [asked]
    page.reload()
    assert times(page) == [asked]
    page.get_by_role("link", name="Rule that applied: grown-up").click()
    page.wait_for_url(lambda url: "rule" not in url)
    page.goto("/console/records?persona=lexi&catalog=nothing")
    expect(page.get_by_text("No record fits")).to_be_visible()
    at_past.expected = ("400",)
    page.goto("/console/records?since=yesterday")
    expect(page.get_by_role("alert")).to_contain_text("ISO 8601")


def test_pages_of_a_list_follow_one_another(at_past: Watched, past: Gateway) -> None:
    """A record would stand on two pages, or on none."""
    page = at_past.page
    sign_in(page, past.keys["reviewer"])
    page.goto("/console/records?until=2100-01-01T00:00")
    first = times(page)
    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**cursor=**")
    second = times(page)
    assert len(second) == 50
    assert not set(first) & set(second)
    assert first + second == sorted(first + second, reverse=True)
    page.get_by_role("link", name="Newest").click()
    page.wait_for_url(lambda url: "cursor" not in url)
    assert times(page) == first


def test_one_exchange_is_told_from_asking_to_afterwards(
    at_past: Watched, past: Gateway, asked: str
) -> None:
    """A reviewer could not see what was found, where the rule stands, or whether it was changed."""
    page = at_past.page
    sign_in(page, past.keys["reviewer"])
    page.goto(f"/console/records?request_id={asked}")
    page.wait_for_url(f"**/console/records/{asked}")
    main = page.get_by_role("main")
    expect(main).to_contain_text("EMAIL_ADDRESS")
    expect(main).to_contain_text("personal-data")
    policy = (past.root / "policies" / "root.yaml").read_text("utf-8").splitlines()
    line = policy.index("  - id: personal-data") + 1
    expect(main).to_contain_text(f"policies/root.yaml:{line}")
    expect(main).to_contain_text("The rules of today decide the same.")
    expect(main).to_contain_text("This record fits its chain")
    expect(main).to_contain_text("The whole chain was not verified yet.")
    expect(main).not_to_contain_text("The chain is intact")
    assert MAIL not in page.content()
    assert violations(page) == []
    page.get_by_role("button", name="Verify the chain").focus()
    page.keyboard.press("Enter")
    expect(main).to_contain_text("The chain is intact", timeout=30_000)
    page.get_by_role("button", name="Show the kept text").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".kept-text").first).to_contain_text("grown-up: write to")
    assert MAIL not in page.content()
    assert violations(page) == []
    page.set_viewport_size(PHONE)
    assert not is_scrolled_sideways(page)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download as JSON").click()
    record = orjson.loads(saved.value.path().read_bytes())
    assert record == past.get(f"/v1/records/{asked}", "reviewer").json()


def test_nobody_sees_what_is_not_theirs(past: Gateway, asked: str) -> None:
    """Another tenant, or a key for other personas, could guess an id and read."""
    for name, path, status in (
        ("reviewer", f"/console/records/{asked}", 200),
        ("author", "/console/records", 403),
        ("author", f"/console/records/{asked}", 403),
        ("elsewhere", f"/console/records/{asked}", 404),
        ("elsewhere", f"/console/records/{asked}/text", 404),
        ("elsewhere", f"/console/records/{asked}/record.json", 404),
        ("elsewhere", f"/console/records/{asked}/verification", 404),
        ("bound", f"/console/records/{asked}", 404),
    ):
        with signed_in(past, name) as http:
            assert http.get(path).status_code == status, (name, path)
    with signed_in(past, "elsewhere") as http:
        assert "No records yet" in http.get("/console/records").text
        assert "No record fits" in http.get(f"/console/records?request_id={asked}").text
    with signed_in(past, "bound") as http:
        seen = http.get("/console/records").text
        assert "lexi" in seen
        assert not re.search(r"<td[^>]*>(keeper|conduct)", seen)
    assert past.get(f"/v1/records/{asked}", "bound").status_code == 404
    assert past.get("/v1/records?persona=keeper", "bound").json()["records"] == []


@contextmanager
def signed_in(past: Gateway, name: str) -> Iterator[httpx2.Client]:
    """Somebody who is in, without a browser."""
    headers = {"sec-fetch-site": "same-origin"}
    with httpx2.Client(base_url=past.url, headers=headers, trust_env=False, timeout=60) as http:
        found = re.search(r'name="csrf" value="([^"]+)"', http.get("/console/sign-in").text)
        assert found is not None
        form = {"csrf": found[1], "key": past.keys[name], "back": "/console"}
        assert http.post("/console/sign-in", data=form).status_code == 303
        yield http


WORDS = st.text(st.sampled_from("abcdefghijklmnop <>&\"'{}%"), min_size=12, max_size=24).map(
    lambda text: f"zz{text}zz"
)


@given(text=WORDS, name=WORDS)
@settings(deadline=None, max_examples=12)
def test_no_words_of_users_are_on_these_pages(past: Gateway, text: str, name: str) -> None:
    """What the ledger does not keep would be read off a page."""
    client = past.client("reviewer")
    try:
        answer = client.chat.completions.with_raw_response.create(
            model="lexi", messages=[{"role": "user", "content": text}], user=name
        )
    except BadRequestError:  # such as a name that no request may have
        return
    request_id = answer.headers["x-request-id"]
    with signed_in(past, "reviewer") as http:
        for path in ("", "/console/records", f"/console/records/{request_id}",
                     f"/console/records/{request_id}/text",
                     f"/console/records/{request_id}/record.json"):  # fmt: skip
            shown = http.get(path or "/console").text
            for said in (text, name):
                assert said not in shown
                assert said.replace("&", "&amp;").replace("<", "&lt;") not in shown


def test_what_a_record_says_is_text(past: Gateway) -> None:
    """A detector of others could put markup into a reviewer's page."""
    with signed_in(past, "reviewer") as http:
        listed = http.get("/console/records?rule=personal-data").text
        found = re.findall(r'href="/console/records/([0-9a-f]{32})"', listed)
        shown = "".join(http.get(f"/console/records/{each}").text for each in found[-3:])
    assert "of its &lt;i&gt;form&lt;/i&gt;" in shown
    assert "<i>" not in shown
