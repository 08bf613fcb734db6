"""A command at a real terminal, and somebody who types."""

import os
import pty
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.gateway import environment

_PROMPT = b"> "
_PATIENCE_S = 120


def typed(arguments: Sequence[str], answers: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run ``banneton`` in a folder and answer its questions in order; gives status and screen."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "app", *arguments],
        cwd=folder,
        env={**environment(), "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "100"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    screen, waiting = b"", list(answers)
    with running:
        try:
            while select.select([ours], [], [], _PATIENCE_S)[0] and (read := os.read(ours, 65_536)):
                screen += read
                if waiting and screen.endswith(_PROMPT):
                    os.write(ours, f"{waiting.pop(0)}\r".encode())
        except OSError:  # so ends a terminal on Linux when nobody holds its other side any more
            pass
        finally:
            os.close(ours)
    return running.returncode, screen.decode()
