"""Makes a plan: both revisions of a project, and what records and cases say of the change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from app.catalog.approvals import Owners
    from app.catalog.weakenings import Approved, Approvers
    from app.main import Project
    from app.review.compare import Review, Side
    from app.review.plan import Evaluated, Plan
    from app.review.replayed import Replayed

T = TypeVar("T")
_LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class Revisions:
    """A project as it is now, and as it was."""

    base: str
    was: "Project"
    before: "Side"
    after: "Side"
    approved: "dict[str, Approved]"
    """As the files hold approvals now."""
    approved_before: "dict[str, Approved]"
    review: "Review"


@contextmanager
def revisions(project: "Project", base: str, now: datetime) -> Iterator[Revisions]:
    """Both revisions, for as long as the block runs.

    Raises:
        BannetonError: One of them cannot be had or does not load; every problem of it.
    """
    from app.catalog.files import CONTENT_FOLDERS, DEPLOYMENT_FILE, changed_files
    from app.catalog.tier import comparator
    from app.catalog.weakenings import FOLDER, read_approvals
    from app.main import load_project
    from app.review.compare import compare
    from app.review.revisions import files_at

    names = (*CONTENT_FOLDERS, FOLDER, "evals", DEPLOYMENT_FILE)
    with files_at(project.root, base, names) as folder:
        then, today = f"at {base}", now.date()
        was = _loading(lambda: load_project(folder, reads_secrets=False), then)
        if was.builds.kinds == project.builds.kinds:  # what both need is built once
            was = replace(was, builds=project.builds)
        before, after = _side(was, then), _side(project, "now")
        review = compare(
            before,
            after,
            is_as_strict=comparator({**was.builds.kinds, **project.builds.kinds}),
            today=today,
            files=changed_files(folder, project.root),
            unapproved=was.unapproved(
                after.catalog,
                today,
                lambda: owners_at(project.root, base),
                since=before.catalog,
            ),
        )
        yield Revisions(
            base,
            was,
            before,
            after,
            _loading(lambda: read_approvals(project.root), "now"),
            _loading(lambda: read_approvals(folder), then),
            review,
        )


def plan_of(
    project: "Project",
    made: Revisions,
    now: datetime,
    *,
    replayed: "Replayed | None" = None,
    evaluated: "Evaluated | None" = None,
) -> "Plan":
    """The plan, with what people have approved."""
    from app.review.plan import Plan, weakenings_of
    from app.review.revisions import base_of

    plan = Plan(
        review=made.review,
        base=base_of(project.root, made.base),
        made_at=now,
        replayed=replayed,
        evaluated=evaluated,
        prices=project.settings.model_prices,
        weakenings=weakenings_of(made.review, replayed, evaluated),
    )
    return approved(plan, project, made)


@dataclass(frozen=True, slots=True)
class Records:
    """Which recorded decisions are made again, and how."""

    source: str
    """A file, or ``ledger`` for the project's own."""
    is_spread: bool = False
    """On a cluster of Ray."""
    looks_again: bool = False
    """Detectors that did not look then look now at text that the ledger kept."""


def replayed_of(project: "Project", made: Revisions, wanted: Records) -> "Replayed":
    """What becomes of recorded decisions.

    Raises:
        BannetonError: The records cannot be read.
    """
    import asyncio

    from app.main import open_ledger
    from app.review.replay import Engine, replay_records
    from app.review.rerun import Rerun

    async def work() -> "Replayed":
        sides = made.before.loaded, made.after.loaded
        engine = Engine.RAY if wanted.is_spread else Engine.HERE
        if wanted.source != _LEDGER:
            return await replay_records(Path(wanted.source), *sides, engine=engine)
        ledger = await open_ledger(project, may_create=False)
        try:
            rerun = Rerun(ledger, project.builds) if wanted.looks_again else None
            return await replay_records(ledger, *sides, engine=engine, rerun=rerun)
        finally:
            await ledger.stop()

    return asyncio.run(work())


def approved(plan: "Plan", project: "Project", made: Revisions) -> "Plan":
    """The plan with the approvals that the files hold."""
    from app.review.plan import with_approvals

    refusal = approvers_at(made.was, lambda: owners_at(project.root, made.base)).refusal
    return with_approvals(plan, made.approved, refusal, at_base=made.approved_before)


def approvers_at(project: "Project", owners: "Callable[[], Owners]") -> "Approvers":
    """Who may approve by the files of a project."""
    from app.catalog.weakenings import Approvers

    wanted = project.settings.waivers
    return Approvers(wanted.approval, wanted.approvers, owners)


def approve(plan: "Plan", project: "Project", made: Revisions, wish: "Wish") -> "tuple[Plan, Path]":
    """Write an approval into the project; gives the plan with it, and the file.

    Raises:
        BannetonError: Nothing of this id is weaker.
    """
    from app.catalog.weakenings import FOLDER, WeakeningApproval, read_approvals, text_of
    from app.domain.errors import BannetonError

    weakening = plan.weakening(wish.id)
    if weakening is None:
        known = ", ".join(each.id for each in plan.weakenings) or "nothing is weaker"
        raise BannetonError(f"nothing of the id '{wish.id}' is weaker; there are: {known}")
    said = WeakeningApproval(
        what=weakening.what,
        reason=wish.reason,
        approved_by=wish.by,
        approved_on=plan.made_at.date(),
        expires=wish.expires and wish.expires.date(),
    )
    path = project.root / FOLDER / f"{weakening.id}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text_of(said), "utf-8")
    again = replace(made, approved=read_approvals(project.root))
    return approved(plan, project, again), path


@dataclass(frozen=True, slots=True)
class Wish:
    """An approval as somebody gives it."""

    id: str
    reason: str
    by: str
    expires: datetime | None = None


def _side(project: "Project", when: str) -> "Side":
    from app.catalog.read import read_deployment
    from app.review.compare import Side

    return _loading(lambda: Side(project.load(), read_deployment(project.root).sections()), when)


def _loading(work: Callable[[], T], when: str) -> T:
    """What a revision gives that loads.

    Raises:
        BannetonError: It does not; every problem of it.
    """
    from app.domain.errors import BannetonError, ContentError

    try:
        return work()
    except ContentError as exc:
        raise BannetonError(f"the files do not load as they are {when}:\n{exc}") from None


def owners_at(root: Path, base: str) -> "Owners":
    """Who owned the project's files at a revision; nobody where it does not say."""
    from pathlib import PurePosixPath

    from codeowners import CodeOwners

    from app.catalog.approvals import Owners, read_owners
    from app.domain.errors import ContentError
    from app.review.revisions import file_at, prefix_of

    folder = PurePosixPath(prefix_of(root))
    try:
        return read_owners(lambda place: file_at(root, base, place), folder)
    except ContentError:
        return Owners(CodeOwners(""), folder)
