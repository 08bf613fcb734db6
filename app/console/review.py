"""What a change does to users: a branch, a patch or a draft, as a plan on a page."""

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from app.console.drafting import draft_in, refuse_hidden
from app.console.visit import Page, Visit
from app.domain.errors import BannetonError, RequestError
from app.review.diffs import Edits
from app.review.plan import Plan
from app.review.report.contents import page_of
from app.review.report.formats import WRITERS
from app.review.report.html import sections_html
from app.review.revisions import known_revision, named_revisions
from app.review.runs import Doing, Made, PlanRuns, PlanWish, RecordsWish, Run

_KINDS: Mapping[str, tuple[str, str]] = {
    "markdown": ("review.md", "text/markdown; charset=utf-8"),
    "html": ("review.html", "text/html; charset=utf-8"),
    "sarif": ("review.sarif", "application/sarif+json"),
    "junit": ("review.xml", "application/xml"),
    "json": ("review.json", "application/json"),
}
_PLACE = re.compile(r"<code>((?:personas|policies|prompts|knowledge)/[^<>&:]+):(\d+)</code>")
_VERDICTS = {
    "something is weaker than before": "weaker",
    "what is weaker is approved": "approved",
    "nothing is weaker": "not_weaker",
    "nothing changes in meaning": "same",
}
"""The report is in English, as on the command line; what stands above it is not."""
_FIRST_STEPS = (Doing.WAITING, Doing.FILES, Doing.CASES)


async def ask(visit: Visit) -> Response:
    """Which change is to be looked at."""
    return await _asked(visit, {})


async def start(visit: Visit) -> Response:
    """Begin with a plan, and go to its page."""
    form = await visit.form()
    try:
        async with visit.behind.one_at_a_time:
            wish, patch = await asyncio.to_thread(_wish, visit, form)
        run = _runs(visit).start(wish, owner=_owner(visit), patch=patch)
    except BannetonError as exc:
        return await _asked(visit, form, str(exc))
    return RedirectResponse(f"/console/review/{run.id}", HTTPStatus.SEE_OTHER)


async def show(visit: Visit) -> Response:
    """A plan, or how far it is; the same as a part of a page where that is asked."""
    run = _run(visit)
    template = "review_part.html.j2" if visit.is_partial else "review_run.html.j2"
    if run.error is not None:
        return visit.page(template, run=run, state="failed", said=str(run.error))
    if run.made is None:
        return visit.page(template, run=run, state="working", steps=_steps(run))
    values = await asyncio.to_thread(_report, visit, run, run.made)
    return visit.page(template, run=run, state="done", **values)


async def download(visit: Visit) -> Response:
    """A plan in another format, or its change as a patch."""
    run, kind = _run(visit), visit.path_params["kind"]
    if kind == "patch" and run.patch:
        return _file(run.patch, "change.patch", "text/x-patch; charset=utf-8")
    if run.made is None or kind not in _KINDS:
        raise RequestError("There is no such report.", code="not_found")
    made = await asyncio.to_thread(WRITERS[kind], run.made.plan, visit.behind.drafts.prefix)
    return _file(made.encode(), *_KINDS[kind])


PAGES = (
    Page("/review", ask, nav="review"),
    Page("/review", start, method="POST", nav="review"),
    Page("/review/{run}", show, nav="review"),
    Page("/review/{run}/{kind}", download),
)


async def _asked(visit: Visit, form: Mapping[str, str], wrong: str = "") -> Response:
    names = await asyncio.to_thread(named_revisions, visit.behind.root)
    return visit.page(
        "review.html.j2",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
        names=names,
        form=form,
        wrong=wrong,
        can_plan=visit.behind.plans is not None,
        may_read=visit.caller.may_read_records,
    )


def _wish(visit: Visit, form: Mapping[str, str]) -> tuple[PlanWish, bytes]:
    """What is asked for, and its change as a patch.

    Raises:
        BannetonError: It cannot be looked at.
    """
    root, drafts = visit.behind.root, visit.behind.drafts
    now = visit.behind.clock.now()
    base = form.get("base", _default_base(visit))
    base = known_revision(root, base) if base else ""
    records = RecordsWish(visit.caller.tenant) if _may_replay(visit, form) else None
    evals = form.get("evals") == "on"
    match form.get("what"):
        case "revision":
            head = known_revision(root, form.get("head", ""))
            return PlanWish(now, base, head=head, records=records, evals=evals), b""
        case "patch":
            edits = drafts.patched(_patch_in(form))
        case "draft":
            edits = drafts.edits(draft_in(form))
            if not edits:
                raise RequestError("The draft changes nothing yet.", param="draft")
        case _:
            raise RequestError("Say what is to be reviewed.", param="what")
    _refuse_hidden(visit, edits)
    return PlanWish(now, base, edits, records=records, evals=evals), drafts.patch(edits)


def _refuse_hidden(visit: Visit, edits: Edits) -> None:
    for name in edits:
        refuse_hidden(visit, name)


def _may_replay(visit: Visit, form: Mapping[str, str]) -> bool:
    """Whether recorded decisions are made again: a draft's visitor has had no box to tick."""
    is_wanted = form.get("records") == "on" or "base" not in form
    return is_wanted and visit.caller.may_read_records


def _default_base(visit: Visit) -> str:
    """The last commit, where there is one; else the files as they are."""
    return "HEAD" if named_revisions(visit.behind.root) else ""


def _patch_in(form: Mapping[str, str]) -> bytes:
    """The file that was sent; else what was pasted, whose lines a browser ends its own way."""
    if uploaded := form.get("file"):
        return uploaded.encode()
    pasted = form.get("patch", "").replace("\r\n", "\n")
    return pasted.encode() if pasted.endswith("\n") else f"{pasted}\n".encode()


def _runs(visit: Visit) -> PlanRuns:
    if visit.behind.plans is None:
        raise RequestError("This process makes no plans; 'banneton serve' does.", code="not_found")
    return visit.behind.plans


def _owner(visit: Visit) -> str:
    return f"{visit.caller.tenant}/{visit.caller.key_id}"


def _run(visit: Visit) -> Run:
    found = _runs(visit).find(visit.path_params["run"], owner=_owner(visit))
    if found is None:
        what = "This review is no longer kept. Ask for it again; it takes a moment."
        raise RequestError(what, code="not_found")
    return found


def _steps(run: Run) -> list[tuple[str, str]]:
    """What is done for a plan, each with whether it is over, going on or still to come."""
    wanted = [
        *_FIRST_STEPS,
        *([Doing.RECORDS] if run.wish.records else []),
        *([Doing.EVALS] if run.wish.evals else []),
        Doing.REPORT,
    ]
    at = wanted.index(run.doing)
    states = ("over", "now", "next")
    return [(each, states[(index >= at) + (index > at)]) for index, each in enumerate(wanted)]


def _report(visit: Visit, run: Run, made: Made) -> dict[str, Any]:
    plan = made.plan
    page = page_of(plan)
    return {
        "page": page,
        "sections": Markup(_linked(visit, plan, sections_html(page))),  # noqa: S704  # escaped there
        "open": [each for each in plan.open if not each.follows],
        "base": plan.base.name or "HEAD",
        "kinds": list(_KINDS),
        "files": list(run.wish.edits),
        "made": made,
        "verdict": _VERDICTS[page.verdict],
    }


def _linked(visit: Visit, plan: Plan, html: str) -> str:
    """Records, and lines of files, as links to where they are read."""
    if visit.has_page("/compose"):
        html = _PLACE.sub(
            r'<a href="/console/compose?file=\1&amp;line=\2#editor"><code>\1:\2</code></a>', html
        )
    if plan.replayed is not None and visit.caller.may_read_records:
        for flip in plan.replayed.flips:
            for each in flip.examples:
                if each.isalnum():
                    link = f'<a href="/console/records/{each}"><code>{each}</code></a>'
                    html = html.replace(f"<code>{each}</code>", link)
    return html


def _file(content: bytes, name: str, media_type: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, media_type=media_type)
