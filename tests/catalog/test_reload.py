"""Reload: real files, real changes; requests keep what they began with."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from app.catalog.reload import Change, Health, Reloader
from app.domain.catalog import Catalog
from app.domain.errors import ContentError, Problem

Read = Callable[[Path], Catalog]
PATIENCE_S = 60
"""Only so that a failure ends; no test depends on how long anything takes."""


class Compiler:
    """Makes one text of a catalog, or fails as it is told."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.calls = 0

    def __call__(self, catalog: Catalog) -> str:
        """The compiled thing: the template's text and the digest it came from."""
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        return f"{catalog.digest} {catalog.prompts['assistant'].text}"


def reloader(root: Path, read_root: Read, compiler: Compiler | None = None) -> Reloader[str]:
    """A reloader of the good catalog."""
    return Reloader(root, lambda: read_root(root), compiler or Compiler())


def health(served: Reloader[str]) -> Health:
    """Whether what is served is what the files say."""
    return served.state.health


def edit(root: Path, text: str, file: str = "prompts/assistant.md.j2") -> None:
    """Replace a file in one step, as editors and mounts do."""
    draft = root / file.replace("assistant", ".draft")
    draft.write_text(text)
    draft.replace(root / file)


@asynccontextmanager
async def watching(served: Reloader[str], poll_s: float = 0.05) -> AsyncIterator[None]:
    """Watch while the block runs; whatever the loop raises, the test raises."""
    stop = asyncio.Event()
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        group.create_task(served.watch(stop, poll_s=poll_s))
        try:
            yield
        finally:
            stop.set()


async def until(is_true: Callable[[], bool]) -> None:
    """Wait for something that must come."""
    while not is_true():  # noqa: ASYNC110  # what is waited for has no event of its own
        await asyncio.sleep(0.01)


def test_a_gateway_does_not_start_with_wrong_files(root: Path, read_root: Read) -> None:
    """There would be nothing good to fall back to, and requests would meet an empty catalog."""
    (root / "policies/legal.yaml").write_text("extends: baselin\n")
    failed = False
    try:
        reloader(root, read_root)
    except ContentError:
        failed = True
    assert failed


def test_a_change_is_served_and_a_wrong_one_is_not(root: Path, read_root: Read) -> None:
    """A typo would take the gateway down, or its author would never learn of it."""
    served = reloader(root, read_root)
    first = served.revision
    edit(root, "Hello.")
    assert served.look() is Change.SWAPPED
    second = served.revision
    assert second.compiled.endswith("Hello.")
    assert second.compiled.startswith(second.catalog.digest)
    assert not first.compiled.endswith("Hello.")

    edit(root, "Hello {{ variables.nobody }}.")
    assert served.look() is Change.REFUSED
    assert served.revision is second
    assert health(served) is Health.DEGRADED
    assert {problem.file for problem in served.state.problems} == {"personas/house.yaml"}

    edit(root, "Hello again.")
    assert served.look() is Change.SWAPPED
    assert health(served) is Health.READY
    assert served.state.problems == ()


def test_what_means_the_same_is_not_swapped(root: Path, read_root: Read) -> None:
    """A comment would throw away every compiled plan and cached finding."""
    compiler = Compiler()
    served = reloader(root, read_root, compiler)
    first = served.revision
    assert served.look() is Change.NONE
    path = root / "policies/legal.yaml"
    path.write_text(f"# A comment.\n{path.read_text()}")
    assert served.look() is Change.NONE
    assert served.revision is first
    assert compiler.calls == 1


def test_going_back_to_what_is_served_makes_it_ready_again(root: Path, read_root: Read) -> None:
    """A gateway would stay degraded after the mistake was taken back."""
    served = reloader(root, read_root)
    good = (root / "policies/legal.yaml").read_text()
    edit(root, "extends: [", "policies/legal.yaml")
    assert served.look() is Change.REFUSED
    edit(root, good, "policies/legal.yaml")
    assert served.look() is Change.NONE
    assert health(served) is Health.READY


def test_whatever_fails_keeps_the_last_good_revision(root: Path, read_root: Read) -> None:
    """A detector that cannot be built, or a defect in one, would end the watch loop."""
    compiler = Compiler()
    served = reloader(root, read_root, compiler)
    first = served.revision
    wrong = Problem("policies/legal.yaml", 1, 1, "", "has a route to no running backend")
    for number, failure in enumerate(
        (ContentError([wrong]), MemoryError(), ZeroDivisionError("secret"), OSError("secret"))
    ):
        compiler.failure = failure
        edit(root, f"Hello {number}.")
        assert served.look() is Change.REFUSED
        assert served.revision is first
        assert "secret" not in " ".join(map(str, served.state.problems))
    compiler.failure = None
    edit(root, "Hello at last.")
    assert served.look() is Change.SWAPPED


def test_files_that_appear_and_go_are_changes(root: Path, read_root: Read) -> None:
    """A new persona would wait for a restart, or a removed one would still be served."""
    served = reloader(root, read_root)
    (root / "personas/tutor.yaml").write_text("extends: lexi\nname: Tutor\n")
    assert served.look() is Change.SWAPPED
    assert "tutor" in served.revision.catalog.personas
    (root / "personas/tutor.yaml").unlink()
    assert served.look() is Change.SWAPPED
    assert "tutor" not in served.revision.catalog.personas
    (root / "banneton.yaml").unlink()
    assert served.look() is Change.REFUSED


async def test_the_watch_loop_follows_real_changes(root: Path, read_root: Read) -> None:
    """An edit would be served only after a restart."""
    served = reloader(root, read_root)
    async with watching(served):
        edit(root, "Hello one.")
        await until(lambda: served.revision.compiled.endswith("one."))
        edit(root, "Hello {{ variables.nobody }}.")
        await until(lambda: health(served) is Health.DEGRADED)
        assert served.revision.compiled.endswith("one.")
        edit(root, "Hello two.")
        await until(lambda: served.revision.compiled.endswith("two."))
    assert health(served) is Health.READY


async def test_a_folder_that_is_swapped_by_a_link_is_seen(
    root: Path, tmp_path: Path, read_root: Read
) -> None:
    """A mounted configuration, which is swapped as a whole by a link, would never be reloaded."""
    old, new = root / "prompts", tmp_path / "new"
    old.rename(tmp_path / "old")
    old.symlink_to(tmp_path / "old")
    new.mkdir()
    (new / "parts").mkdir()
    (new / "parts/voice.j2").write_text("Be kind.\n")
    (new / "assistant.md.j2").write_text("Hello from the new mount.")
    served = reloader(root, read_root)
    async with watching(served):
        link = tmp_path / "link"
        link.symlink_to(new)
        link.replace(old)
        await until(lambda: served.revision.compiled.endswith("mount."))


async def test_the_watch_loop_polls_where_there_are_no_file_events(
    root: Path, tmp_path: Path, read_root: Read
) -> None:
    """A project whose folders are all gone for a moment would end the loop for good."""
    served = reloader(root, read_root)
    away = tmp_path / "away"
    async with watching(served):
        await asyncio.to_thread(root.rename, away)
        await until(lambda: health(served) is Health.DEGRADED)
        await asyncio.to_thread(away.rename, root)
        edit(root, "Hello, I am back.")
        await until(lambda: served.revision.compiled.endswith("back."))


async def test_concurrent_readers_never_see_half_a_revision(root: Path, read_root: Read) -> None:
    """A request could run with one revision's prompt and another's policy."""
    served = reloader(root, read_root)
    seen: set[str] = set()
    mixed: list[str] = []
    is_over = threading.Event()

    def request() -> None:
        while not is_over.is_set():
            revision = served.revision
            seen.add(revision.catalog.digest)
            if not revision.compiled.startswith(revision.catalog.digest):
                mixed.append(revision.compiled)

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(asyncio.to_thread(request))
        for number in range(8):
            edit(root, f"Hello {number}.")
            assert await asyncio.to_thread(served.look) is Change.SWAPPED
            digest = served.revision.catalog.digest
            await until(lambda digest=digest: digest in seen)  # type: ignore[misc]  # a lambda's default
        is_over.set()
    assert not mixed


def test_an_older_revision_never_replaces_a_newer_one(root: Path, read_root: Read) -> None:
    """A look that took long would undo what a later look had served."""
    served: Reloader[str]
    others: list[threading.Thread] = []

    def slow(catalog: Catalog) -> str:
        text = catalog.prompts["assistant"].text
        if text == "Older.":
            edit(root, "Newer.")
            others.append(threading.Thread(target=served.look))
            others[0].start()
            others[0].join(timeout=0.5)  # it must wait for this look; nothing depends on how long
        return text

    served = Reloader(root, lambda: read_root(root), slow)
    edit(root, "Older.")
    served.look()
    others[0].join()
    assert served.revision.compiled == "Newer."


async def test_two_looks_at_once_load_once(root: Path, read_root: Read) -> None:
    """Every poll and event during a slow load would begin another."""
    compiler = Compiler()
    served = reloader(root, read_root, compiler)
    edit(root, "Hello.")
    changes = await asyncio.gather(*(asyncio.to_thread(served.look) for _ in range(6)))
    assert sorted(changes) == [Change.NONE] * 5 + [Change.SWAPPED]
    assert compiler.calls == 2
