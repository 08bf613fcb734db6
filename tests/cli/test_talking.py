"""The commands that talk: demo without a terminal, chat in one."""

import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

from app.cli.running import running_gateway
from tests.cli.running import SHIPPED, run
from tests.e2e.gateway import banneton, environment

_CONTENT = ("banneton.yaml", "personas", "policies", "prompts", "knowledge", "evals")


def test_the_demo_without_a_terminal(tmp_path: Path) -> None:
    """The first thing that a stranger runs would fail, hang, or show nothing."""
    for name in _CONTENT:
        source = SHIPPED / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    ended = banneton("demo", "--scripted", "--root", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "answers come from: scripted" in ended.stdout
    for title in ("A question", "Personal data", "An injection"):
        assert f"\n{title}\n" in ended.stdout
    assert "flour and water" in ended.stdout
    assert "EMAIL_ADDRESS_" in ended.stdout
    assert "The address left as a pseudonym and came back as itself." in ended.stdout
    assert "outcome block" in ended.stdout
    assert ended.stdout.count(", record ") == 3
    assert "Traceback" not in ended.stderr
    assert run("records", "verify", "--root", tmp_path).status == 0


def test_chat_in_a_terminal(root: Path) -> None:
    """Somebody at a terminal could not talk to a persona, or not see what was decided."""
    leader, follower = pty.openpty()
    with running_gateway(root, backend="scripted") as running:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-m", "app", "chat", "lexi", "--url", running.url],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            cwd=SHIPPED,
            env=environment() | {"BANNETON_KEY": running.key, "TERM": "dumb", "COLUMNS": "100"},
        )
        os.close(follower)
        try:
            terminal = Terminal(leader)
            terminal.wait_for("you ")
            os.write(leader, b"my mail is a.b@example.org\n")
            terminal.wait_for("record ")
            terminal.wait_for("you ")
            os.write(leader, b"please ask-banned\n")
            terminal.wait_for("record ")
            terminal.wait_for("you ")
            os.write(leader, b"\x04")
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
            os.close(leader)
    seen = terminal.seen
    assert "You said: my mail is a.b@example.org" in seen
    assert "personal-data: pseudonymised, restored for you" in seen
    assert "Lexi cannot help with that." in seen
    assert "banned-question: blocked (words word, score 1.00)" in seen


class Terminal:
    """What a terminal shows."""

    def __init__(self, leader: int) -> None:
        self.seen = ""
        self._leader = leader
        self._at = 0

    def wait_for(self, wanted: str) -> None:
        """Read until these words stand after what was waited for before."""
        while (found := self.seen.find(wanted, self._at)) < 0:
            ready, _, _ = select.select([self._leader], [], [], 60)
            assert ready, f"the terminal never showed {wanted!r}"
            self.seen += os.read(self._leader, 4096).decode("utf-8", "replace")
        self._at = found + len(wanted)


def test_chat_without_a_gateway(root: Path) -> None:
    """Somebody who forgot to start the gateway would see a traceback."""
    assert root.exists()
    ended = banneton("chat", "lexi", "--url", "http://127.0.0.1:9", given="Hello\n")
    assert ended.returncode == 2
    assert "Is it running?" in ended.stdout
    assert "Traceback" not in ended.stderr
