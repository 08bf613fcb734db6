"""The first page: it says whether all is well, weighs little, and does not move under the eye."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.console.browser import DESKTOP, PHONE, Watched, is_scrolled_sideways, violations
from tests.console.conftest import sign_in
from tests.console.loading import first_visit
from tests.console.test_records import signed_in
from tests.e2e.gateway import Gateway

MOST_BYTES = 100_000


def rows(page: Page, title: str) -> list[list[str]]:
    """The table of a chart, as text."""
    figure = page.locator("figure.chart-card", has=page.get_by_role("heading", name=title))
    figure.get_by_text("As a table").focus()
    page.keyboard.press("Enter")
    figure.locator("tbody").wait_for()
    return [
        [cell.inner_text() for cell in row.locator("th, td").all()]
        for row in figure.locator("tbody tr").all()
    ]


def test_it_says_what_needs_a_look_and_where(at_past: Watched, past: Gateway) -> None:
    """An outage, or a change for the worse, would stand in a chart that nobody reads."""
    page = at_past.page
    sign_in(page, past.keys["reviewer"])
    page.goto("/console?last=30d")
    signs = page.locator(".signs")
    expect(signs).to_contain_text("The detector words could not look")
    expect(signs).to_contain_text("keeping to “numbered” went from")
    expect(page.locator("#verdict")).to_contain_text("need a look")
    assert page.locator(".plot canvas").count() >= 6
    assert violations(page) == []
    page.get_by_role("link", name="keeper", exact=True).click()
    page.wait_for_url("**persona=keeper**")
    traffic = rows(page, "Traffic")
    assert len(traffic) == 30
    exchanges = sum(int(row[1]) for row in traffic)
    expect(page.locator(".tiles")).to_contain_text(f"{exchanges:,}")
    page.get_by_role("link", name="24 hours").click()
    page.wait_for_url("**last=24h**")
    assert "persona=keeper" in page.url


def test_a_chart_has_its_numbers_beside_it(at_past: Watched, past: Gateway) -> None:
    """Somebody who does not see the chart would see nothing; or a gap would read as zero."""
    page = at_past.page
    sign_in(page, past.keys["reviewer"])
    page.goto("/console?last=30d&persona=conduct")
    kept = rows(page, "Behaviours kept")
    expect(page.locator(".marks")).to_contain_text("conduct changed here")
    expect(page.locator(".marks")).to_contain_text("began to serve")
    assert all("%" in value for _, value in kept)
    assert all("–" in value for _, value in kept), "each with its interval"
    satisfied = rows(page, "Satisfaction")
    assert len(satisfied) < len(kept) + 1
    expect(page.get_by_text("Nothing was scored in this time.")).to_have_count(0)
    page.goto("/console?last=1h&persona=severe")
    expect(page.get_by_role("heading", name="No traffic in this time")).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("language", ["English", "中文"])
def test_it_fits_on_a_phone_in_both_languages(
    at_past: Watched, past: Gateway, language: str
) -> None:
    """A page would be cut off, or its colours too faint in the dark."""
    page = at_past.page
    sign_in(page, past.keys["reviewer"])
    page.get_by_role("button", name=language).click()
    page.get_by_role("button", name="深色" if language == "中文" else "Dark").click()
    page.set_viewport_size(PHONE)
    for path in ("/console?last=30d", "/console/records"):
        page.goto(path)
        assert not is_scrolled_sideways(page), path
        assert violations(page) == [], path


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def newcomer(
    request: pytest.FixtureRequest, _browser: Browser, past: Gateway
) -> Iterator[BrowserContext]:
    """A browser with nothing kept but who is signed in."""
    context = _browser.new_context(viewport=request.param, base_url=past.url)
    with signed_in(past, "reviewer") as http:
        for name, value in http.cookies.items():
            context.add_cookies([{"name": name, "value": value or "", "url": past.url}])
    yield context
    context.close()


def test_the_first_page_is_light_and_stands_still(newcomer: BrowserContext) -> None:
    """The first page would come slowly, or charts would push away what somebody reads."""
    seen = first_visit(newcomer, "/console?last=30d")
    print(f"\n{seen}")  # noqa: T201  # a figure to read; it depends on the machine
    assert seen.sent_bytes < MOST_BYTES
    assert seen.shifted == 0


def test_a_tenant_that_never_asked_is_told_what_to_do(past: Gateway) -> None:
    """Somebody's first page would be an empty chart; or of another tenant's traffic."""
    with signed_in(past, "elsewhere") as http:
        first = http.get("/console").text
    assert "Nothing has been asked yet" in first
    assert f"curl {past.url}/v1/chat/completions" in first
    with signed_in(past, "author") as http:
        assert "Traffic" not in http.get("/console").text


def test_a_key_for_one_persona_sees_that_one(past: Gateway) -> None:
    """Numbers of others' personas would be told."""
    with signed_in(past, "bound") as http:
        seen = http.get("/console?last=30d").text
        assert "lexi" in seen
        for other in ("keeper", "conduct"):
            assert other not in seen
        assert "keeper" not in http.get("/console?last=30d&persona=keeper").text.replace(
            "persona=keeper", ""
        )
        report = http.get("/console?last=100y")
    assert report.status_code == 400
    told = past.get("/v1/records/metrics?by=persona", "bound").json()["metrics"]
    assert {each["persona"] for each in told} == {"lexi"}
