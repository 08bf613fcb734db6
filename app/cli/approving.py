"""Writes what somebody approves into the project."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.planning import Revisions
    from app.review.plan import Plan


@dataclass(frozen=True, slots=True)
class Wish:
    """An approval as somebody gives it."""

    id: str
    reason: str
    by: str
    expires: datetime | None = None


def approve(plan: "Plan", made: "Revisions", wish: Wish) -> "tuple[Plan, Path]":
    """Write an approval into the project; gives the plan with it, and the file.

    Raises:
        BannetonError: Nothing of this id is weaker.
    """
    from app.catalog.weakenings import FOLDER, WeakeningApproval, read_approvals, text_of
    from app.domain.errors import BannetonError
    from app.planning import approved

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
    path = made.project.root / FOLDER / f"{weakening.id}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text_of(said), "utf-8")
    again = replace(made, approved=read_approvals(made.project.root))
    return approved(plan, again), path
