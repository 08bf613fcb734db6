"""Sharing sessions among variants: who stays, who moves, and how many there are."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conversation import PersonaWishes
from app.domain.record import Assigned
from app.main import load_project
from app.pipeline.loaded import Loaded, Served, Split
from app.pipeline.split import Drawing, drawn, unit_of
from tests.ledger.exchanges import counting
from tests.pipeline.exchanging import conversation

_KEY = b"k" * 32
_DRAWS = [step / 100 for step in range(10_000)]
"""Every draw that there is."""
_SHARE = st.integers(0, 5_000).map(lambda hundredths: hundredths / 100)


class _Version:
    """Stands for a version of a persona: a split looks at none of it."""


def split(*percents: float) -> Split:
    """A split among variants with these shares, and one that is rolled out."""
    ends = [round(sum(percents[: at + 1]), 6) for at in range(len(percents))]
    versions: list[Served] = [_Version() for _ in percents]  # type: ignore[misc]  # never looked at
    return Split("p", tuple(versions), tuple(ends), "r", _Version())  # type: ignore[arg-type]  # as well


def places(one: Split, percent: float) -> list[int | None]:
    """For every draw, the place of the variant that answers; -1 is the one that is rolled out."""
    shares = {"r": percent}
    known = {id(each): at for at, each in enumerate(one.served)} | {id(one.rolled_out): -1}
    found = (one.of(draw, shares) for draw in _DRAWS)
    return [None if each is None else known[id(each)] for each in found]


@settings(deadline=None, max_examples=25)
@given(st.lists(_SHARE.map(lambda share: share / 3), max_size=4), _SHARE, st.data())
def test_a_variant_that_grows_lets_nobody_go(
    percents: list[float], rolled: float, data: st.DataObject
) -> None:
    """Sessions would be reshuffled whenever a share changes, and users see a persona change."""
    before = places(split(*percents), rolled)
    counts = Counter(before)
    for at, percent in [*enumerate(percents), (-1, rolled)]:
        assert abs(counts[at] / 100 - percent) <= 0.02
    room = 100 - sum(percents) - rolled
    more = data.draw(st.floats(0, min(room, 20)))
    # The one that is rolled out grows: sessions of the persona as it is move into it, none else.
    for was, now in zip(before, places(split(*percents), rolled + more), strict=True):
        assert was == now or (was is None and now == -1)
    if not percents:
        return
    grown = data.draw(st.integers(0, len(percents) - 1))
    larger = [*percents]
    larger[grown] += more
    for was, now in zip(before, places(split(*larger), rolled), strict=True):
        if was == grown:
            assert now == grown
        elif was is not None and (was == -1 or was < grown):
            assert now == was
        elif grown == len(percents) - 1:
            assert now in {was, grown}


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_a_draw_is_of_tenant_experiment_and_unit(tenant: str, experiment: str, unit: str) -> None:
    """A session would switch between two requests, or fall alike for two tenants."""
    draw = drawn(_KEY, tenant, experiment, unit)
    assert 0 <= draw < 100
    assert draw == drawn(_KEY, tenant, experiment, unit)


def test_draws_are_even_and_experiments_say_nothing_of_one_another() -> None:
    """A share of 10 % would be another share, or one persona's test decide another's."""
    first = [drawn(_KEY, "acme", "split\0a", f"session\0{n}") for n in range(8_000)]
    second = [drawn(_KEY, "acme", "split\0b", f"session\0{n}") for n in range(8_000)]
    for draws in (first, second):
        tenths = Counter(int(draw // 10) for draw in draws)
        # 800 on average; six standard deviations are 161.
        assert all(abs(tenths[tenth] - 800) < 161 for tenth in range(10))
    both = sum(a < 50 and b < 50 for a, b in zip(first, second, strict=True))
    assert abs(both - 2_000) < 240


@pytest.fixture
def loaded(root: Path) -> Loaded:
    """A project with a persona that shares its sessions, and rolls a variant out."""
    (root / "personas/shared.yaml").write_text(
        "extends: lexi\n"
        "variants:\n"
        "  - {id: warm, percent: 30}\n"
        "  - {id: quiet, shadow: true, percent: 50}\n"
        "  - {id: new}\n"
        "rollout: {variant: new, steps: [20], gates: [{metric: refusal_rate, no_worse_by: 0.1}]}\n",
        "utf-8",
    )
    return load_project(root, reads_secrets=False).load()


def test_the_unit_is_the_session_then_the_subject_then_the_request(loaded: Loaded) -> None:
    """One user would meet several variants in one conversation, or all of them the same one."""
    planned = loaded.rollouts["shared"]
    drawing = Drawing(_KEY, {planned.id: 20.0})
    named = [
        conversation("x", persona="shared", wishes=PersonaWishes(session=f"s{n}"))
        for n in range(200)
    ]
    new_id = counting("r")
    chosen = [drawing.choose(loaded, each, "acme", new_id()) for each in named]
    again = [drawing.choose(loaded, each, "acme", new_id()) for each in named]
    assert chosen == again
    found = Counter(each.served.variant for each in chosen)
    assert set(found) == {None, "warm", "new"}
    assert {each.assigned for each in chosen} == {Assigned.DRAWN}
    alone = {
        drawing.choose(loaded, conversation("x", persona="shared"), "acme", new_id()).served.variant
        for _ in range(60)
    }
    assert alone == {None, "warm", "new"}
    assert unit_of(named[0], "r") == "session\0s0"
    # Where the rollout has not begun its sessions are the persona's.
    before = Drawing(_KEY, {})
    for each, was in zip(named, chosen, strict=True):
        now = before.choose(loaded, each, "acme", "r").served.variant
        assert now == (None if was.served.variant == "new" else was.served.variant)


def test_what_goes_on_stays_until_its_variant_is_taken_back(loaded: Loaded) -> None:
    """A conversation would change its voice in the middle, or keep one that was found worse."""
    asked = conversation("x", persona="shared")
    planned = loaded.rollouts["shared"]
    for percent, expected in ((20.0, "new"), (0.0, None)):
        drawing = Drawing(_KEY, {planned.id: percent})
        chosen = drawing.choose_again(loaded, asked, "new")
        assert (chosen.served.variant, chosen.assigned) == (expected, Assigned.CONTINUED)
        for variant in ("warm", None):
            assert drawing.choose_again(loaded, asked, variant).served.variant == variant
        assert drawing.choose_again(loaded, asked, "gone").served.variant is None
