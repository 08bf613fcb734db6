"""Replaying on Ray, on this machine, in a process of its own."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest

from app.ledger.columns import columns_of
from app.review.replay import Engine, replay
from tests.review.generating import records, revisions

_ROOT = Path(__file__).parents[2]


def said(engine: Engine) -> bytes:
    """What replaying some records says, as JSON."""
    dice = random.Random(7)  # noqa: S311  # the same records here and there
    both = revisions(dice, ("letters", "runs", "half", "keys"))
    rows = records(dice, both, 600)
    parts = [columns_of(rows[at : at + 100]) for at in range(0, len(rows), 100)]
    return orjson.dumps(replay(parts, *both, engine=engine))


@pytest.fixture
def folder() -> Iterator[str]:
    """A folder with a short path: Ray's sockets bear no long ones."""
    with TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as made:
        yield made


def test_ray_says_the_same(folder: str) -> None:
    """What a cluster says of a change is not what this process says of it."""
    pytest.importorskip("ray", reason="Ray, the extra 'ray', is not installed")
    environment = {
        "PATH": os.defpath,
        "HOME": folder,  # Ray keeps a token there
        "PYTHONPATH": str(_ROOT),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # then it listens on loopback alone
        "RAY_TMPDIR": folder,
    }
    ended = subprocess.run(
        [sys.executable, "-m", "tests.review.test_spread"],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr.decode()[-2000:]
    assert ended.stdout == said(Engine.HERE)


if __name__ == "__main__":
    sys.stdout.buffer.write(said(Engine.RAY))
