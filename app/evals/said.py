"""Checks of what was said, that need nothing but the text."""

from collections.abc import Callable

from app.catalog.check_file import (
    Contains,
    ContainsAny,
    Equals,
    Lacks,
    Like,
    Similar,
    listed,
)
from app.domain.errors import DetectorError
from app.evals.check_result import (
    CheckResult,
    LookedAt,
    held_if,
    listing,
    not_scored,
)
from app.evals.likeness import likeness

NO_TEXT = "the answer has no text"
"""It proves nothing of what may not be in it."""


def _as_read(*, ignore_case: bool) -> Callable[[str], str]:
    return str.casefold if ignore_case else lambda text: text


def score_contains(check: Contains, at: LookedAt) -> CheckResult:
    """Whether every text is there."""
    read = _as_read(ignore_case=check.ignore_case)
    text = read(at.text)
    missing = [each for each in listed(check.contains) if read(each) not in text]
    return held_if(not missing, f"lacks {listing(missing)}")


def score_contains_any(check: ContainsAny, at: LookedAt) -> CheckResult:
    """Whether one of the texts is there."""
    read = _as_read(ignore_case=check.ignore_case)
    text = read(at.text)
    is_there = any(read(each) in text for each in check.contains_any)
    return held_if(is_there, f"lacks all of {listing(check.contains_any)}")


def score_lacks(check: Lacks, at: LookedAt) -> CheckResult:
    """Whether none of the texts is there."""
    if not at.text:
        return not_scored(NO_TEXT)
    read = _as_read(ignore_case=check.ignore_case)
    text = read(at.text)
    found = [each for each in listed(check.lacks) if read(each) in text]
    return held_if(not found, f"has {listing(found)}")


def score_equals(check: Equals, at: LookedAt) -> CheckResult:
    """Whether the last answer is one of the texts."""
    read = _as_read(ignore_case=check.ignore_case)
    allowed = [read(each).strip() for each in listed(check.equals)]
    return held_if(read(at.last).strip() in allowed, "is not what it must be equal to")


def score_similar(check: Similar, at: LookedAt) -> CheckResult:
    """How much the last answer is like a good one."""
    wish = check.similar if isinstance(check.similar, Like) else Like(to=check.similar)
    try:
        value = likeness(wish.by, at.last, listed(wish.to))
    except DetectorError as exc:
        return not_scored(str(exc))
    why = f"is like a good answer by {value:.2f} only ({wish.by}); {wish.min:g} is the least"
    return held_if(value >= wish.min, why, value)
