"""Beside ``main``: the plan of a change that the project's files do not have, for the console."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from app.main import Project, check_cases, load_project
from app.plan_evals import evaluated
from app.planning import LEDGER, Records, loading, plan_of, replayed_of, revisions
from app.review.drafts import PLANNED, copied
from app.review.revisions import files_at
from app.review.runs import Doing, Made, PlanWish, Say


def plan_change(project: Project, wish: PlanWish, say: Say) -> Made:
    """The plan of a change that is in no file of the project's, or in another revision.

    Args:
        project: Whose files are changed. They are read anew, and nothing is written.
        wish: The change, and what to look at.
        say: Told what is being done.

    Raises:
        BannetonError: It cannot be had, or does not load; every problem of it.
    """
    home, now = project.root, wish.now
    here = _read_anew(project, home)
    with (
        _changed(here, wish) as changed,
        revisions(changed, wish.base, now, home=home, head=wish.head) as made,
    ):
        say(Doing.CASES)
        cases, broken = asyncio.run(check_cases(changed, made.after.loaded))
        replayed = None
        if wish.records is not None:
            say(Doing.RECORDS)
            asked = Records(LEDGER, tenant=wish.records.tenant, most=wish.records.most)
            replayed = replayed_of(here, made, asked)
        measured = None
        if wish.evals:
            say(Doing.EVALS)
            measured = evaluated(made, (), told=lambda: say(Doing.EVALS))
        say(Doing.REPORT)
        plan = plan_of(made, now, replayed=replayed, evaluated=measured)
        return Made(plan, cases, broken)


@contextmanager
def _changed(here: Project, wish: PlanWish) -> Iterator[Project]:
    """The project with the change, in a folder of its own."""
    if wish.head:
        with files_at(here.root, wish.head, PLANNED) as folder:
            yield loading(lambda: _read_anew(here, folder), f"at {wish.head}")
    else:
        with copied(here.root, wish.edits, PLANNED) as folder:
            yield replace(here, root=folder)


def _read_anew(project: Project, root: Path) -> Project:
    """The project in a folder, without secrets, with what was built for the one that is served.

    What is built now is not kept: every draft would leave its detectors behind.
    """
    made, known = load_project(root, reads_secrets=False), project.builds
    if made.builds.kinds != known.kinds:
        return made
    return replace(made, builds=known.copy())
