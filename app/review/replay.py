"""Recorded exchanges, decided again under a change of files: exactly, offline, without text."""

from collections.abc import Iterable

from app.ledger.recorded import Recorded
from app.pipeline.loaded import Loaded
from app.review.again import again
from app.review.replayed import Replayed
from app.review.rulebook import rulebook
from app.review.tally import Tally, alone


def replay(source: Iterable[Recorded], before: Loaded, after: Loaded) -> Replayed:
    """What becomes of recorded exchanges under a change.

    Args:
        source: The records, in any order, each once.
        before: What the change is made to.
        after: With the change.
    """
    theirs, ours = rulebook(before), rulebook(after)
    tally = Tally()
    for recorded in source:
        tally.add(recorded, again(recorded, theirs, ours), alone(recorded))
    return tally.result(theirs, ours)
