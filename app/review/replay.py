"""Recorded exchanges, decided again under a change of files: exactly, offline, without text."""

from collections.abc import Iterable

from app.ledger.columns import Columns
from app.pipeline.loaded import Loaded
from app.review.classes import Classes
from app.review.replayed import Replayed
from app.review.rulebook import rulebook
from app.review.tally import Tally


def replay(source: Iterable[Columns], before: Loaded, after: Loaded) -> Replayed:
    """What becomes of recorded exchanges under a change.

    Args:
        source: The records, some at a time, in any order, each once.
        before: What the change is made to.
        after: With the change.
    """
    books = rulebook(before), rulebook(after)
    classes, tally = Classes(*books), Tally()
    for columns in source:
        classes.count(columns, tally)
    return tally.result(*books)
