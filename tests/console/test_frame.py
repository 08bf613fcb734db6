"""Who comes in, what every page has, and what goes wrong."""

import re
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.console.forms import form_fields
from app.console.pages import PAGES
from app.console.rendering import LANGUAGES, Rendering
from app.console.session import COOKIE, Sessions
from app.console.visit import Need
from app.console.visitor import is_own_origin, own_path
from app.domain.errors import RequestError
from tests.console.browser import PHONE, Watched, is_scrolled_sideways, violations
from tests.console.conftest import sign_in
from tests.e2e.gateway import Gateway, gateway
from tests.e2e.project import write_project

ROOM = Path(__file__).parent.parent.parent / "app" / "console"
TEMPLATES = sorted((ROOM / "templates").glob("*.j2"))


@pytest.fixture
def http(console: Gateway) -> Iterator[httpx2.Client]:
    """Nobody who is signed in, with a browser's headers."""
    headers = {"sec-fetch-site": "same-origin"}
    with httpx2.Client(base_url=console.url, headers=headers, trust_env=False) as made:
        yield made


def token_in(html: str) -> str:
    """The token of a page."""
    found = re.search(r'name="csrf(?:-token)?" (?:value|content)="([^"]+)"', html)
    assert found is not None
    return found[1]


def signed_in(http: httpx2.Client, key: str) -> httpx2.Response:
    """What comes of signing in."""
    token = token_in(http.get("/console/sign-in").text)
    return http.post("/console/sign-in", data={"csrf": token, "key": key, "back": "/console"})


def test_nobody_sees_a_page_without_signing_in(http: httpx2.Client) -> None:
    """A page would be open to whoever knows its address."""
    for page in PAGES:
        path = "/console" + re.sub(r"\{[^}]*\}", "x", page.path)
        answer = http.request(page.method, path)
        assert answer.status_code == 303, page
        assert answer.headers["location"].startswith("/console/sign-in"), page


def test_a_key_of_an_app_does_not_come_in(http: httpx2.Client, console: Gateway) -> None:
    """Whoever has the key of a web page's backend could read every prompt."""
    assert signed_in(http, console.keys["app"]).status_code == 401
    assert COOKIE not in http.cookies


def test_an_author_does_not_see_records(http: httpx2.Client, console: Gateway) -> None:
    """Roles would be words."""
    assert signed_in(http, console.keys["author"]).status_code == 303
    for page in PAGES:
        if page.method == "GET" and page.needs is Need.RECORDS:
            path = "/console" + re.sub(r"\{[^}]*\}", "x", page.path)
            assert http.get(path).status_code == 403, page
            assert f'href="{path}"' not in http.get("/console/gallery").text


def test_a_form_of_another_site_does_nothing(http: httpx2.Client, console: Gateway) -> None:
    """Any page in the visitor's browser could act as them."""
    signed_in(http, console.keys["reviewer"])
    token = token_in(http.get("/console").text)
    foreign = {"sec-fetch-site": "cross-site"}
    sent = http.post("/console/sign-out", data={"csrf": token}, headers=foreign)
    assert sent.status_code == 403
    assert http.post("/console/sign-out", data={"csrf": "x"}).status_code == 403
    assert http.post("/console/sign-out").status_code == 400
    assert http.get("/console").status_code == 200
    assert http.post("/console/sign-out", data={"csrf": token}).status_code == 303
    assert http.get("/console").status_code == 303


def test_every_post_asks_for_the_token(http: httpx2.Client, console: Gateway) -> None:
    """One page would act on forms that another site sent."""
    signed_in(http, console.keys["reviewer"])
    for page in PAGES:
        if page.method != "GET":
            path = "/console" + re.sub(r"\{[^}]*\}", "x", page.path)
            assert http.request(page.method, path, data={"a": "b"}).status_code == 403, page


def test_a_session_is_no_key_and_not_readable(http: httpx2.Client, console: Gateway) -> None:
    """Scripts could read the session, or it would be worth as much as the key."""
    answer = signed_in(http, console.keys["reviewer"])
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", "path=/console"} <= set(cookie.split("; "))
    assert console.keys["reviewer"].lower() not in cookie
    bearer = {"authorization": f"Bearer {http.cookies[COOKIE]}"}
    assert httpx2.get(f"{console.url}/v1/models", headers=bearer).status_code == 401


def test_every_answer_keeps_pages_to_themselves(http: httpx2.Client) -> None:
    """A page could be framed, or run what somebody put into a text."""
    for path in ("/console/sign-in", "/console/nowhere", "/console"):
        policy = http.get(path).headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy


def test_an_open_gateway_answers_this_machine_only(tmp_path: Path) -> None:
    """A name that leads to this machine would let a foreign page read everything."""
    root = write_project(tmp_path / "open", "http://127.0.0.1:9")
    with gateway(root) as running, httpx2.Client(base_url=running.url, trust_env=False) as http:
        assert http.get("/console").status_code == 200
        assert http.get("/console", headers={"host": "evil.example:8000"}).status_code == 403
        assert http.get("/console/sign-in").status_code == 303


def test_the_console_can_be_left_out(tmp_path: Path) -> None:
    """An operator who wants the API alone would serve pages."""
    root = write_project(tmp_path / "without", "http://127.0.0.1:9")
    settings = root / "banneton.yaml"
    settings.write_text(settings.read_text("utf-8") + "\nconsole: {enabled: false}\n", "utf-8")
    with gateway(root) as running:
        assert httpx2.get(f"{running.url}/console", trust_env=False).status_code == 404


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_session_says_whose_it_is_until_it_is_over(secret: bytes, key_hash: bytes) -> None:
    """Sessions would never end, or count under another gateway's secret."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    sessions, now = Sessions(secret, 2), datetime(2026, 1, 1, tzinfo=UTC)
    cookie = sessions.begin(key_hash, now)
    assert sessions.read(cookie, now + timedelta(hours=1, minutes=59)) == key_hash
    assert sessions.read(cookie, now + timedelta(hours=2, seconds=1)) is None
    assert Sessions(bytes(32), 2).read(cookie, now) is None or secret == bytes(32)


@given(st.text(max_size=200), st.text(max_size=60))
def test_what_is_no_session_is_none(cookie: str, token: str) -> None:
    """Some text would sign somebody in, or fail with a stack."""
    from datetime import UTC, datetime  # noqa: PLC0415

    sessions = Sessions(b"s" * 32, 12)
    assert sessions.read(cookie, datetime(2026, 1, 1, tzinfo=UTC)) is None
    assert not sessions.is_token(token, cookie)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/console/records?a=b", "/console/records?a=b"),
        ("//evil.example/console", "/console"),
        ("/console//evil.example", "/console"),
        ("/console/\\evil", "/console"),
        ("https://evil.example/console", "/console"),
        ("/consoles", "/console"),
        ("/console\r\nx: y", "/console"),
        ("", "/console"),
    ],
)
def test_one_comes_back_to_the_console_only(path: str, wanted: str) -> None:
    """A link to the sign-in page could lead somewhere else with what was typed."""
    assert own_path(path) == wanted


def test_an_origin_is_ours_or_not() -> None:
    """Old browsers would be let through without a look, or locked out."""
    assert is_own_origin(None, "same-origin", "a:1")
    assert not is_own_origin("http://a:1", "cross-site", "a:1")
    assert not is_own_origin("http://a:1", "same-site", "a:1")
    assert is_own_origin("http://a:1", None, "a:1")
    assert not is_own_origin("http://b:1", None, "a:1")
    assert not is_own_origin(None, None, "a:1")
    assert not is_own_origin("null", None, "null")


_KINDS = st.sampled_from(
    ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "")
)


@given(
    st.binary(max_size=300) | st.just(b'--x\r\ncontent-disposition: form-data; name="a"'), _KINDS
)
def test_what_is_no_form_is_refused(body: bytes, content_type: str) -> None:
    """Some bytes would end a page with a stack."""
    try:
        fields = form_fields(body, content_type)
    except RequestError:
        return
    assert all(isinstance(value, str) for value in fields.values())


def test_fields_and_files_of_a_form_are_read() -> None:
    """A patch that somebody uploads would be lost, or changed."""
    part = 'content-disposition: form-data; name="patch"; filename="a.patch"'
    body = f"--x\r\n{part}\r\n\r\n+ä\n-b\r\n--x--\r\n".encode()
    assert form_fields(body, "multipart/form-data; boundary=x") == {"patch": "+ä\n-b"}
    plain = b"a=1&a=2&b=%E4%BD%A0+x"
    assert form_fields(plain, "application/x-www-form-urlencoded") == {"a": "2", "b": "你 x"}


def test_every_text_is_there_in_both_languages_and_used() -> None:
    """A visitor would read another language, a key, or nobody would read a text at all."""
    texts = Rendering().words.texts
    sources = "".join(path.read_text("utf-8") for path in [*ROOM.rglob("*.py"), *TEMPLATES])
    built = set(re.findall(r'"([a-z_]+\.[a-z_]*_)" ~', sources))
    built |= set(re.findall(r'f"([a-z_]+\.[a-z_]*_?)\{', sources))
    built |= {f"{name}." for name in re.findall(r't\("([a-z_]+)\." ~', sources)}
    for key, said in texts.items():
        assert set(said) == set(LANGUAGES), key
        assert all(text.strip() == text and text for text in said.values()), key
        places = [set(re.findall(r"\{(\w+)\}", text)) for text in said.values()]
        assert places[0] == places[1], key
        is_used = f'"{key}"' in sources or any(key.startswith(start) for start in built)
        assert is_used, key


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_nothing_inline(path: Path) -> None:
    """The content security policy would switch a part of the page off."""
    text = path.read_text("utf-8")
    assert re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|javascript:|\|\s*safe\b", text) is None
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text) if "json" not in tag)


def test_files_of_others_are_what_they_were() -> None:
    """Somebody could change a vendored script, and nobody would see it."""
    folder = ROOM / "static" / "vendor"
    listed = tomllib.loads((folder / "vendored.toml").read_text("utf-8"))
    found = {path.name for path in folder.iterdir() if path.suffix in {".js", ".css"}}
    assert found == set(listed)
    for name, row in listed.items():
        assert sha256((folder / name).read_bytes()).hexdigest() == row["sha256"]
        assert (folder / row["license_file"]).read_text("utf-8").strip()


def test_signing_in_by_keyboard(watched: Watched, console: Gateway) -> None:
    """Somebody without a mouse, or with a screen reader, could not come in."""
    page = watched.page
    page.goto("/console?days=7")
    assert violations(page) == []
    watched.expected = ("401",)
    page.keyboard.type("bn_wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    assert violations(page) == []
    page.get_by_label("Your key").focus()
    page.keyboard.type(console.keys["reviewer"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/console?days=7")


def test_first_the_keyboard_can_skip_the_navigation(watched: Watched, console: Gateway) -> None:
    """Each page would begin with eight links to pass."""
    sign_in(watched.page, console.keys["reviewer"])
    watched.page.keyboard.press("Tab")
    watched.page.keyboard.press("Enter")
    assert watched.page.evaluate("document.activeElement.id") == "main"


def test_language_and_theme_are_kept(watched: Watched, console: Gateway) -> None:
    """A choice would be gone with the next page."""
    page = watched.page
    sign_in(page, console.keys["reviewer"])
    page.get_by_role("button", name="中文").click()
    page.get_by_role("button", name="深色").click()
    page.goto("/console")
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert violations(page) == []
    page.set_viewport_size(PHONE)
    assert not is_scrolled_sideways(page)
