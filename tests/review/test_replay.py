"""Replaying records under a change of files."""

from pathlib import Path

import orjson

from app.domain.decision import Applied, Outcome
from app.domain.policy import Action
from app.ledger.columns import columns_of
from app.review.replay import replay
from app.review.replayed import State
from tests.review.recording import BLOCKED, base, edited, recorded, ref_of, seen

LOOSER = {"policies/house.yaml": [["{at: 0.9, do: block}", "{at: 0.95, do: block}"]]}


def test_a_lowered_threshold_lets_through_what_was_blocked(tmp_path: Path) -> None:
    """A reviewer is not told which recorded requests a weaker rule would let pass, and why."""
    before, after = base(), edited(tmp_path, LOOSER)
    slur = seen(ref_of(before, "ann", "slurs"), 0.92)
    worse = seen(ref_of(before, "ann", "slurs"), 0.99)
    source = [
        recorded(before, request=[slur], outcome=Outcome.BLOCK, applied=BLOCKED),
        recorded(before, request=[worse], outcome=Outcome.BLOCK, applied=BLOCKED),
        recorded(before),
    ]
    made = replay([columns_of(source)], before, after)
    (flip,) = made.flips
    assert (flip.before, flip.after, flip.count) == (Outcome.BLOCK, Outcome.FLAG, 1)
    assert flip.state is State.COUNTERFACTUAL
    (cause,) = flip.causes
    assert (cause.rule, cause.concern, cause.file, cause.line) == (
        "slurs",
        "then",
        "policies/house.yaml",
        8,
    )
    assert made.baseline.agreed == made.total == 3
    assert made.is_weaker
    assert orjson.loads(orjson.dumps(made))["flips"][0]["causes"][0]["rule"] == "slurs"


def test_the_same_files_change_nothing() -> None:
    """A change of nothing is told as a change of decisions."""
    before = base()
    slur = seen(ref_of(before, "ann", "slurs"), 0.7)
    flagged = recorded(
        before,
        request=[slur],
        outcome=Outcome.FLAG,
        applied=[Applied("slurs", Action.FLAG, (0,))],
    )
    made = replay([columns_of([flagged, recorded(before)])], before, before)
    assert made.state(State.EXACT) == 2
    assert made.flips == ()
