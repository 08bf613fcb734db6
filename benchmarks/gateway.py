"""What the gateway costs, as ratios in one run: ``make bench`` (Linux; two cores).

Every target runs alone on core 0, the model and the load on core 1, round after round in turn, so
that a noisy machine hits all alike. CPU is that of the target's process, as the kernel counts it.
"""

import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import orjson

from benchmarks import load, mock_model

PROJECT = Path(__file__).resolve().parent.parent
MODEL_PORT, PASS_PORT, FREE_PORT, BASELINE_PORT = 9101, 9102, 9103, 9104
ROUNDS, SECONDS = 5, 1.5
PROMPT = f"Note {load.PLACE.decode()}. {mock_model.text_of(985)}"


@dataclass(frozen=True, slots=True)
class Target:
    """Something to measure."""

    name: str
    port: int
    pid: int
    headers: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of load."""

    name: str
    model: str
    """Steers the mock model."""
    is_stream: bool
    connections: int
    tokens: int
    """Chunks in an answer; 0 where it is not streamed."""


SCENARIOS = (
    Scenario("JSON, 16 connections", "json-1000", is_stream=False, connections=16, tokens=0),
    Scenario("JSON, 1 connection", "json-1000", is_stream=False, connections=1, tokens=0),
    Scenario(
        "stream, as fast as it comes, 16", "chunks-50-0", is_stream=True, connections=16, tokens=50
    ),
    Scenario("stream, 10 ms a chunk, 4", "chunks-50-10", is_stream=True, connections=4, tokens=50),
)


def cpu_s(pid: int) -> float:
    """CPU seconds that all threads of a process have used."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory_mb(pid: int) -> float:
    """Proportional set size in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def start(
    command: Sequence[str], port: int, *, core: int, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a server on a core and wait until it listens."""
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *command],  # noqa: S607  # util-linux's own, wherever it is
        stdout=subprocess.DEVNULL,
        stderr=None,
        cwd=PROJECT,
        env={**os.environ, **(env or {})},  # noqa: TID251  # a benchmark starts programs as a shell does
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"{command[0]} did not come up on port {port}")


RULES_FREE = "audiences: {strictest_first: [public], default: public}\nrules: []\n"
PERSONA = """name: Bench
prompt: bench
policy: POLICY
route: ROUTE
identity: {role: assistant}
"""


def write_project(root: Path, policy: str) -> None:
    """A project with one persona a scenario, under one policy."""
    for folder in ("personas", "policies", "prompts", "var"):
        (root / folder).mkdir(parents=True)
    source = PROJECT / "policies" / "baseline.yaml"
    (root / "policies" / "baseline.yaml").write_text(
        source.read_text() if policy == "baseline" else RULES_FREE
    )
    (root / "prompts" / "bench.md.j2").write_text("You are a helpful assistant.\n")
    routes = []
    for model in sorted({scenario.model for scenario in SCENARIOS}):
        (root / "personas" / f"{model}.yaml").write_text(
            PERSONA.replace("POLICY", "baseline").replace("ROUTE", model)
        )
        routes.append(f"  {model}: {{backend: mock, model: {model}}}")
    (root / "banneton.yaml").write_text(
        "backends:\n"
        f"  mock: {{type: openai, base_url: 'http://127.0.0.1:{MODEL_PORT}/v1'}}\n"
        "routes:\n" + "\n".join(routes) + "\n"
        "storage: {url: 'sqlite:///var/bench.db', key_file: var/bench.key}\n"
    )


def start_model() -> subprocess.Popen[bytes]:
    """Start the model."""
    command = [sys.executable, "-m", "benchmarks.mock_model", str(MODEL_PORT)]
    return start(command, MODEL_PORT, core=1)


def start_bare() -> subprocess.Popen[bytes]:
    """Start the bare pass-through."""
    command = [
        *(sys.executable, "-m", "uvicorn", "benchmarks.passthrough:app", "--port", str(PASS_PORT)),
        *("--no-access-log", "--log-level", "error", "--loop", "uvloop", "--http", "httptools"),
    ]
    upstream = {"UPSTREAM": f"http://127.0.0.1:{MODEL_PORT}/v1"}
    return start(command, PASS_PORT, core=0, env=upstream)


def start_banneton(root: Path, port: int) -> tuple[subprocess.Popen[bytes], str]:
    """Start the gateway on a project; gives the header of a key, too."""
    banneton = [sys.executable, "-m", "app"]
    made = subprocess.run(
        [*banneton, "keys", "create", "--root", str(root), "--name", "bench", "--format", "json"],
        check=True,
        capture_output=True,
        cwd=PROJECT,
    )
    command = [*banneton, "serve", "--root", str(root), "--port", str(port), "--quiet"]
    key = orjson.loads(made.stdout)["key"]
    served = start(command, port, core=0)
    asking = HTTPConnection("127.0.0.1", port)
    asking.request("GET", "/healthz")
    asking.getresponse().read()  # it listens before it has given back what loading took
    asking.close()
    return served, f"authorization: Bearer {key}\r\n"


def stop(running: Sequence[subprocess.Popen[bytes]]) -> None:
    """End all of these."""
    for process in running:
        process.send_signal(signal.SIGTERM)
    for process in running:
        process.wait(timeout=20)


@contextmanager
def targets(folder: Path) -> Iterator[list[Target]]:
    """Start the model and everything to measure; stop all at the end."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        running += (start_model(), start_bare())
        found = [
            Target("direct to the model", MODEL_PORT, running[0].pid),
            Target("bare pass-through", PASS_PORT, running[1].pid),
        ]
        for name, policy, port in (
            ("Banneton, no rules", "free", FREE_PORT),
            ("Banneton, baseline", "baseline", BASELINE_PORT),
        ):
            root = folder / policy
            write_project(root, policy)
            served, header = start_banneton(root, port)
            running.append(served)
            found.append(Target(name, port, served.pid, header))
        yield found
    finally:
        stop(running)


def post(path: str, headers: str, asked: object) -> bytes:
    """One HTTP request, whole."""
    body = orjson.dumps(asked)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def job_for(target: Target, scenario: Scenario) -> load.Job:
    """What is asked of a target."""
    asked = {
        "model": scenario.model,
        "messages": [{"role": "user", "content": PROMPT}],
        "stream": scenario.is_stream,
    }
    return load.Job(post("/v1/chat/completions", target.headers, asked))


@dataclass(frozen=True, slots=True)
class Row:
    """One target in one round."""

    cpu_ms: float
    """Per request."""
    per_s: float
    p50_ms: float
    first_ms: float
    errors: int


def measure(target: Target, job: load.Job, connections: int, seconds: float) -> Row:
    """Load one target once."""
    before = cpu_s(target.pid)
    url = f"http://127.0.0.1:{target.port}"
    result = asyncio.run(load.run(url, job, connections=connections, seconds=seconds))
    used = cpu_s(target.pid) - before
    return Row(
        cpu_ms=used * 1000 / max(1, result.requests),
        per_s=result.requests / result.seconds,
        p50_ms=statistics.median(result.total_ms),
        first_ms=statistics.median(result.first_ms),
        errors=result.errors,
    )


def report(scenario: Scenario, rows: dict[str, list[Row]]) -> list[str]:
    """A Markdown table of medians; ratios are taken inside each round."""
    unit = "token" if scenario.tokens else "request"
    share = scenario.tokens or 1
    bare = rows["bare pass-through"]
    direct = rows["direct to the model"]
    lines = [
        f"### {scenario.name}",
        "",
        (
            f"| target | CPU µs a {unit} | CPU / bare | requests/s | p50 ms | added p50 ms "
            "| first byte added ms | errors |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in rows.items():
        median = statistics.median
        ratio = median(row.cpu_ms / base.cpu_ms for row, base in zip(found, bare, strict=True))
        added = median(row.p50_ms - base.p50_ms for row, base in zip(found, direct, strict=True))
        first = median(
            row.first_ms - base.first_ms for row, base in zip(found, direct, strict=True)
        )
        cpu = median(row.cpu_ms for row in found) * 1000 / share
        p50 = median(row.p50_ms for row in found)
        lines.append(
            f"| {name} | {cpu:.1f} | {ratio:.2f} | "
            f"{median(row.per_s for row in found):,.0f} | {p50:.2f} | "
            f"{added:.2f} | {first:.2f} | {sum(row.errors for row in found)} |"
        )
    return [*lines, ""]


def main() -> None:
    """Run every scenario and print the tables."""
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as folder, targets(Path(folder)) as found:
        print(
            "Idle memory (PSS): " + ", ".join(f"{t.name} {memory_mb(t.pid):.0f} MB" for t in found),
            "\n",
        )
        for scenario in SCENARIOS:
            rows: dict[str, list[Row]] = {target.name: [] for target in found}
            jobs = {target.name: job_for(target, scenario) for target in found}
            for seconds in (0.5, *[SECONDS] * ROUNDS):
                for target in found:
                    row = measure(target, jobs[target.name], scenario.connections, seconds)
                    rows[target.name].append(row)
            for each in rows.values():
                del each[0]  # what was measured while it got warm
            print("\n".join(report(scenario, rows)), flush=True)
        print(
            "Memory after (PSS): " + ", ".join(f"{t.name} {memory_mb(t.pid):.0f} MB" for t in found)
        )


if __name__ == "__main__":
    main()
