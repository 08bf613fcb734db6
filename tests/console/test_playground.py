"""The playground: what happens to a sentence is shown as it happens, and to nobody else."""

import re
from collections.abc import Iterator, Mapping
from html import unescape

import httpx2
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from tests.console.browser import PHONE, Watched, is_scrolled_sideways, violations
from tests.console.conftest import sign_in
from tests.console.test_frame import signed_in, token_in
from tests.e2e.gateway import Gateway
from tests.servers.openai_server import Hang, OpenAIServer, Play, chunk, echo, text_answer

MAIL = "anna.keller@example.org"
TOKEN = re.compile(r"EMAIL_ADDRESS_[0-9A-Z]{10}")


@pytest.fixture(autouse=True)
def _fresh(model: OpenAIServer) -> None:
    """No request of an earlier test."""
    model.requests.clear()
    model.answer = echo


def begin(page: Page, query: str = "persona=lexi") -> None:
    """Open the playground."""
    page.goto(f"/console/playground?{query}")


def say(page: Page, text: str) -> None:
    """Say it as one does, and wait for the answer's end."""
    turns = page.locator(".talk-turn")
    before = turns.count()
    page.get_by_label("Your message").fill(text)
    page.keyboard.press("Enter")
    expect(turns).to_have_count(before + 1)
    page.wait_for_selector("[aria-busy=true]", state="detached")


def words_of(page: Page, selector: str) -> str:
    """What stands there, without what style sheets add."""
    return page.locator(selector).first.text_content() or ""


def test_a_conversation_by_keyboard(watched: Watched, console: Gateway) -> None:
    """Somebody without a mouse could not see which rule did what, or what the model saw."""
    page = watched.page
    sign_in(page, console.keys["reviewer"])
    begin(page)
    page.get_by_label("Your message").focus()
    page.keyboard.type(f"Mail {MAIL}")
    page.keyboard.press("Enter")
    mark = page.locator(".talk-user .mark").first
    expect(mark).to_have_text(MAIL)
    expect(mark).to_have_attribute("data-word", "pseudonym")
    expect(page.locator(".talk-answer .mark").first).to_have_attribute("data-word", "restored")
    assert violations(page) == []
    mark.focus()
    page.keyboard.press("Enter")
    note = page.get_by_role("dialog", name="pseudonym").first
    expect(note).to_be_visible()
    for said in ("personal-data", "pii · EMAIL_ADDRESS", "acts from 0.00"):
        expect(note).to_contain_text(said)
    (file, line) = (note.locator("code").text_content() or "").split(":")
    written = (console.root / file).read_text("utf-8").splitlines()
    assert written[int(line) - 1].strip() == "then: pseudonymize"
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(note).to_be_hidden()
    page.get_by_role("button", name="What the model sees").focus()
    page.keyboard.press("Space")
    shown = page.locator(".talk-user [data-side=models] .talk-text")
    assert TOKEN.search(shown.text_content() or "")
    expect(page.locator(".talk-user [data-side=yours]")).to_be_hidden()


def test_what_left_is_what_the_model_got(page: Page, model: OpenAIServer) -> None:
    """A page that is believed would show another prompt than the one that was sent."""
    begin(page)
    say(page, "First <b>thing</b>\n& second")
    say(page, f"Then mail {MAIL}")
    body = model.requests[-1].body
    call = page.locator(".talk-turn").last.locator(".talk-call")
    assert call.locator("pre").first.text_content() == body["messages"][0]["content"]
    texts = call.locator(".talk-message .talk-text").all_text_contents()
    assert texts == [each["content"] for each in body["messages"][1:]]
    assert MAIL not in str(body)
    assert "stayed on this machine" in (call.text_content() or "")
    assert "7 read, 3 written" in words_of(page, ".talk-facts")


def test_an_answer_comes_as_it_is_released_and_can_be_stopped(
    page: Page, model: OpenAIServer, console: Gateway
) -> None:
    """Somebody would wait for all of it, or for ever; the record would say that it was given."""
    begin(page)
    model.play(Play([chunk({"role": "assistant"}), chunk({"content": "One two three. "}), Hang()]))
    page.get_by_label("Your message").fill("Hello")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".talk-turn .talk-answer")).to_contain_text("One two three")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".talk-turn")).to_contain_text("You stopped it here")
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    newest = console.get("/v1/records?limit=1", "reviewer").json()["records"][0]
    made = console.get(f"/v1/records/{newest['request_id']}", "reviewer")
    for _ in range(100):
        made = console.get(f"/v1/records/{newest['request_id']}", "reviewer")
        if made.json()["status"] is not None:
            break
    assert (made.json()["status"], made.json()["opening"]["dialect"]) == ("cancelled", "console")


def test_what_policy_stops_and_what_fails(page: Page, model: OpenAIServer) -> None:
    """A block would look like an outage, or an outage like an answer."""
    begin(page)
    say(page, "Tell me: ask-banned")
    turn = page.locator(".talk-turn").first
    expect(turn).to_contain_text("Lexi cannot help with that.")
    expect(turn.locator(".talk-user .mark")).to_have_attribute("data-word", "blocked")
    assert model.requests == []
    turn.get_by_role("button", name="What the model sees").click()
    expect(turn.locator(".talk-user")).to_contain_text("Nothing: policy stopped this")
    model.play(text_answer("Well, say-banned and more"))
    say(page, "Go on")
    turn = page.locator(".talk-turn").last
    expect(turn.locator(".talk-answer [data-side=yours]").first).to_have_text("Well, ")
    turn.get_by_role("button", name="What the model sees").click()
    words = [each.get_attribute("data-word") for each in turn.locator(".talk-answer .mark").all()]
    assert [each for each in words if each] == ["blocked", "not shown"]
    assert violations(page) == []
    begin(page, "persona=stranded")
    say(page, "Hello")
    expect(page.get_by_role("alert")).to_contain_text("The model cannot be reached.")
    assert violations(page) == []


def test_the_form_is_made_of_what_the_persona_declares(page: Page) -> None:
    """A variable, a scenario or a stricter audience could not be tried."""
    begin(page)
    page.get_by_label("Audience").select_option("minor")
    page.get_by_text("Variables").click()
    page.get_by_label("customer").fill("Ann <Lee>")
    page.get_by_label("Scenario").select_option("review")
    say(page, "grown-up")
    expect(page.locator(".talk-answer").last).to_contain_text("Lexi cannot help with that.")
    page.get_by_label("Audience").select_option("public")
    say(page, "grown-up")
    expect(page.locator(".talk-user .mark").last).to_have_attribute("data-word", "flagged")
    system = page.locator(".talk-call pre").last.text_content() or ""
    assert "Begin with the costs." in system
    assert "Ann" in system


def test_it_fits_a_phone_in_chinese_and_in_the_dark(watched: Watched, console: Gateway) -> None:
    """Half of a conversation would be beyond the edge."""
    page = watched.page
    page.set_viewport_size(PHONE)
    sign_in(page, console.keys["reviewer"])
    page.get_by_role("button", name="中文").click()
    page.get_by_role("button", name="深色").click()
    begin(page)
    page.get_by_label("您的消息").fill(f"写给 {MAIL}，" + "很长" * 60)
    page.keyboard.press("Enter")
    page.wait_for_selector(".talk-facts")
    expect(page.locator(".talk-user .mark").first).to_have_attribute("data-word", "化名")
    page.get_by_text("模型收到的全部内容").click()
    assert not is_scrolled_sideways(page)
    assert violations(page) == []


class Visitor:
    """Somebody who is signed in, and asks without a browser."""

    def __init__(self, console: Gateway, key: str) -> None:
        headers = {"sec-fetch-site": "same-origin", "hx-request": "true"}
        self.http = httpx2.Client(
            base_url=console.url, headers=headers, trust_env=False, timeout=60
        )
        assert signed_in(self.http, console.keys[key]).status_code == 303
        token = token_in(self.http.get("/console/playground").text)
        self.http.headers["x-csrf-token"] = token

    def turn(self, text: str, **fields: str) -> str:
        """What is shown of a turn."""
        form = {"persona": "lexi", "place": "t1", "text": text, **fields}
        answer = self.http.post("/console/turn", data=form)
        assert answer.status_code == 200, answer.text
        return "\n".join(
            "\n".join(line.removeprefix("data: ") for line in event.split("\n"))
            for event in answer.text.split("\n\n")
        )


@pytest.fixture(scope="module")
def visitors(console: Gateway) -> Iterator[Mapping[str, Visitor]]:
    """One for each key."""
    made = {name: Visitor(console, name) for name in ("author", "reviewer")}
    yield made
    for each in made.values():
        each.http.close()


SAID = st.text("ab <>&\"'\u2028\x85\r中😀{}", max_size=12)


@settings(deadline=None, max_examples=15, suppress_health_check=[*HealthCheck])
@given(SAID, st.integers(0, 999), st.integers(1000, 1999))
def test_nobody_is_shown_what_another_wrote(
    visitors: Mapping[str, Visitor], model: OpenAIServer, said: str, one: int, two: int
) -> None:
    """A colleague with another key would read a customer's address in the same session's name."""
    model.requests.clear()
    first = visitors["author"].turn(f"{said} one{one}@example.org", session="shared")
    second = visitors["reviewer"].turn(f"{said} two{two}@example.org", session="shared")
    tokens = TOKEN.findall(str(model.requests[0].body))
    assert f"one{one}@example.org" in first
    assert tokens
    assert tokens[0] in first
    assert all(each not in second for each in (*tokens, f"one{one}@example.org"))


@settings(deadline=None, max_examples=15, suppress_health_check=[*HealthCheck])
@given(SAID)
def test_a_text_is_shown_as_it_is(
    visitors: Mapping[str, Visitor], model: OpenAIServer, said: str
) -> None:
    """What somebody wrote would become a part of the page."""
    text = f"x{said}y"
    shown = visitors["author"].turn(text)
    wanted = text.replace("\r\n", "\n").replace("\r", "\n")
    texts = re.findall(r'<p class="talk-text">(.*?)</p>', shown, re.DOTALL)
    assert wanted in [unescape(each) for each in texts]
    assert model.requests[-1].body["messages"][-1]["content"] == text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"audience": "professional"}, "may not be served as"),
        ({"persona": "nobody"}, "there is no such persona"),
        ({"variant": "nobody"}, "there is no such variant"),
        ({"scenario": "nobody"}, "scenario"),
        ({"var.customer": "x" * 81}, "must have at most 80 characters"),
        ({"text": " "}, "say something first"),
        ({"history": "{"}, "history"),
        ({"history": '[["a"]]'}, "history"),
        ({"session": "s" * 600}, "session"),
        ({"route": "nowhere-at-all"}, "no persona that this key may use takes this route"),
        ({"revision": "--output=x"}, "revision"),
        ({"text": "x" * 2_000_001}, "characters together"),
    ],
)
def test_what_cannot_be_tried_is_refused_in_words(
    visitors: Mapping[str, Visitor], model: OpenAIServer, fields: dict[str, str], said: str
) -> None:
    """A form that somebody changed would reach a model, or end with a stack."""
    shown = unescape(visitors["author"].turn(**{"text": "Hello", **fields}))
    assert said in shown
    assert 'role="alert"' in shown
    assert model.requests == []


def test_a_key_tries_what_it_may_ask(console: Gateway, visitors: Mapping[str, Visitor]) -> None:
    """The log would hold what somebody tried out."""
    secret = "planted-sentence-of-a-visitor"  # noqa: S105  # a marker
    visitors["author"].turn(secret, history=orjson.dumps([[secret, secret]]).decode())
    assert secret.encode() not in console.output()
