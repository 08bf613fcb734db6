"""What keeps the event loop from other work: a real gateway under requests and answers of 100 KB.

    python -m benchmarks.loop_monitor [--only WORD] [--rounds N] [--write PAGE]

For each kind of traffic: the longest single callback on the loop's thread, in milliseconds of that
thread's CPU time; where most of it was spent; and by how much a task that sleeps a millisecond at a
time was late at most. The second one shows what the first cannot: threads that hold Python's lock.
What a busy machine does for others meanwhile is taken off: the time for which the loop's thread
waited for a core, and what is more than the CPU time of all threads of the gateway. The model and
the clients are in this process, the gateway in another. Linux only.
"""

import argparse
import asyncio
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

import orjson

from benchmarks.detectors import table
from benchmarks.loop_traffic import KINDS, MODEL_PORT, Kind, model_server, write_project

ROUNDS = 3
_HEAD = """\
# What keeps the event loop

Made by `make speed`: a real gateway under requests and answers of 100 KB, one at a time, without
extras. *Longest callback* is the CPU time of the loop's thread in its longest single piece of work
of a request; *late* by how much a task that sleeps a millisecond at a time was late at most, which
counts threads that hold Python's lock too; each is the median and the worst of the rounds. The last
column is where most of the longest callback was spent. What a busy machine does for others is taken
off as far as the kernel tells; a shared machine's memory and caches it does not tell, so read the
medians. Wanted: at most 5 ms. *Strict rules* are prompt leaks by sentence, personal data masked in
answers, grounding, repetition and readability on top of the baseline.
"""
LAG_EVERY_S = 0.001
SAMPLE_EVERY_S = 0.0005
_APP = f"{os.sep}app{os.sep}"


class Monitor:
    """Times every callback of a loop. Lives in the gateway's process."""

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self.lag_ms = 0.0
        self.where = ""
        self._samples: list[str] = []
        self._is_running = False
        self._is_beating = False

    def install(self) -> None:
        """Wrap what runs a callback. Only asyncio's own loop can be wrapped, not uvloop's."""
        run = asyncio.Handle._run  # noqa: SLF001  # the one place that all callbacks come through

        def timed(handle: asyncio.Handle) -> None:
            if not self._is_beating:
                self._is_beating = True
                self._beat = asyncio.get_running_loop().create_task(self._heart())
            self._samples.clear()
            self._is_running = True
            began = time.thread_time()
            try:
                run(handle)
            finally:
                took_ms = (time.thread_time() - began) * 1000
                self._is_running = False
                if took_ms > self.longest_ms:
                    self.longest_ms = took_ms
                    self.where = (
                        Counter(self._samples).most_common(1)[0][0] if self._samples else ""
                    )

        asyncio.Handle._run = timed  # type: ignore[assignment,method-assign]  # noqa: SLF001  # as above
        signal.signal(signal.SIGALRM, self._sample)

    async def _heart(self) -> None:
        queue = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
        while True:
            began_s, used_s = time.perf_counter() - waited_s(queue), time.process_time()
            await asyncio.sleep(LAG_EVERY_S)
            took_s = time.perf_counter() - waited_s(queue) - began_s
            used_s = time.process_time() - used_s
            self.lag_ms = max(self.lag_ms, (min(took_s, used_s) - LAG_EVERY_S) * 1000)

    def _sample(self, _signal: int, frame: FrameType | None) -> None:
        """Note which function of ours the loop's thread is in."""
        while self._is_running and frame is not None:
            code = frame.f_code
            if _APP in code.co_filename:
                module = code.co_filename.rpartition(_APP)[2].removesuffix(".py")
                self._samples.append(f"{module}.{code.co_qualname}")
                return
            frame = frame.f_back

    def obey(self, orders: IO[str], told: IO[str]) -> None:
        """Follow orders that come line by line, from a thread of its own."""
        for order in orders:
            if order.startswith("sample"):
                signal.setitimer(signal.ITIMER_REAL, SAMPLE_EVERY_S, SAMPLE_EVERY_S)
            elif order.startswith("quiet"):
                signal.setitimer(signal.ITIMER_REAL, 0)
            told.write(json.dumps([self.longest_ms, self.lag_ms, self.where]) + "\n")
            told.flush()
            self.longest_ms, self.lag_ms, self.where = 0.0, 0.0, ""


def waited_s(queue: int) -> float:
    """For how long a thread could have run and another process did, as the kernel counts it."""
    return int(os.pread(queue, 64, 0).split()[1]) / 1e9


def serve(root: Path) -> None:
    """Run the gateway with a monitor inside."""
    from app.cli.serve import serve as run  # noqa: PLC0415  # only the gateway's process needs it

    sys.modules["uvloop"] = None  # type: ignore[assignment]  # so that the default loop is taken
    monitor = Monitor()
    monitor.install()
    threading.Thread(target=monitor.obey, args=(sys.stdin, sys.stdout), daemon=True).start()
    run(root=root, host="127.0.0.1", port=0, quiet=True)


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of a kind of traffic."""

    longest_ms: float
    lag_ms: float
    where: str


class Gateway:
    """The gateway's process, as this one talks to it."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.loop_monitor", "--serve", str(root)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self._line()
        self._port = int(line.rpartition(":")[2])

    def _line(self) -> str:
        if self.process.stdout is None or not (line := self.process.stdout.readline()):
            raise SystemExit("the gateway did not start")
        return line

    def order(self, what: str) -> Measured:
        """Say what was measured since the last order, and begin anew."""
        if self.process.stdin is None:
            raise TypeError("the process was started without a pipe")
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return Measured(*json.loads(self._line()))

    def send(self, method: str, path: str, body: object) -> bytes:
        """One request; raises where it is not answered with 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        data = None if body is None else orjson.dumps(body)
        connection.request(method, path, data, {"content-type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status != http.client.OK:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content


def measured(gateway: Gateway, kind: Kind, rounds: int) -> list[Measured]:
    """Rounds of one kind; the last one says where the time went."""
    found = []
    for number in range(rounds + 2):
        is_last = number == rounds + 1
        gateway.order("sample" if is_last else "quiet")
        kind.send(gateway.send, number)
        time.sleep(0.05)
        found.append(gateway.order("quiet"))
    return found[1:]  # the first one is warming up


def row(gateway: Gateway, kind: Kind, rounds: int) -> list[str]:
    """A line of the table."""
    *plain, sampled = measured(gateway, kind, rounds)
    cells = [kind.name]
    for found in ([each.longest_ms for each in plain], [each.lag_ms for each in plain]):
        cells += [f"{statistics.median(found):.1f}", f"{max(found):.1f}"]
    return [*cells, f"`{sampled.where}`" if sampled.where else ""]


def report(kinds: Sequence[Kind], rounds: int) -> str:
    """The table."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, model_server(MODEL_PORT):
        root = Path(folder)
        write_project(root)
        gateway = Gateway(root)
        try:
            for kind in kinds:
                rows.append(row(gateway, kind, rounds))
                print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
        finally:
            gateway.process.send_signal(signal.SIGTERM)
            gateway.process.wait(timeout=20)
    heads = ["100 KB of", "longest callback, ms", "worst round", "loop late by, ms", "worst round"]
    return table([*heads, "most of the callback in"], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What keeps the event loop from other work.")
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve)
        return
    kinds = [kind for kind in KINDS if given.only in kind.name]
    made = report(kinds, given.rounds)
    print(made)
    if given.write is not None:
        given.write.write_text(f"{_HEAD}\n{made}\n", "utf-8")


if __name__ == "__main__":
    main()
