"""Beside ``main``: makes a plan, of two revisions and what records and cases say of the change."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TypeVar

from codeowners import CodeOwners

from app.catalog.approvals import Owners, owners_in_checkout, read_owners
from app.catalog.files import changed_files
from app.catalog.read import read_deployment
from app.catalog.tier import comparator
from app.catalog.weakenings import Approved, Approvers, read_approvals
from app.domain.errors import BannetonError, ContentError
from app.main import Project, load_project, open_ledger
from app.review.compare import Review, Side, compare
from app.review.drafts import PLANNED, copied
from app.review.plan import Base, Evaluated, Plan, weakenings_of, with_approvals
from app.review.replay import Engine, Kept, replay_records
from app.review.replayed import Replayed
from app.review.rerun import Rerun
from app.review.revisions import base_of, file_at, files_at, prefix_of

T = TypeVar("T")
LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class Revisions:
    """A project as it is with a change, and as it was."""

    home: Path
    """The project's own folder: where its repository is, and its ledger."""
    base: str
    """A revision of Git's; empty for the files as they are now."""
    head: str
    """The revision with the change; empty where it is in no commit yet."""
    project: Project
    """With the change."""
    was: Project
    before: Side
    after: Side
    approved: dict[str, Approved]
    """As the files hold approvals now."""
    approved_before: dict[str, Approved]
    review: Review


@contextmanager
def revisions(
    project: Project, base: str, now: datetime, *, home: Path | None = None, head: str = ""
) -> Iterator[Revisions]:
    """Both revisions, for as long as the block runs.

    Args:
        project: With the change.
        base: A revision of Git's, or empty for the files as they are in ``home``.
        now: Which waivers count, is said by the day.
        home: The project's own folder, where ``project`` is a copy with a change.
        head: The revision that ``project`` is, where it is one.

    Raises:
        BannetonError: One of them cannot be had or does not load; every problem of it.
    """
    home = home or project.root
    with _files_of(home, base) as folder:
        then, today = f"at {base}" if base else "without the change", now.date()
        was = loading(lambda: load_project(folder, reads_secrets=False), then)
        if was.builds.kinds == project.builds.kinds:  # what both need is built once
            was = replace(was, builds=project.builds)
        before, after = _side(was, then), _side(project, f"at {head}" if head else "now")
        review = compare(
            before,
            after,
            is_as_strict=comparator({**was.builds.kinds, **project.builds.kinds}),
            today=today,
            files=changed_files(folder, project.root),
            unapproved=was.unapproved(
                after.catalog,
                today,
                lambda: owners_at(home, base),
                since=before.catalog,
            ),
        )
        yield Revisions(
            home,
            base,
            head,
            project,
            was,
            before,
            after,
            loading(lambda: read_approvals(project.root), "now"),
            loading(lambda: read_approvals(folder), then),
            review,
        )


def _files_of(home: Path, base: str) -> AbstractContextManager[Path]:

    return files_at(home, base, PLANNED) if base else copied(home, {}, PLANNED)


def plan_of(
    made: Revisions,
    now: datetime,
    *,
    replayed: Replayed | None = None,
    evaluated: Evaluated | None = None,
) -> Plan:
    """The plan, with what people have approved."""
    plan = Plan(
        review=made.review,
        base=base_of(made.home, made.base, made.head or "HEAD") if made.base else Base("", "", now),
        made_at=now,
        replayed=replayed,
        evaluated=evaluated,
        prices=made.project.settings.model_prices,
        weakenings=weakenings_of(made.review, replayed, evaluated),
    )
    return approved(plan, made)


@dataclass(frozen=True, slots=True)
class Records:
    """Which recorded decisions are made again, and how."""

    source: str
    """A file, or ``ledger`` for the project's own."""
    is_spread: bool = False
    """On a cluster of Ray."""
    looks_again: bool = False
    """Detectors that did not look then look now at text that the ledger kept."""
    tenant: str | None = None
    """Of the ledger: whose records; none for all."""
    most: int | None = None
    """Of the ledger: how many of the newest; none for all."""


def replayed_of(project: Project, made: Revisions, wanted: Records) -> Replayed:
    """What becomes of recorded decisions.

    Args:
        project: Whose ledger it is.
        made: Both revisions.
        wanted: Which records.

    Raises:
        BannetonError: The records cannot be read.
    """

    async def work() -> Replayed:
        sides = made.before.loaded, made.after.loaded
        engine = Engine.RAY if wanted.is_spread else Engine.HERE
        if wanted.source != LEDGER:
            return await replay_records(Path(wanted.source), *sides, engine=engine)
        ledger = await open_ledger(project, may_create=False)
        try:
            rerun = Rerun(ledger, project.builds) if wanted.looks_again else None
            kept = Kept(ledger, wanted.tenant, wanted.most)
            return await replay_records(kept, *sides, engine=engine, rerun=rerun)
        finally:
            await ledger.stop()

    return asyncio.run(work())


def approved(plan: Plan, made: Revisions) -> Plan:
    """The plan with the approvals that the files hold."""
    refusal = approvers_at(made.was, lambda: owners_at(made.home, made.base)).refusal
    return with_approvals(plan, made.approved, refusal, at_base=made.approved_before)


def approvers_at(project: Project, owners: Callable[[], Owners]) -> Approvers:
    """Who may approve by the files of a project."""
    wanted = project.settings.waivers
    return Approvers(wanted.approval, wanted.approvers, owners)


def _side(project: Project, when: str) -> Side:

    return loading(lambda: Side(project.load(), read_deployment(project.root).sections()), when)


def loading(work: Callable[[], T], when: str) -> T:
    """What a revision gives that loads.

    Raises:
        BannetonError: It does not; every problem of it.
    """
    try:
        return work()
    except ContentError as exc:
        raise BannetonError(f"the files do not load as they are {when}:\n{exc}") from None


def owners_at(root: Path, base: str) -> Owners:
    """Who owned the project's files at a revision, or owns them now; nobody where none is said."""
    folder = PurePosixPath()
    try:
        if not base:
            return owners_in_checkout(root)
        folder = PurePosixPath(prefix_of(root))
        return read_owners(lambda place: file_at(root, base, place), folder)
    except ContentError:
        return Owners(CodeOwners(""), folder)
