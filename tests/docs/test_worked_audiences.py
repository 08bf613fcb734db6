"""The table of one sentence under three policies is what the policies do, and in their cases."""

import asyncio
import re

import pytest

from app.catalog.cases import Cases
from app.domain.policy import Stage
from app.evals.cases import cases_of
from app.main import check_text, load_project
from app.pipeline.loaded import Loaded
from tests.docs.pages import DOCS, REPOSITORY

ROWS = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")]
    for line in (DOCS / "explanation" / "worked-audiences.md").read_text("utf-8").splitlines()
    if re.match(r"\| (input|output) ", line)
]
AUDIENCES = ("minor", "public", "professional")


Shipped = tuple[Loaded, Cases]


@pytest.fixture(scope="module")
def shipped() -> Shipped:
    """What ships, compiled, with its cases."""
    project = load_project(REPOSITORY, reads_secrets=False)
    loaded = project.load()
    return loaded, cases_of(REPOSITORY, loaded.catalog, project.builds)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[2]}: {row[1]}" for row in ROWS])
def test_a_row_is_true_and_a_case(row: list[str], shipped: Shipped) -> None:
    """The page that reviewers argue by tells of policies that there are not."""
    stage, text, policy, *outcomes = row
    loaded, cases = shipped
    expected = dict(zip(AUDIENCES, outcomes, strict=True))
    found = {
        audience: asyncio.run(check_text(loaded, policy, audience, Stage(stage), text)).outcome
        for audience in AUDIENCES
    }
    assert found == expected
    case = [each for each in cases.policies[policy] if each.text == text and each.stage == stage]
    assert [{a: each.expected(a) for a in AUDIENCES} for each in case] == [expected]


def test_every_policy_has_every_sentence() -> None:
    """A policy is left out where it says nothing, which is what a reader looks for."""
    sentences = {row[1] for row in ROWS}
    assert {(row[1], row[2]) for row in ROWS} == {
        (sentence, policy) for sentence in sentences for policy in ("tutor", "medical", "bank")
    }
