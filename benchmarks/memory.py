"""Whether memory grows: streamed requests, and what the process holds after each part of them.

python -m benchmarks.memory [--write docs/reference/models/memory.md] (Linux; two cores)
"""

import argparse
import asyncio
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import gateway, load
from benchmarks.detectors import table

REQUESTS, PART = 50_000, 10_000
CONNECTIONS = 16
SCENARIO = next(each for each in gateway.SCENARIOS if each.name.startswith("stream, as fast"))


def held_mb(pid: int) -> tuple[float, float]:
    """Resident and proportional set size, in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {
        name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)
    }
    return sizes["Rss"] / 1024, sizes["Pss"] / 1024


def measured(requests: int, part: int) -> list[Sequence[str]]:
    """A row before the first request, and one after each part."""
    running: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            running.append(gateway.start_model())
            root = Path(folder) / "project"
            gateway.write_project(root, "baseline")
            served, headers = gateway.start_banneton(root, gateway.BASELINE_PORT)
            running.append(served)
            target = gateway.Target("Banneton", gateway.BASELINE_PORT, served.pid, headers)
            job = gateway.job_for(target, SCENARIO)
            rows: list[Sequence[str]] = []
            for done in range(0, requests + 1, part):
                if done:
                    ask = load.ask(
                        f"http://127.0.0.1:{target.port}",
                        job,
                        connections=CONNECTIONS,
                        requests=part,
                    )
                    if errors := asyncio.run(ask).errors:
                        raise SystemExit(f"{errors} requests failed")
                rows.append([f"{done:,}", *(f"{each:.0f}" for each in held_mb(served.pid))])
                print(*rows[-1], flush=True)
            return rows
        finally:
            gateway.stop(running)


def report(rows: Sequence[Sequence[str]]) -> str:
    """The page."""
    return f"""\
# Memory over many requests

Made by `make memory`: one process of the default install under `baseline`, {CONNECTIONS} streams of
{SCENARIO.tokens} chunks at once, every request with a text of its own, records kept. What it holds
before the first request is Python, the models and Presidio. What the first thousands add is
remembered on purpose, and bounded: automata of patterns, findings by keyed digest, connections,
pages of the ledger.

{table(["streamed requests", "resident (RSS), MB", "proportional (PSS), MB"], rows)}
"""


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description="Whether memory grows.")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    given = parser.parse_args()
    os.sched_setaffinity(0, {1})
    made = report(measured(given.requests, min(PART, given.requests)))
    print(made)
    if given.write is not None:
        given.write.write_text(made, "utf-8")


if __name__ == "__main__":
    main()
