"""The format ``banneton.guard/1``: what is asked, by whom, and what counts as an answer."""

import asyncio
import base64
import os
import re
import socket
import sys
import time
from pathlib import Path

import aiohttp
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from app.backends.outside import Endpoint, signature
from app.domain.errors import DetectorError
from app.domain.policy import Stage
from app.guardrails.context import Context
from app.guardrails.detectors.webhook import KIND, WebhookDetector, WebhookSettings
from app.guardrails.passage import Passage
from tests.guardrails.building import Says, run
from tests.guardrails.detectors.tables import Row, rows
from tests.guardrails.reaching import ask, far
from tests.servers.guard_server import SECRET, json_reply

TEXT = "the project bluebird"
PAGE = Path(__file__).parents[3] / "docs/reference/detectors/webhook.md"


def wanted(row: Row) -> WebhookSettings:
    """The rule's settings."""
    return WebhookSettings.model_validate({"endpoint": "guard", **row.get("settings", {})})


@pytest.mark.parametrize("row", [*rows("webhook", "caught"), *rows("webhook", "passed")])
async def test_findings_reach_the_rule(row: Row) -> None:
    """What a service found would not reach the rule, or at another place."""
    async with far() as there:
        said = {"version": "banneton.guard/1", "findings": row["findings"]}
        there.services.answer = lambda _body: json_reply(said)
        seen = await ask(there, {"webhook": wanted(row).model_dump()}, TEXT)
    assert seen.unchecked == ()
    told = [
        [each.category, each.score, each.start, each.end]
        for each in seen.findings
        if KIND.selects(wanted(row), each)
    ]
    assert told == row.get("finds", [])


@pytest.mark.parametrize("row", rows("webhook", "unchecked"))
async def test_an_answer_in_another_format_leaves_the_text_unchecked(row: Row) -> None:
    """An answer that nobody understands would count as clean."""
    async with far() as there:
        there.services.answer = lambda _body: json_reply(row["body"])
        seen = await ask(there, {"webhook": wanted(row).model_dump()}, TEXT)
    assert len(seen.unchecked) == 1
    assert seen.findings == ()


async def test_what_a_service_is_asked() -> None:
    """A service could not tell what it is asked about; the server refuses what it cannot read."""
    clean = {"version": "banneton.guard/1", "findings": []}
    async with far() as there:
        there.services.answer = lambda _body: json_reply(clean)
        context = Context(Stage.TOOL_CALL, question="q", system="never sent", tool="pay")
        seen = await ask(there, {"webhook": {"endpoint": "guard"}}, "{}", context=context)
        (asked,) = there.services.requests
    assert seen.unchecked == ()
    assert asked == {
        "version": "banneton.guard/1",
        "stage": "tool_call",
        "text": "{}",
        "question": "q",
        "tool": "pay",
    }


async def test_a_service_of_ones_own_is_asked_every_time() -> None:
    """A service that counts, or whose list has changed, would be answered for from memory."""
    clean = {"version": "banneton.guard/1", "findings": []}
    async with far() as there:
        there.services.answer = lambda _body: json_reply(clean)
        for _ in range(2):
            await ask(there, {"webhook": {"endpoint": "guard"}}, TEXT)
        assert len(there.services.requests) == 2


async def test_a_forged_request_is_refused() -> None:
    """Anybody who knows the address could ask in the gateway's name: the fake would let them."""
    async with far() as there:
        url = there.endpoints["guard"].url
        there.endpoints["guard"] = Endpoint(url, signing_key=b"another key of the same size")
        seen = await ask(there, {"webhook": {"endpoint": "guard"}}, TEXT)
    assert [each.reason for each in seen.unchecked] == ["the endpoint answered with HTTP 401"]


KEY = base64.b64decode(SECRET.removeprefix("whsec_"))


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(deadline=None)
def test_signatures_are_those_of_standard_webhooks(text: str) -> None:
    """Receivers that use a library could not tell our requests from forged ones."""
    body = orjson.dumps({"text": text})
    sent = signature(KEY, "id-1", int(time.time()), body)
    assert Webhook(SECRET).verify(body, sent) == {"text": text}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", sent)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, {**sent, "webhook-id": "id-2"})


def test_an_old_request_is_refused() -> None:
    """Somebody who saw a request could send it again next week."""
    old = signature(KEY, "id-1", int(time.time()) - 600, b"{}")
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(SECRET).verify(b"{}", old)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_answer_is_findings_or_an_outage(body: bytes) -> None:
    """Bytes from outside would end the exchange, or count as clean."""
    detector = WebhookDetector(WebhookSettings(endpoint="guard"))
    with pytest.raises(DetectorError):
        run(detector.inspect_remotely(Passage(TEXT), Says(body)))


def test_settings_are_compared_by_what_they_find() -> None:
    """A child policy could be made weaker by another service or fewer categories."""

    def strict(ours: dict[str, object], theirs: dict[str, object]) -> bool:
        load = WebhookSettings.model_validate
        return KIND.is_as_strict(load({"endpoint": "a", **ours}), load({"endpoint": "a", **theirs}))

    assert strict({}, {"categories": ["x"], "min_score": 0.5})
    assert not strict({"categories": ["x"]}, {})
    assert not strict({"min_score": 0.5}, {})
    assert not strict({"endpoint": "b"}, {})


async def test_the_server_on_the_page_answers(tmp_path: Path) -> None:
    """Whoever copies the example would have a server that the gateway cannot talk to."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "guard.py").write_text(code, "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "guard:app", "--port", str(port)),
        cwd=tmp_path,
        env={**os.environ, "GUARD_SECRET": SECRET},  # noqa: TID251  # the server's, not ours
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _wait_for(port)
        async with far() as there:
            url = f"http://127.0.0.1:{port}/guard"
            there.endpoints["guard"] = Endpoint(url, signing_key=KEY)
            seen = await ask(there, {"webhook": {"endpoint": "guard"}}, "Project Bluebird!")
            clean = await ask(there, {"webhook": {"endpoint": "guard"}}, "nothing here")
    finally:
        served.terminate()
        await served.wait()
    assert [(each.category, each.start, each.end) for each in seen.findings] == [
        ("codename", 8, 16)
    ]
    assert not seen.unchecked
    assert not clean.findings
    assert not clean.unchecked


async def _wait_for(port: int) -> None:
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}/"):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
