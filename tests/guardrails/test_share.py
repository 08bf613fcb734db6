"""Rules that act for a share of traffic: who falls into it, and what the others get."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conversation import Segment
from app.domain.decision import Outcome
from app.domain.events import TextDelta
from app.domain.policy import Action, Mode, Stage
from app.guardrails.evaluate import inspect_segments
from app.guardrails.pseudonyms import Minter
from app.guardrails.release import OutputGuard
from app.guardrails.share import draw_of
from tests.guardrails.building import KEY, NOW, SCOPE, plan, rule, run, stream, text_of, words

PERCENTS = [0.01, 1.0, 10.0, 50.0, 99.99, 100.0]
DRAWS = st.integers(0, 9999).map(lambda draw: draw / 100)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(PERCENTS), min_size=1, max_size=4), DRAWS)
def test_a_rule_acts_where_the_draw_is_below_its_share(
    percents: Sequence[float], draw: float
) -> None:
    """Other people than the file says would be blocked, or fewer rules act for them together."""
    rules = [
        rule(f"r{n}", words("bad"), Action.BLOCK, Stage.INPUT, Stage.OUTPUT, enforce_percent=each)
        for n, each in enumerate(percents)
    ]
    compiled = plan(*rules, rule("off", words("bad"), Action.BLOCK, mode=Mode.OBSERVE))
    for stage in (Stage.INPUT, Stage.OUTPUT):
        planned = compiled.at(stage, "public", NOW, draw).rules
        acting = {each.id for each in planned if each.is_enforced}
        assert acting == {f"r{n}" for n, each in enumerate(percents) if draw < each}


@pytest.mark.parametrize(("draw", "outcome"), [(9.99, Outcome.BLOCK), (10.0, Outcome.ALLOW)])
def test_the_others_are_observed(draw: float, outcome: Outcome) -> None:
    """Whoever is not in the share would leave no trace, so that nobody could tell what it costs."""
    acts = rule("r", words("bad"), Action.BLOCK, Stage.INPUT, Stage.OUTPUT, enforce_percent=10.0)
    compiled = plan(acts)
    minter = Minter(KEY, SCOPE)
    texts = [Segment("text", "so bad", Stage.INPUT)]
    seen = run(inspect_segments(compiled, "public", texts, minter=minter, now=NOW, draw=draw))
    assert (seen.outcome, seen.trace[0].draw) == (outcome, draw)
    (applied,) = seen.decisions[0].applied
    assert (applied.action, applied.is_observed) == (Action.BLOCK, outcome is Outcome.ALLOW)
    guarding = OutputGuard(compiled, "public", minter=minter, now=NOW, draw=draw)
    out = run(stream(guarding, [TextDelta("so b"), TextDelta("ad")]))
    assert text_of(out) == ("so " if outcome is Outcome.BLOCK else "so bad")
    assert guarding.trace[0].draw == draw
    (applied,) = guarding.decisions[0].applied
    assert applied.is_observed == (outcome is Outcome.ALLOW)


def test_a_rule_that_does_not_act_holds_nothing_back() -> None:
    """A rule that is only tried would slow every stream down."""
    compiled = plan(rule("r", words("bad"), Action.BLOCK, enforce_percent=10.0))
    assert compiled.at(Stage.OUTPUT, "public", NOW, 10.0).span_runs == ()
    assert compiled.at(Stage.OUTPUT, "public", NOW, 9.0).span_runs != ()


def test_draws_are_spread_evenly() -> None:
    """Ten percent of traffic would be five, or twenty."""
    draws = [draw_of(KEY, "acme", f"session:{n}") for n in range(5_000)]
    for percent in (1, 10, 50, 90):
        share = sum(draw < percent for draw in draws) / len(draws) * 100
        assert abs(share - percent) < 3  # five standard deviations are 3.5 at most
    assert all(0 <= draw < 100 for draw in draws)


def test_a_draw_stays_and_differs_by_tenant_and_key() -> None:
    """A session would fall in and out, or one tenant's draws tell those of another."""
    assert draw_of(KEY, "acme", "session:1") == draw_of(KEY, "acme", "session:1")
    units = [("acme", "session:1"), ("acme", "request:1"), ("other", "session:1")]
    draws = {draw_of(KEY, *unit) for unit in units} | {draw_of(b"another", *units[0])}
    assert len(draws) == 4
    assert draw_of(KEY, "a", "b\0c") != draw_of(KEY, "a\0b", "c")
    assert 0 <= draw_of(KEY, "acme", "session:\ud800") < 100
