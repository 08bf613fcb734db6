"""A measure of what is held back, by a clock that stands still."""

from app.pipeline.holding import Holding
from tests.ledger.exchanges import StandingClock


def holding() -> Holding:
    """For answers of which nobody asks it."""
    return Holding(StandingClock())
