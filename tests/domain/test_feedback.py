"""What holds of all that was said, and what may be done with it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.feedback import (
    COMMENT,
    Consent,
    Correction,
    Feedback,
    Purpose,
    Said,
    Satisfaction,
    Scale,
    Target,
    TargetKind,
    TaskOutcome,
    permits,
    standings,
)
from tests.ledger.exchanges import NOON

REQUEST, SESSION = Target(TargetKind.REQUEST, "r1"), Target(TargetKind.SESSION, "s1")
SAID = Said(comment="as it was")
ONE = Feedback(
    "f1", NOON, "acme", "key", REQUEST, "r1", "tutor", None, "sha256:1", 1, SAID, (COMMENT,)
)
YES, NO = Consent((Purpose.TRAIN,)), Consent()

PARTS = st.builds(
    Said,
    satisfaction=st.none()
    | st.builds(Satisfaction, st.just(Scale.STARS), st.integers(min_value=1, max_value=5)),
    task=st.none() | st.sampled_from(TaskOutcome),
    correction=st.none() | st.builds(Correction, st.none() | st.integers(1, 3)),
    comment=st.none() | st.sampled_from("abc"),
    consent=st.none() | st.sampled_from([YES, NO]),
)


@given(st.data(), st.lists(st.tuples(PARTS, st.integers(1, 3), st.integers(0, 3)), max_size=6))
@settings(deadline=None)
def test_what_holds_does_not_depend_on_the_order_or_on_repeats(
    data: st.DataObject, said: list[tuple[Said, int, int]]
) -> None:
    """A message that comes late, or twice, takes back a change of mind."""
    every = [
        replace(
            ONE,
            id=f"f{number}",
            at=NOON + timedelta(seconds=second),
            about=data.draw(st.sampled_from([REQUEST, SESSION])),
            version=version,
            said=each,
            given=tuple(each.texts),
        )
        for number, (each, version, second) in enumerate(said)
    ]
    again = data.draw(st.permutations(every + every[:2]))
    assert standings(again) == standings(every)
    for about, holds in standings(every).items():
        of_it = sorted((each for each in every if each.about == about), key=lambda one: one.order)
        tasks = [each.said.task for each in of_it if each.said.task]
        assert holds.task == (tasks[-1] if tasks else None)
        turns = {each.said.correction.turn or 0 for each in of_it if each.said.correction}
        assert [each.turn or 0 for each in holds.corrections] == sorted(turns)


def test_one_thing_that_is_said_leaves_the_others() -> None:
    """A comment after a thumb takes the thumb away."""
    thumb = replace(ONE, said=Said(Satisfaction(Scale.THUMB, 0)), given=())
    later = replace(ONE, id="f2", at=NOON + timedelta(seconds=1))
    held = standings([thumb, later])[REQUEST]
    assert (held.satisfaction, held.comment) == (thumb.said.satisfaction, "as it was")


def test_a_text_that_is_gone_does_not_bring_back_the_one_before_it() -> None:
    """What somebody took back is read again once its successor has expired."""
    gone = replace(ONE, id="f2", said=Said(), version=2)
    assert standings([gone, ONE])[REQUEST].comment is None
    taken_back = replace(gone, said=Said(comment=""))
    assert standings([taken_back, ONE])[REQUEST].comment is None


@pytest.mark.parametrize(
    ("scale", "value", "score"),
    [(Scale.THUMB, 0, 0), (Scale.THUMB, 1, 1), (Scale.STARS, 1, 0), (Scale.STARS, 4, 0.75)],
)
def test_scales_are_read_as_shares(scale: Scale, value: int, score: float) -> None:
    """One star counts as content, or a thumb that is up as less than five stars."""
    assert Satisfaction(scale, value).score == score


@pytest.mark.parametrize(("scale", "value"), [(Scale.THUMB, 2), (Scale.STARS, 0), (Scale.STARS, 6)])
def test_a_value_off_its_scale_is_refused(scale: Scale, value: int) -> None:
    """A mean of satisfaction leaves [0, 1]."""
    with pytest.raises(ValueError, match=scale):
        Satisfaction(scale, value)


def test_a_use_needs_a_yes_and_no_no() -> None:
    """Somebody's words are trained on though nobody asked them, or after they said no."""
    assert permits(Purpose.TRAIN, [YES])
    assert permits(Purpose.TRAIN, [YES, None, YES])
    assert not permits(Purpose.TRAIN, [])
    assert not permits(Purpose.TRAIN, [None, None])
    assert not permits(Purpose.TRAIN, [YES, NO])
    assert not permits(Purpose.IMPROVE, [YES])


def test_texts_are_in_no_repr() -> None:
    """A log line or a traceback holds what a user wrote."""
    said = Said(comment="mine", demonstration="mine", correction=Correction(1, "mine"))
    assert "mine" not in repr(replace(ONE, said=said, about=Target(TargetKind.SESSION, "mine")))
