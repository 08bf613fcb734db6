"""The page of the API's documentation."""

import base64
import hashlib
import re

import httpx2

from app.api.asgi import SERVED
from app.api.docs import page as page_of
from app.api.openapi import Served as Endpoint
from tests.api.scripted import Served


def get(served: Served, path: str) -> httpx2.Response:
    """Get."""
    return httpx2.get(f"{served.url}{path}")


def test_the_documentation_is_a_page_that_loads_nothing(served: Served) -> None:
    """The page would be blank without a network, or tell another host who reads it."""
    page = get(served, "/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for word in (
        "<script",
        "<link",
        "<img",
        "src=",
        "url(",
        "@import",
        "style=",
    ):
        assert word not in page.text
    assert not re.search(r"=\s*['\"]?\s*(?:https?:|//)", page.text)
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    (style,) = re.findall("<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    for one in SERVED:
        assert f"<h2 id='{_operation_id(one)}'>{one.method} {one.path}</h2>" in page.text
        assert f"href='#{_operation_id(one)}'" in page.text
    for field in get(served, "/openapi.json").json()["paths"]["/v1/chat/completions"]["post"][
        "requestBody"
    ]["content"]["application/json"]["schema"]["properties"]:
        assert re.search(f"<code[^>]*>{field}</code>", page.text)


def _operation_id(one: Endpoint) -> str:
    return re.sub(r"\W+", "_", f"{one.method.lower()}{one.path}").strip("_")


def test_what_a_description_says_is_text() -> None:
    """A summary or pattern with markup in it would become part of the page."""
    schema = {"type": "string", "enum": ["<b>"], "pattern": "<i>"}
    operation = {
        "summary": "<s>",
        "operationId": "one",
        "responses": {"200": {"content": {"a/b": {"schema": schema}}}},
    }
    text = page_of(
        {
            "info": {"title": "<u>", "version": "1", "summary": "x"},
            "paths": {"/<q>": {"get": operation}},
            "components": {"schemas": {}},
        }
    )
    assert not re.search("<[bisuq]>", text)
    for shown in ("&lt;b&gt;", "&lt;i&gt;", "&lt;s&gt;", "&lt;u&gt;", "&lt;q&gt;"):
        assert shown in text
