"""The commands on the ledger: keys and records."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.cli.running import running_gateway
from app.domain.decision import Outcome
from app.ledger.columnar import read_columnar
from tests.cli.running import run

Json = Any


@pytest.fixture
def asked(root: Path) -> list[str]:
    """A project whose ledger has three exchanges; their ids, oldest first."""
    ids = []
    with running_gateway(root, backend="scripted") as running:
        for text in ("Hello", "Please ask-banned", "Again"):
            answer = httpx2.post(
                f"{running.url}/v1/chat/completions",
                json={"model": "lexi", "messages": [{"role": "user", "content": text}]},
                headers={"authorization": f"Bearer {running.key}"},
                timeout=60,
                trust_env=False,
            )
            ids.append(answer.json()["banneton"]["request_id"])
    return ids


def test_records_are_listed_and_shown(root: Path, asked: list[str]) -> None:
    """An operator could not find what happened to a request."""
    listed = json.loads(run("records", "list", "--root", root, "--format", "json").out)
    assert [one["request_id"] for one in listed["records"]] == asked[::-1]
    assert listed["next"] is None
    blocked = run("records", "list", "--root", root, "--outcome", "block")
    assert blocked.status == 0
    assert asked[1] in blocked.out
    assert asked[0] not in blocked.out
    page = json.loads(
        run("records", "list", "--root", root, "--limit", "2", "--format", "json").out
    )
    rest = run("records", "list", "--root", root, "--cursor", page["next"])
    assert asked[0] in rest.out
    assert asked[1] not in rest.out
    shown = json.loads(run("records", "show", asked[1], "--root", root).out)
    assert (shown["outcome"], shown["status"]) == ("block", "completed")
    missing = run("records", "show", "none", "--root", root)
    assert (missing.status, missing.err) == (
        1,
        "there is no such record; 'banneton records list' shows them\n",
    )


def test_an_intact_ledger_and_its_export(root: Path, asked: list[str], tmp_path: Path) -> None:
    """An auditor could not check a ledger, on the spot or elsewhere."""
    ended = run("records", "verify", "--root", root)
    assert ended.status == 0, ended.out
    assert re.match(r"intact: \d+ entries in 1 chain, 0 checkpoints compared\n", ended.out)
    export, heads = tmp_path / "export.jsonl", tmp_path / "heads.jsonl"
    assert run("records", "export", "--root", root, "--to", export).status == 0
    assert run("records", "export", "--root", root, "--checkpoints", "--to", heads).status == 0
    assert run("records", "verify", export, "--checkpoints", heads).status == 0
    key = tmp_path / "ledger.pem"
    key.write_text(run("records", "key", "--root", root).out)
    ended = run("records", "verify", export, "--checkpoints", heads, "--key", key)
    assert ended.out.endswith("1 checkpoint compared, all signed by the key\n")
    unsigned = re.sub(rb',"signature":"[^"]+"', b"", heads.read_bytes())
    assert unsigned != heads.read_bytes()
    heads.write_bytes(unsigned)
    ended = run("records", "verify", export, "--checkpoints", heads, "--key", key)
    assert (ended.status, ended.out.startswith("forged signature: line 1")) == (1, True)
    ended = run("records", "verify", export, "--key", export)
    assert (ended.status, "banneton records key" in ended.err) == (2, True)
    printed = run("records", "export", "--root", root)
    assert printed.out.encode() == export.read_bytes()
    assert all(request_id in printed.out for request_id in asked)


def test_the_ledger_as_columns(root: Path, asked: list[str], tmp_path: Path) -> None:
    """Records could not be handed to whoever reviews a change, or would name people."""
    pytest.importorskip("pyarrow")
    to = tmp_path / "records.parquet"
    ended = run("records", "export", "--root", root, "--format", "parquet", "--to", to)
    assert (ended.status, ended.out.startswith("3 records, digest sha256:")) == (0, True)
    (columns,) = read_columnar(to)
    assert sorted(columns.request_id) == sorted(asked)
    assert [columns.row(at).outcome for at in range(3)].count(Outcome.BLOCK) == 1
    unsaid = run("records", "export", "--root", root, "--format", "parquet")
    assert (unsaid.status, "--to" in unsaid.err) == (2, True)


def test_tampering_shows(root: Path, asked: list[str], tmp_path: Path) -> None:
    """Somebody who can write to the database could make a block look like an answer."""
    heads = tmp_path / "heads.jsonl"
    run("records", "export", "--root", root, "--checkpoints", "--to", heads)
    database = root / "var/banneton.db"
    intact = database.read_bytes()
    lie = "UPDATE entries SET body = replace(body, '\"block\"', '\"allow\"') WHERE request_id = ?"
    remove = "DELETE FROM entries WHERE request_id = ?"
    tamperings = ((lie, asked[1]), (remove, asked[1]), (remove, asked[2]))
    for statement, request_id in tamperings:
        with closing(sqlite3.connect(database)) as db:
            assert db.execute(statement, [request_id]).rowcount >= 1
            db.commit()
        ended = run("records", "verify", "--root", root, "--checkpoints", heads)
        assert ended.status == 1, statement
        assert "intact" not in ended.out
        for path in root.glob("var/banneton.db-*"):
            path.unlink()
        database.write_bytes(intact)
    assert run("records", "verify", "--root", root, "--checkpoints", heads).status == 0


def test_keys_are_made_listed_and_revoked(root: Path) -> None:
    """A key that leaked could not be found or taken back, or its secret would be kept."""
    made = run(
        "keys", "create", "--name", "web", "--tenant", "acme", "--persona", "lexi",
        "--audience", "public", "--expires", "2099-01-01", "--format", "json", "--root", root,
    )  # fmt: skip
    assert made.status == 0
    key = json.loads(made.out)
    assert re.fullmatch(r"bn_[\w-]{43}", key["key"])
    listed = run("keys", "list", "--format", "json", "--root", root)
    (row,) = json.loads(listed.out)
    assert row["id"] == key["id"]
    assert (row["tenant"], row["personas"], row["audience"]) == ("acme", "lexi", "public")
    assert row["state"] == "until 2099-01-01"
    table = run("keys", "list", "--root", root)
    assert key["key"] not in table.out + listed.out
    assert run("keys", "revoke", key["id"], "--root", root).out == "revoked\n"
    again = run("keys", "revoke", key["id"], "--root", root)
    assert (again.status, again.out) == (1, "there is no active key with this id\n")
    (row,) = json.loads(run("keys", "list", "--format", "json", "--root", root).out)
    assert row["state"].startswith("revoked ")
    shown = run("keys", "create", "--name", "again", "--root", root).out
    assert shown.startswith("bn_")


def test_a_gateway_for_a_while_leaves_no_key_behind(root: Path, asked: list[str]) -> None:
    """After a demo the next gateway on the project, or one that runs, would ask for keys."""
    assert asked
    assert json.loads(run("keys", "list", "--format", "json", "--root", root).out) == []
    run("keys", "create", "--name", "web", "--root", root)
    with running_gateway(root, backend="scripted") as running:
        with_key = {"authorization": f"Bearer {running.key}"}
        for headers, status in ((with_key, 200), ({}, 401)):
            url = f"{running.url}/v1/models"
            answer = httpx2.get(url, headers=headers, timeout=60, trust_env=False)
            assert answer.status_code == status
    web, demo = json.loads(run("keys", "list", "--format", "json", "--root", root).out)
    assert (web["state"], demo["state"][:7]) == ("active", "revoked")
