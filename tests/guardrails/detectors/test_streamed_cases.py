"""Detectors that judge a span say of a stream what they say of the whole: every case of theirs."""

import itertools

import pytest

from app.domain.events import TextDelta
from app.domain.policy import Action, Stage
from tests.guardrails.building import guard, pieces, plan, rule, run, stream, text_of
from tests.guardrails.detectors.tables import Row, rows, tables

TABLES = [
    pytest.param(table, param.values[0], id=f"{table}: {param.id}")
    for table, part in itertools.product((*tables("secrets"), "links"), ("caught", "passed"))
    for param in rows(table, part)
    if not param.values[0].get("is_json")
]
PLANS = {
    "secrets": plan(rule("r", {"secrets": {}}, Action.MASK, Stage.OUTPUT)),
    "links": plan(
        rule("r", {"links": {"kinds": ["link", "scheme", "image", "other_host"]}}, Action.MASK)
    ),
}


@pytest.mark.parametrize(("table", "row"), TABLES)
def test_a_case_comes_out_the_same_however_it_is_cut(table: str, row: Row) -> None:
    """A part of a credential or an address would be sent before the rest of it is known."""
    text = row["text"]
    whole, cut = (
        text_of(
            run(
                stream(
                    guard(PLANS[table.partition("_")[0]]), map(TextDelta, pieces(text, set(cuts)))
                )
            )
        )
        for cuts in (range(0), range(1, len(text), 3))
    )
    assert cut == whole
