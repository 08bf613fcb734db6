"""Running commands in this process, which costs no start."""

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from app.cli.app import main

SHIPPED = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


def run(*arguments: str | Path) -> Ended:
    """Run a command as ``banneton`` does, without a terminal."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    status: object = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            status = exit_.code
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    assert isinstance(status, int | None)
    return Ended(status or 0, *texts)
