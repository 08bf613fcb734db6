"""What each dialect and each translation costs: ``make bench`` (Linux; two cores).

Every dialect that clients speak, with every protocol that providers speak, without rules, as ratios
to the bare pass-through in one run. Bedrock's stream is read by ``botocore``: without it that
protocol is left out.
"""

import os
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks import gateway, load
from benchmarks.detectors import table

PORT = 9105
TOKENS, CONNECTIONS = 50, 16
WHOLE, STREAM = "json-1000", f"chunks-{TOKENS}-0"
ROUNDS, SECONDS = 5, 1.0
KEY = "BENCH_KEY"

BACKENDS = {
    "openai": f"{{type: openai, base_url: 'http://127.0.0.1:{gateway.MODEL_PORT}/v1'}}",
    "anthropic": f"{{type: anthropic, base_url: 'http://127.0.0.1:{gateway.MODEL_PORT}/v1'}}",
    "gemini": f"{{type: gemini, base_url: 'http://127.0.0.1:{gateway.MODEL_PORT}/v1beta'}}",
    "bedrock": (
        f"{{type: bedrock, region: eu-central-1, base_url: 'http://127.0.0.1:{gateway.MODEL_PORT}',"
        f" api_key: '${{{KEY}}}'}}"
    ),
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """A wire format that clients speak."""

    name: str
    path: str
    content: str
    """The key that holds what is asked."""
    marks: tuple[bytes, bytes]
    more: tuple[tuple[str, object], ...] = ()

    def job(self, headers: str, model: str, *, is_stream: bool) -> load.Job:
        """What is asked again and again."""
        turns = [{"role": "user", "content": gateway.PROMPT}]
        asked = {"model": model, self.content: turns, "stream": is_stream, **dict(self.more)}
        return load.Job(gateway.post(self.path, headers, asked), self.marks)


DIALECTS = (
    Dialect("openai_chat", "/v1/chat/completions", "messages", (b'"content"', b'"content":"')),
    Dialect(
        "anthropic_messages",
        "/v1/messages",
        "messages",
        (b'"text"', b'"text_delta"'),
        (("max_tokens", 1000),),
    ),
    Dialect("openai_responses", "/v1/responses", "input", (b'"output_text"', b'"delta":"')),
)


def protocols() -> list[str]:
    """Those that run in this installation."""
    return [name for name in BACKENDS if name != "bedrock" or find_spec("botocore")]


def write_project(root: Path) -> None:
    """A persona for each protocol and kind of answer, under no rules."""
    for folder in ("personas", "policies", "prompts", "var"):
        (root / folder).mkdir(parents=True)
    (root / "policies" / "baseline.yaml").write_text(gateway.RULES_FREE)
    (root / "prompts" / "bench.md.j2").write_text("You are a helpful assistant.\n")
    routes = []
    for protocol in protocols():
        for model in (WHOLE, STREAM):
            name = f"{protocol}-{model}"
            persona = gateway.PERSONA.replace("POLICY", "baseline").replace("ROUTE", name)
            (root / "personas" / f"{name}.yaml").write_text(persona)
            routes.append(f"  {name}: {{backend: {protocol}, model: {model}}}\n")
    backends = "".join(f"  {name}: {BACKENDS[name]}\n" for name in protocols())
    (root / "banneton.yaml").write_text(
        f"backends:\n{backends}routes:\n{''.join(routes)}"
        "storage: {url: 'sqlite:///var/bench.db', key_file: var/bench.key}\n"
    )


@contextmanager
def started(root: Path) -> Iterator[tuple[gateway.Target, gateway.Target]]:
    """The bare pass-through, and the gateway."""
    os.environ[KEY] = "bench"  # noqa: TID251  # of the process that is started
    running: list[subprocess.Popen[bytes]] = []
    try:
        running += (gateway.start_model(), gateway.start_bare())
        write_project(root)
        served, headers = gateway.start_banneton(root, PORT)
        running.append(served)
        bare = gateway.Target("bare pass-through", gateway.PASS_PORT, running[1].pid)
        yield bare, gateway.Target("Banneton", PORT, served.pid, headers)
    finally:
        gateway.stop(running)


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of the table, with what it is compared with."""

    target: gateway.Target
    bare: gateway.Target
    job: load.Job
    compared: load.Job

    def ratio(self, seconds: float) -> tuple[float, float, int]:
        """CPU milliseconds a request, over those of the bare pass-through, and errors."""
        least = gateway.measure(self.bare, self.compared, CONNECTIONS, seconds)
        row = gateway.measure(self.target, self.job, CONNECTIONS, seconds)
        return row.cpu_ms, row.cpu_ms / least.cpu_ms, row.errors + least.errors


def cell(case: Case, share: int) -> list[str]:
    """Microseconds and ratio, medians over the rounds."""
    case.ratio(SECONDS / 3)  # gets warm
    rounds = [case.ratio(SECONDS) for _ in range(ROUNDS)]
    if any(errors for _, _, errors in rounds):
        raise SystemExit("some requests failed")
    cpu_us = statistics.median(cpu for cpu, _, _ in rounds) * 1000 / share
    return [f"{cpu_us:.1f}", f"{statistics.median(ratio for _, ratio, _ in rounds):.2f}"]


def row(
    bare: gateway.Target, target: gateway.Target, dialect: Dialect, protocol: str
) -> Sequence[str]:
    """One dialect over one protocol."""
    cells = [f"`{dialect.name}`", f"`{protocol}`"]
    for model, is_stream, share in ((WHOLE, False, 1), (STREAM, True, TOKENS)):
        job = dialect.job(target.headers, f"{protocol}-{model}", is_stream=is_stream)
        compared = DIALECTS[0].job("", model, is_stream=is_stream)
        cells += cell(Case(target, bare, job, compared), share)
    return cells


def main() -> None:
    """Measure every pair, and print the table."""
    os.sched_setaffinity(0, {1})
    with (
        tempfile.TemporaryDirectory() as folder,
        started(Path(folder) / "project") as (bare, target),
    ):
        rows = [
            row(bare, target, dialect, protocol) for dialect in DIALECTS for protocol in protocols()
        ]
    heads = ["dialect in", "protocol out"]
    heads += ["CPU µs a request", "/ bare", "CPU µs a streamed token", "/ bare"]
    print(
        f"### Dialects and protocols, no rules, {CONNECTIONS} connections\n\n{table(heads, rows)}"
    )


if __name__ == "__main__":
    main()
