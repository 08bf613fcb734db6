"""What the console's pages weigh and cost: first visits, and a ledger of a million exchanges.

python -m benchmarks.console [--write docs/reference/console-load.md] [--ledger FOLDER] (Linux, with
Chromium). A folder that has no ledger gets one, which takes minutes; it can be used again.
"""

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import httpx2

from app.access.keys import KeyWish, create_key
from app.ledger.keys import KeyStore
from app.ledger.ledger import Ledger
from app.main import SystemClock, new_id
from benchmarks.detectors import table
from tests.console.browser import DESKTOP, browser
from tests.console.history import Past, exchanges, prepared
from tests.console.loading import Loaded, first_visit
from tests.console.test_records import signed_in
from tests.e2e.gateway import Gateway, gateway
from tests.e2e.project import write_project
from tests.servers.openai_server import openai_server_in_thread

EXCHANGES = 1_000_000
AT_ONCE = 2_000
BUDGET = 100_000
SEES = {"may_use_console": True, "may_read_records": True}
VISITS = 3
LOAD_S = 20
CLIENTS = 4
PAGES: Mapping[str, str] = {
    "overview, 1 hour": "/console?last=1h",
    "overview, 24 hours": "/console?last=24h",
    "overview, 7 days": "/console?last=7d",
    "overview, 30 days": "/console?last=30d",
    "overview, 30 days, one persona": "/console?last=30d&persona=keeper",
    "records, newest": "/console/records",
    "records of a rule": "/console/records?rule=banned-question",
    "records of a rule that never applied": "/console/records?rule=none",
    "records of a user": "/console/records?subject=person-17",
}


@contextmanager
def served(folder: Path, *, ledger: Path | None = None) -> Iterator[Gateway]:
    """A gateway with a past: a month of some traffic, or that of a ledger that is there."""
    with openai_server_in_thread() as model:
        root = write_project(folder / "project", model.base_url)
        if ledger is None:
            keys = prepared(root, Past(SystemClock().now()), {"reviewer": SEES})
        else:
            settings = root / "banneton.yaml"
            storage = f'storage: {{url: "sqlite:///{ledger}/ledger.db", key_file: {ledger}/key}}\n'
            settings.write_text(settings.read_text("utf-8") + storage, "utf-8")
            ledger.mkdir(parents=True, exist_ok=True)
            keys = asyncio.run(_made(ledger))
        with gateway(root, keys=keys) as running:
            yield running


async def _made(folder: Path) -> dict[str, str]:
    """A ledger of many exchanges in a folder, made where there is none; and a key."""
    clock, is_new = SystemClock(), not (folder / "ledger.db").exists()
    url = f"sqlite:///{folder / 'ledger.db'}"
    ledger = await Ledger.start(url, folder / "key", clock, new_id)
    every = exchanges(Past(clock.now(), a_day=EXCHANGES // 30)) if is_new else iter(())
    while some := list(islice(every, AT_ONCE)):
        await asyncio.gather(*(ledger.open(opening) for opening, _ in some))
        await asyncio.gather(*(ledger.close(closing) for _, closing in some))
    wish = KeyWish("default", "reviewer", may_use_console=True, may_read_records=True)
    made = await create_key(KeyStore(ledger.store), clock, new_id, wish)
    await ledger.stop()
    return {"reviewer": made.secret}


def first_visits(running: Gateway) -> Iterator[Sequence[str]]:
    """A row for each page: what a first visit loads."""
    with signed_in(running, "reviewer") as http:
        newest = running.get("/v1/records?limit=1", "reviewer").json()["records"][0]["request_id"]
        cookies = dict(http.cookies)
    pages = {
        "overview, 30 days": "/console?last=30d",
        "overview, 24 hours": "/console",
        "records": "/console/records",
        "one record": f"/console/records/{newest}",
    }
    with browser() as started, started.in_use() as launched:
        for name, path in pages.items():
            seen: list[Loaded] = []
            for _ in range(VISITS):
                context = launched.new_context(viewport=DESKTOP, base_url=running.url)
                for key, value in cookies.items():
                    context.add_cookies([{"name": key, "value": value or "", "url": running.url}])
                seen.append(first_visit(context, path))
                context.close()
            paint = statistics.median(each.paint_ms for each in seen)
            last = seen[-1]
            yield (
                name,
                str(last.requests),
                f"{last.sent_bytes / 1000:.1f}",
                f"{last.shifted:.3f}",
                f"{paint:.0f}",
            )


@dataclass
class Load:
    """Requests that a few clients send one after another, and how long each took."""

    running: Gateway

    def latencies(self) -> Sequence[float]:
        """In milliseconds, in order of size."""
        taken: list[float] = []
        end = time.monotonic() + LOAD_S
        threads = [threading.Thread(target=self._ask, args=(taken, end)) for _ in range(CLIENTS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        return sorted(taken)

    def _ask(self, taken: list[float], end: float) -> None:
        body = {"model": "lexi", "messages": [{"role": "user", "content": "How do I begin?"}]}
        with self.running.http("reviewer") as http:
            while time.monotonic() < end:
                began = time.perf_counter()
                http.post("/v1/chat/completions", json=body).raise_for_status()
                taken.append(1000 * (time.perf_counter() - began))


def page_costs(running: Gateway) -> Iterator[Sequence[str]]:
    """A row for each page: how long it takes, first and again within seconds."""
    with signed_in(running, "reviewer") as http:
        for name, path in PAGES.items():
            taken = []
            for _ in range(2):
                began = time.perf_counter()
                http.get(path).raise_for_status()
                taken.append(time.perf_counter() - began)
            yield name, f"{1000 * taken[0]:.0f}", f"{1000 * taken[1]:.0f}"


def beside(running: Gateway) -> Iterator[Sequence[str]]:
    """How long requests take while nobody looks, and while somebody opens page after page."""
    stop = threading.Event()

    def look(http: httpx2.Client) -> None:
        while not stop.is_set():
            for path in PAGES.values():
                http.get(path)
                if stop.wait(0.2):
                    return

    load = Load(running)
    load.latencies()  # warm
    for name in ("nobody looks", "somebody opens page after page", "nobody looks, again"):
        with signed_in(running, "reviewer") as http:
            reader = threading.Thread(target=look, args=(http,))
            stop.clear()
            if name.startswith("somebody"):
                reader.start()
            taken = load.latencies()
            stop.set()
            if reader.ident is not None:
                reader.join()
        shares = [taken[min(int(len(taken) * share), len(taken) - 1)] for share in (0.5, 0.9, 0.99)]
        yield name, str(len(taken)), *(f"{each:.1f}" for each in shares)


def report(ledger: Path) -> str:
    """The page."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as running:
        visits = list(first_visits(running))
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), ledger=ledger) as running:
        costs, loads = list(page_costs(running)), list(beside(running))
    return f"""# What the console's pages weigh and cost

Made by `python -m benchmarks.console`: Chromium, a window of {DESKTOP["width"]} by
{DESKTOP["height"]}, nothing kept from before, and a gateway on the same machine. The budget of the
first page is {BUDGET // 1000} KB with everything that it loads, and no layout shift; a test holds
both. Scripts and styles come compressed; pages do not, because they hold the token that forms must
carry, which could be told from how well they compress. Times depend on the machine, which is
shared.

{table(["page", "requests", "KB sent", "layout shift", "first paint ms"], visits)}

## On a ledger of {EXCHANGES:,} exchanges

Of 30 days, in 4 GB. No page reads more records the more there are: an overview measures the
newest 150 exchanges of each stretch of time, counts the others by an index (which takes a second
for a million), and is kept for 10 to 120 seconds; a page of records looks through 20,000 at most
and says how far it looked. All of it is read in threads, on connections of their own.

{table(["page", "first ms", "again ms"], costs)}

What that does to serving: {CLIENTS} clients that ask one thing after another for {LOAD_S} s, on
the same gateway.

{table(["meanwhile", "requests", "p50 ms", "p90 ms", "p99 ms"], loads)}
"""


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--ledger", type=Path, help="where the large ledger is, or will be")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = report((given.ledger or Path(folder)).resolve())
    if given.write is None:
        print(text)
    else:
        given.write.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
