"""Sampling stays inside the bounds of the persona."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conversation import Effort, Reasoning, Sampling
from app.domain.errors import RequestError
from app.domain.persona import EffortBound, FloatBound, IntBound, SamplingBounds
from app.pipeline.sampling import bounded

_TEMPERATURES = st.one_of(st.none(), st.floats(0, 2))


@given(wished=_TEMPERATURES, default=_TEMPERATURES, low=_TEMPERATURES, high=_TEMPERATURES)
@settings(deadline=None, max_examples=300)
def test_what_is_sent_is_the_default_or_in_bounds(
    wished: float | None, default: float | None, low: float | None, high: float | None
) -> None:
    """A client could make a careful persona wild."""
    bounds = SamplingBounds(temperature=FloatBound(default=default, min=low, max=high))
    try:
        sent = bounded(Sampling(temperature=wished), bounds).temperature
    except RequestError:
        assert wished not in {None, default}, "refused though nothing was asked for"
        return
    if wished is None or sent == default:
        assert sent == default
        return
    assert sent == wished
    if low is None and high is None:
        assert default is None, "without a range the persona's value is fixed"
    assert (low or 0) <= sent
    assert high is None or sent <= high


def test_each_wish_has_its_own_bounds() -> None:
    """One bound would be taken for another, or the rest of the wishes be lost."""
    bounds = SamplingBounds(
        temperature=FloatBound(default=0.2, max=0.5),
        top_p=FloatBound(default=0.9),
        max_tokens=IntBound(default=100, max=200),
    )
    wished = Sampling(temperature=0.4, max_tokens=150, stop=("END",), seed=3)
    assert bounded(wished, bounds) == Sampling(
        temperature=0.4,
        top_p=0.9,
        max_tokens=150,
        stop=("END",),
        seed=3,
        yields=frozenset({"top_p"}),  # nobody asked for it
    )
    assert bounded(Sampling(), bounds).yields == {"temperature", "top_p"}
    assert bounded(Sampling(temperature=0.2, top_p=0.9), bounds).yields == frozenset()
    for wrong in (Sampling(max_tokens=201), Sampling(top_p=0.8), Sampling(temperature=0.6)):
        with pytest.raises(RequestError):
            bounded(wrong, bounds)


@pytest.mark.parametrize(
    ("wish", "bound", "sent"),
    [
        (None, EffortBound(), None),
        (Effort.HIGH, EffortBound(), Effort.HIGH),
        (None, EffortBound(default=Effort.LOW), Effort.LOW),
        (Effort.LOW, EffortBound(default=Effort.LOW), Effort.LOW),
        (Effort.MEDIUM, EffortBound(default=Effort.LOW), "refused"),
        (Effort.MEDIUM, EffortBound(max=Effort.MEDIUM), Effort.MEDIUM),
        (Effort.HIGH, EffortBound(max=Effort.MEDIUM), "refused"),
        (16_384, EffortBound(max=Effort.MEDIUM), 16_384),
        (16_385, EffortBound(max=Effort.MEDIUM), "refused"),
        (1_024, EffortBound(max=Effort.NONE), "refused"),
    ],
)
def test_reasoning_stays_inside_its_bound(
    wish: Effort | int | None, bound: EffortBound, sent: Effort | int | str | None
) -> None:
    """A client could make a persona think, at its owner's cost, for longer than its file allows."""
    wished = Sampling(reasoning=None if wish is None else Reasoning(wish))
    try:
        got = bounded(wished, SamplingBounds(reasoning=bound)).reasoning
    except RequestError:
        assert sent == "refused"
    else:
        assert (got and got.wish) == sent


def test_tokens_and_efforts_stand_for_one_another() -> None:
    """A budget of tokens became an effort that allows for less, or nothing at all."""
    assert [Reasoning(tokens).effort for tokens in (0, 1, 1_024, 1_025, 99_999)] == [
        Effort.NONE,
        Effort.MINIMAL,
        Effort.MINIMAL,
        Effort.LOW,
        Effort.HIGH,
    ]
    assert all(Reasoning(effort.tokens).effort is effort for effort in Effort)
