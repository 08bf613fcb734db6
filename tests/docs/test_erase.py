"""Erasing a person from the command line, as the guide says it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from typer.testing import CliRunner, Result

from app.cli.app import cli
from app.domain.decision import Outcome
from app.domain.record import Closing, Opening, Status
from app.main import load_project, open_ledger
from tests.docs.pages import project

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_OPENING = Opening(
    request_id="r1",
    at=_AT,
    tenant="default",
    key_id="",
    subject="customer-4711",
    session=None,
    consent=None,
    dialect="openai_chat",
    persona="host",
    variant=None,
    audience="public",
    policy="host",
    catalog="sha256:0",
    prompt="sha256:0",
    route="small",
    backend="scripted",
    model="script",
    is_stream=False,
    trace=(),
    decisions=(),
    outcome=Outcome.ALLOW,
    content=(("messages[0].content", "kept text"),),
    keeps_content=True,
)


async def _record(root: Path) -> None:
    """Two exchanges, of one person each."""
    ledger = await open_ledger(load_project(root, reads_secrets=False))
    try:
        for request_id, subject in (("r1", "customer-4711"), ("r2", "customer-4712")):
            await ledger.open(replace(_OPENING, request_id=request_id, subject=subject))
            await ledger.close(Closing(request_id, _AT, Status.COMPLETED, Outcome.ALLOW))
    finally:
        await ledger.stop()


async def _texts(root: Path) -> dict[str, int]:
    """How many texts are kept of each exchange."""
    ledger = await open_ledger(load_project(root, reads_secrets=False))
    try:
        return {name: len(await ledger.content(name)) for name in ("r1", "r2")}
    finally:
        await ledger.stop()


def _erase(root: Path, *more: str, answer: str = "") -> Result:
    options = ["--root", str(root), "--tenant", "default", "--subject", "customer-4711", *more]
    return CliRunner().invoke(cli, ["records", "erase", *options], input=answer)


def test_erasing_destroys_one_person_and_leaves_the_chain_whole(tmp_path: Path) -> None:
    """A person's texts would stay, somebody else's would go, or the ledger would seem damaged."""
    root = project(tmp_path / "clone")
    asyncio.run(_record(root))
    assert asyncio.run(_texts(root)) == {"r1": 1, "r2": 1}
    result = _erase(root, "--yes")
    assert (result.exit_code, result.output) == (0, "erased: 1 exchange, 1 text, 0 pseudonyms\n")
    assert asyncio.run(_texts(root)) == {"r1": 0, "r2": 1}
    verified = CliRunner().invoke(cli, ["records", "verify", "--root", str(root)])
    assert (verified.exit_code, verified.output.split(":")[0]) == (0, "intact")
    assert _erase(root, "--yes").exit_code == 1


def test_erasing_asks_first(tmp_path: Path) -> None:
    """A slip of the hand would destroy what nobody can bring back."""
    root = project(tmp_path / "clone")
    asyncio.run(_record(root))
    result = _erase(root, answer="n\n")
    assert result.exit_code == 1
    assert "cannot be undone" in result.output
    assert asyncio.run(_texts(root)) == {"r1": 1, "r2": 1}
