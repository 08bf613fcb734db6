"""Take the console's pictures from a real gateway: ``make pictures``; with ``--to`` all of them.

The gateway serves the shipped content with scripted answers, at a time that is always the same.
Every page that has a place in the navigation gets its picture, on a desk and on a phone, light
and dark, in both languages; those that a document names are kept beside this file.
"""

import argparse
import asyncio
import base64
import json
import os
import random
import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy, copytree

import uvicorn
from playwright.sync_api import BrowserContext, Page

from app.access.keys import KeyWish
from app.cli.client import Client, Turn
from app.cli.running import plan_change
from app.console.pages import PAGES
from app.main import load_project, make_key, running_app
from tests.console.browser import DESKTOP, PHONE, browser

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parent.parent
KEPT = HERE / "console"
TRAFFIC = SHIPPED / "docs" / "examples" / "plan" / "traffic.txt"
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
DAYS = 14
MOST_BYTES = 150_000
_PATIENCE_MS = 120_000
_NAMED = re.compile(r"images/console/([a-z0-9-]+)\.webp")
_CONTENT = ("personas", "policies", "prompts", "knowledge", "evals")


class FixedClock:
    """The same day in every run; only what is measured goes on."""

    def __init__(self) -> None:
        """Begin two weeks before the pictures."""
        self.at = NOW - timedelta(days=DAYS)

    def now(self) -> datetime:
        """The day that is played."""
        return self.at

    def monotonic(self) -> float:
        """As on this machine."""
        return time.monotonic()


@dataclass(frozen=True)
class View:
    """How a page is looked at."""

    ending: str
    is_phone: bool = False
    is_dark: bool = False
    language: str = "en-GB"


VIEWS = (
    View(""),
    View("-dark", is_dark=True),
    View("-zh", language="zh-CN"),
    View("-phone", is_phone=True),
    View("-phone-dark-zh", is_phone=True, is_dark=True, language="zh-CN"),
)


def draft() -> str:
    """A warmer voice, and a threshold that lets more pass."""
    persona = (SHIPPED / "personas" / "bank-service.yaml").read_text("utf-8")
    policy = (SHIPPED / "policies" / "baseline.yaml").read_text("utf-8")
    changed = {
        "personas/bank-service.yaml": persona.replace("warmth: medium", "warmth: high"),
        "policies/baseline.yaml": policy.replace("{at: 0.9, do: block}", "{at: 0.97, do: block}"),
    }
    if (
        changed["personas/bank-service.yaml"] == persona
        or changed["policies/baseline.yaml"] == policy
    ):
        raise RuntimeError("the shipped files no longer have what the pictures change")
    return json.dumps(changed)


def with_draft(page: Page) -> None:
    """Have a draft in this tab."""
    page.evaluate("said => sessionStorage.setItem('banneton.draft', said)", draft())


def playground(page: Page) -> None:
    """A turn in which something was held back from the model."""
    page.goto("/console/playground?persona=bank-service&scenario=lost-card")
    page.locator("#text").fill("I lost my card. Write to ann.lee@example.org when a new one comes.")
    page.keyboard.press("Enter")
    _answered(page, 1)


def compare(page: Page) -> None:
    """One message, two personas."""
    page.goto("/console/compare?persona=bank-service")
    for each in page.locator(".column-choices > summary").all():
        each.click()
    page.locator("#text").fill("Explain the fee, please. And what is photosynthesis?")
    page.keyboard.press("Enter")
    _answered(page, 2)


def _answered(page: Page, count: int) -> None:
    page.wait_for_function(
        "count => document.querySelectorAll('.talk-turn:not([aria-busy])').length >= count",
        arg=count,
        timeout=_PATIENCE_MS,
    )
    page.wait_for_timeout(500)


def compose(page: Page) -> None:
    """The prompt with a draft."""
    with_draft(page)
    page.goto("/console/compose?persona=bank-service&scenario=lost-card")
    page.locator(".line.is-new").first.wait_for(timeout=_PATIENCE_MS)


def review(page: Page) -> None:
    """What can be asked."""
    with_draft(page)
    page.goto("/console/review")


def reviewed(page: Page) -> None:
    """What the draft would change."""
    review(page)
    page.locator("#draft-waits button.primary").click()
    page.locator(".report").wait_for(timeout=_PATIENCE_MS)


def overview(page: Page) -> None:
    """As far back as there is traffic."""
    page.goto("/console?last=30d")


def record(page: Page) -> None:
    """One exchange that was blocked."""
    page.goto("/console/records?outcome=block")
    page.locator('main a[href^="/console/records/"]').first.click()
    page.wait_for_load_state("networkidle")


def _shown(page: Page, path: str) -> None:
    page.goto(path)


SCENES: Mapping[str, Callable[[Page], None]] = {
    "": overview,
    "/playground": playground,
    "/compare": compare,
    "/compose": compose,
    "/review": review,
    "/review/{run}": reviewed,
    "/records/{request_id}": record,
    "/gallery/{persona}": lambda page: _shown(page, "/console/gallery/listener"),
}
"""What is done before a picture, where a page alone would be empty or needs an id."""


def names() -> dict[str, str]:
    """The pages that somebody comes to, by the name of their picture."""
    found: dict[str, str] = {}
    for page in PAGES:
        if page.method != "GET" or page.nav is None:
            continue
        if "{" in page.path and page.path not in SCENES:
            raise RuntimeError(f"{page.path}: a page with an id needs a scene")
        name = re.sub(r"[^a-z]+", "-", page.path.replace("{", "one-")).strip("-")
        found[name or "overview"] = page.path
    return found


def used() -> set[str]:
    """The pictures that documents show."""
    texts = [*SHIPPED.glob("*.md"), *(SHIPPED / "docs").rglob("*.md")]
    return {name for path in texts for name in _NAMED.findall(path.read_text("utf-8"))}


def project(root: Path) -> Path:
    """The shipped content, answered by a script, committed two days before."""
    for name in _CONTENT:
        copytree(SHIPPED / name, root / name)
    copy(HERE / "console.script.yaml", root / "evals" / "console.script.yaml")
    text = (SHIPPED / "banneton.yaml").read_text("utf-8")
    text = re.sub(r"(?m)^  local: .*$", "", text)
    text = re.sub(r"(?m)^prices: .*$", "", text)
    text = text.replace("script: evals/demo.script.yaml", "script: evals/console.script.yaml")
    text = re.sub(r"backend: local, model: [\w.-]+", "backend: scripted, model: scripted", text)
    (root / "banneton.yaml").write_text(text, "utf-8")
    (root / ".gitignore").write_text("var/\n", "utf-8")
    at = (NOW - timedelta(days=2)).isoformat()
    dated = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at, "HOME": str(root)}
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    for arguments in (
        ("init", "--quiet", "--initial-branch", "main"),
        ("add", "."),
        ("commit", "--quiet", "--message", "As it is served"),
    ):
        command = ["git", *who, *arguments]
        subprocess.run(command, cwd=root, check=True, env={**os.environ, **dated})  # noqa: TID251  # passed on, not read
    return root


@contextmanager
def served(root: Path, clock: FixedClock) -> Iterator[str]:
    """A gateway on a free port; gives its address."""
    started = load_project(root, only_backend="scripted")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    servers: list[uvicorn.Server] = []
    is_ready = threading.Event()

    async def run() -> None:
        async with running_app(started, host="127.0.0.1", clock=clock, plan=plan_change) as app:
            config = uvicorn.Config(app, lifespan="off", log_level="error", access_log=False)
            servers.append(uvicorn.Server(config))
            listener.listen()
            is_ready.set()
            await servers[0].serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    is_ready.wait()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        servers[0].should_exit = True
        thread.join(30)
        listener.close()


def talk(url: str, key: str, clock: FixedClock) -> None:
    """Two weeks of traffic."""
    client = Client(url, key)
    lines = 3 * TRAFFIC.read_text("utf-8").splitlines()
    random.Random(7).shuffle(lines)  # noqa: S311  # the same order in every run
    step = timedelta(days=DAYS) / len(lines)
    for line in lines:
        persona, _, text = line.partition("\t")
        turn = Turn()
        for _ in client.stream(persona, [{"role": "user", "content": text}], {}, turn):
            pass
        if turn.error:
            raise RuntimeError(turn.error)
        clock.at += step
    client.close()
    clock.at = NOW


def taken(
    context: BrowserContext, key: str, view: View, wanted: Mapping[str, str]
) -> Iterator[tuple[str, bytes]]:
    """Pictures of pages in one view, by name."""
    page = context.new_page()
    page.goto("/console/sign-in")
    yield f"sign-in{view.ending}", picture(page)
    enter(page, key)
    for name, path in wanted.items():
        tab = context.new_page()
        tab.goto("/console")
        if path in SCENES:
            SCENES[path](tab)
        else:
            tab.goto(f"/console{path}")
        tab.wait_for_load_state("networkidle")
        yield f"{name}{view.ending}", picture(tab)
        tab.close()


def enter(page: Page, key: str) -> None:
    """Sign in, in any language."""
    page.locator("#key").fill(key)
    page.keyboard.press("Enter")
    page.wait_for_url("**/console")


def picture(page: Page) -> bytes:
    """What is to be seen without scrolling, as WebP."""
    session = page.context.new_cdp_session(page)
    for quality in (82, 70, 55, 40):
        asked = {"format": "webp", "quality": quality}
        made = base64.b64decode(session.send("Page.captureScreenshot", asked)["data"])
        if len(made) <= MOST_BYTES:
            return made
    raise RuntimeError(f"{page.url}: the picture is larger than {MOST_BYTES} bytes")


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, help="A folder for all pictures, to look at.")
    parser.add_argument("--only", help="Only pages whose picture's name begins so.", default="")
    options = parser.parse_args()
    named, wanted = used(), {k: v for k, v in names().items() if k.startswith(options.only)}
    target = options.to or KEPT
    target.mkdir(parents=True, exist_ok=True)
    clock = FixedClock()
    written: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder) / "project")
        wish = KeyWish(tenant="bank", name="Ann", may_read_records=True, may_use_console=True)
        key = asyncio.run(make_key(load_project(root, only_backend="scripted"), wish)).secret
        with served(root, clock) as url:
            talk(url, key, clock)
            with browser() as found, found.in_use() as started:
                for view in VIEWS:
                    context = started.new_context(
                        viewport=PHONE if view.is_phone else DESKTOP,
                        base_url=url,
                        locale=view.language,
                        color_scheme="dark" if view.is_dark else "light",
                        reduced_motion="reduce",
                    )
                    for name, made in taken(context, key, view, wanted):
                        if options.to or name in named:
                            (target / f"{name}.webp").write_bytes(made)
                            written.add(name)
                    context.close()
    if missing := named - written:
        raise SystemExit(f"documents show what is no page's picture: {', '.join(sorted(missing))}")


if __name__ == "__main__":
    main()
