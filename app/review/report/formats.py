"""A plan in each format that a machine or another page reads."""

from collections.abc import Callable, Mapping

from app import __version__
from app.review.plan import Plan
from app.review.report import annotations
from app.review.report.contents import page_of
from app.review.report.document import document
from app.review.report.html import page_html
from app.review.report.markdown import markdown
from app.review.report.terminal import lines

_SUMMARY = 300_000
"""Characters: in any script less than the mebibyte that GitHub has for a job's summary."""


def _text(plan: Plan, _prefix: str) -> str:
    return "".join(f"{line}\n" for line, _ in lines(page_of(plan)))


def _sarif(plan: Plan, prefix: str) -> str:
    return annotations.sarif(annotations.of_plan(plan), __version__, prefix=prefix)


def _junit(plan: Plan, _prefix: str) -> str:
    found = annotations.of_plan(plan)
    return annotations.junit("banneton plan", found, passed="nothing is weaker")


WRITERS: Mapping[str, Callable[[Plan, str], str]] = {
    "text": _text,
    "markdown": lambda plan, _prefix: markdown(page_of(plan)),
    "summary": lambda plan, _prefix: markdown(page_of(plan), most=_SUMMARY),
    "html": lambda plan, _prefix: page_html(page_of(plan)),
    "sarif": _sarif,
    "junit": _junit,
    "codequality": lambda plan, prefix: annotations.code_quality(
        annotations.of_plan(plan), prefix=prefix
    ),
    "json": lambda plan, _prefix: document(plan),
}
"""By format: a function of the plan and of the project's folder in its repository."""
