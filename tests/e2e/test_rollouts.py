"""A rollout through the whole gateway: on its way up, through a crash, and back."""

import asyncio
import re
from pathlib import Path
from typing import Any

import orjson

from app.access.keys import KeyWish
from app.main import load_project, make_key
from tests.cli.running import run
from tests.e2e.asking import ask
from tests.e2e.gateway import Gateway, gateway, until
from tests.e2e.provider import Provider
from tests.servers.openai_server import Play, text_answer

Json = Any
_PERSONA = """
extends: lexi
behaviours:
  - {id: numbered, verify: {pattern: '(?m)^1[.]'}}
variants:
  - {id: new, set: {name: %s}}
rollout:
  variant: new
  steps: [40, 60, 100]
  hold: 0s
  settle: 0s
  min_samples: 5
  error_rate: 0.45
  gates: [{metric: "adherence:numbered", no_worse_by: 0.6}]
"""


def write(root: Path, name: str) -> None:
    """Plan the rollout of a variant with this name."""
    (root / "personas/canary.yaml").write_text(_PERSONA % name, "utf-8")


def answer(body: Json) -> Play:
    """One variant has forgotten to number its steps."""
    is_bad = body["messages"][0]["content"].startswith("You are Bad")
    return text_answer("Take the green form." if is_bad else "1. Take the green form.")


def rollout(root: Path) -> Json:
    """How it stands, as an operator is told."""
    ended = run("rollouts", "list", "--root", root, "--format", "json")
    assert ended.status == 0, ended.err
    (row,) = orjson.loads(ended.out)
    return row


def share(running: Gateway) -> float | None:
    """The share that the gateway gives the variant, by its own metrics."""
    for line in running.get("/metrics", key=None).text.splitlines():
        if line.startswith("banneton_rollout_share_percent{"):
            return float(line.split()[-1])
    return None


def ask_until(running: Gateway, percent: float) -> None:
    """Ask until the share is this one."""
    with running.client() as client:

        def asked() -> bool:
            for _ in range(10):
                ask(client, "Which form?", model="canary")
            return share(running) == percent

        until(asked)


def test_a_rollout_goes_up_survives_a_crash_and_a_bad_one_comes_back(
    project: Path, provider: Provider
) -> None:
    """A crash would forget how far a rollout had come, or a bad variant stay with users."""
    write(project, "Good")
    with (project / "banneton.yaml").open("a", encoding="utf-8") as file:
        file.write("variants: {look_every_s: 0.2}\n")
    provider.answer = answer
    made = asyncio.run(make_key(load_project(project, reads_secrets=False), KeyWish("t", "t")))
    keys = {"t": made.secret}
    with gateway(project, keys=keys) as running:
        until(lambda: share(running) == 40)
        ask_until(running, 60)
        running.kill()
    assert (rollout(project)["phase"], rollout(project)["percent"]) == ("running", 60)
    with gateway(project, keys=keys) as running:
        until(lambda: share(running) == 60)
        ask_until(running, 100)
        write(project, "Bad")
        until(lambda: share(running) == 40)
        ask_until(running, 0)
        with running.client() as client:
            for _ in range(5):
                ask(client, "Which form?", model="canary")
                assert provider.body["messages"][0]["content"].startswith("You are Lexi")
        told = running.get("/metrics", key=None).text
        line = 'banneton_rollout_phase{persona="canary",phase="returned",variant="new"} 1.0'
        assert line in told
    shown = run("rollouts", "show", "canary", "--all", "--root", project).out
    moves = [line.split("  ")[1].split(":")[0] for line in shown.splitlines() if line[:1].isdigit()]
    assert moves == [
        "begin to 40 % by the gateway",
        "step to 60 % by the gateway",
        "step to 100 % by the gateway",
        "begin to 40 % by the gateway",
        "return to 0 % by the gateway",
    ]
    assert re.search(r"adherence:numbered: broken; worse by \+0\.[6-9]", shown)
    held = run("rollouts", "hold", "canary", "--reason", "late", "--root", project)
    assert (held.status, held.err) == (1, "the rollout is returned: there is nothing to hold\n")
    by = ("--reason", "fixed", "--by", "ann", "--root", project)
    assert run("rollouts", "resume", "canary", *by).status == 0
    assert rollout(project)["percent"] == 40
    assert run("rollouts", "return", "canary", *by).status == 0
    assert (rollout(project)["phase"], rollout(project)["percent"]) == ("returned", 0)
    assert run("rollouts", "return", "lexi", *by).status == 2
    assert run("records", "verify", "--root", project).status == 0
