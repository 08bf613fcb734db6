"""The Record law through the whole gateway: exactly one record, before the call and the end."""

import asyncio
import itertools
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from app.access.keys import KeyWish
from app.main import load_project, make_key
from tests.e2e.asking import ask, stream, turns, wishes
from tests.e2e.gateway import Gateway, banneton, gateway, until
from tests.e2e.provider import Latch, Provider
from tests.servers.openai_server import Gate, Hang, Play, chunk, text_answer, text_stream

Json = Any


def ledger_of(root: Path) -> Path:
    """Where a project's ledger is."""
    return root / "var/banneton.db"


def kinds(root: Path, request_id: str | None = None) -> list[str]:
    """What the ledger holds of an exchange, or of the newest one, read from outside."""
    with closing(sqlite3.connect(f"file:{ledger_of(root)}?mode=ro", uri=True)) as db:
        if request_id is None:
            newest = "SELECT request_id FROM entries WHERE kind='opening' ORDER BY at DESC LIMIT 1"
            (request_id,) = db.execute(newest).fetchone()
        found = db.execute(
            "SELECT kind FROM entries WHERE request_id = ? ORDER BY at", [request_id]
        )
        return [kind for (kind,) in found]


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Nobody else can commit to the ledger meanwhile."""
    with closing(sqlite3.connect(ledger_of(root), isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_the_opening_is_there_when_the_provider_is_called(
    served: Gateway, provider: Provider, *, streams: bool
) -> None:
    """A call could leave no trace, or an answer end before its record."""
    latch = Latch()
    provider.play(Play([text_stream("Hello")], before=[Gate(latch)]))
    ended: list[str] = []

    def run() -> None:
        with served.client() as client:
            if streams:
                ended.append(stream(client, "Hello").about["request_id"])
            else:
                ended.append(ask(client, "Hello").id.removeprefix("chatcmpl-"))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: provider.requests)
        assert kinds(served.root) == ["opening"]
    finally:
        latch.set()
        thread.join()
    assert kinds(served.root, ended[0]) == ["opening", "closing"]


def test_without_a_record_nothing_is_called_and_nothing_ends(
    served: Gateway, provider: Provider
) -> None:
    """A full disk would turn the gateway into one that keeps no records and says nothing."""
    latch = Latch()
    provider.play(Play([chunk({"content": "Hello. "}), Gate(latch), text_stream("Done.")]))
    lines: list[str] = []
    body = {"model": "lexi", "messages": turns("Hello"), "stream": True}
    with served.http() as http, http.stream("POST", "/v1/chat/completions", json=body) as answer:
        read = answer.iter_lines()
        lines.append(next(read))
        before = len(provider.requests)
        with locked(served.root), served.client() as client:
            latch.set()
            with pytest.raises(openai.InternalServerError) as caught:
                ask(client, "Another")
            lines += read
    assert (caught.value.status_code, caught.value.code) == (503, "ledger_unavailable")
    assert len(provider.requests) == before
    said = "\n".join(lines)
    assert "ledger_unavailable" in said
    assert "[DONE]" not in said
    assert '"finish_reason":"stop"' not in said
    with served.client() as client:
        assert ask(client, "Again").id


def test_what_policy_keeps_is_sealed_and_has_its_days(served: Gateway, provider: Provider) -> None:
    """Text would be kept for longer than the policy says, or lie in the file for all to read."""
    provider.say("planted-answer")
    with served.client() as client:
        kept = ask(client, "planted-question", model="keeper").id.removeprefix("chatcmpl-")
        other = ask(client, "planted-question").id.removeprefix("chatcmpl-")
    of_content = (
        "SELECT kind, (expires_at - at) / 86400000000 FROM contents "
        "JOIN entries USING (request_id, kind) WHERE request_id = ?"
    )
    of_findings = "SELECT (findings_until - at) / 86400000000 FROM entries WHERE request_id = ?"
    with closing(sqlite3.connect(f"file:{ledger_of(served.root)}?mode=ro", uri=True)) as db:
        assert dict(db.execute(of_content, [kept]).fetchall()) == {"opening": 3, "closing": 3}
        assert {days for (days,) in db.execute(of_findings, [kept])} == {5}
        assert db.execute(of_content, [other]).fetchall() == []


def test_a_subject_and_a_session_are_found_and_not_named(
    served: Gateway, provider: Provider
) -> None:
    """A person's records could not be found, or whoever reads the ledger would learn names."""
    assert provider.requests == []
    with served.client() as client:
        answer = ask(client, "Hi", user="planted-person", extra_body=wishes(session="planted-talk"))
    wanted = answer.id.removeprefix("chatcmpl-")
    for query in ("subject=planted-person", "session=planted-talk"):
        page = served.get(f"/v1/records?{query}").json()
        assert [one["request_id"] for one in page["records"]] == [wanted]
        assert "planted" not in str(page)


class Load:
    """Clients that ask without end, and remember what was acknowledged."""

    def __init__(self, gateway: Gateway) -> None:
        self.acknowledged: list[str] = []
        self._gateway = gateway
        self._threads = [
            threading.Thread(target=self._run, args=(at % 2 == 0,), daemon=True) for at in range(4)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, streams: bool) -> None:  # noqa: FBT001  # a thread's argument
        body = {"model": "lexi", "messages": turns("Hello"), "stream": streams}
        with self._gateway.http() as http:
            for _ in itertools.count():
                try:
                    answer = http.post("/v1/chat/completions", json=body)
                except httpx2.HTTPError:
                    return
                if not streams or answer.text.endswith("data: [DONE]\n\n"):
                    self.acknowledged.append(answer.headers["x-request-id"])

    def join(self) -> None:
        """Wait until all have noticed that nobody answers."""
        for thread in self._threads:
            thread.join()


def test_kill_under_load(project: Path, provider: Provider) -> None:
    """An answer that somebody has would be in no ledger, or a record stay open for ever."""
    provider.answer = lambda _body: text_answer("Hello")
    wish = KeyWish("default", "t", may_read_records=True)
    keys = {"t": asyncio.run(make_key(load_project(project, reads_secrets=False), wish)).secret}
    with gateway(project, keys=keys) as running:
        load = Load(running)
        until(lambda: len(load.acknowledged) >= 20)
        provider.play(Play([chunk({"content": "Once "}), Hang()]))
        before = len(load.acknowledged)
        until(lambda: len(load.acknowledged) >= before + 20)
        running.kill()
        load.join()
    with gateway(project, keys=keys) as running:
        records = {
            one["request_id"]: one
            for one in running.get("/v1/records?limit=1000").json()["records"]
        }
        assert len(records) < 1000
        assert set(load.acknowledged) <= set(records)
        assert {records[one]["status"] for one in load.acknowledged} == {"completed"}
        cut_off = [key for key, one in records.items() if one["status"] == "cut_off"]
        assert 1 <= len(cut_off) <= 4
        assert all(one["status"] for one in records.values())
        assert not set(cut_off) & set(load.acknowledged)
        verified = banneton("records", "verify", "--root", project)
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.startswith("intact")
