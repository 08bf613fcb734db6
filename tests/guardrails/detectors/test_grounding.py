"""What an answer says that no document says is found."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import TextDelta
from app.domain.policy import Action, Stage
from app.guardrails.context import Context
from app.guardrails.detectors.grounding import KIND, GroundingSettings
from app.guardrails.grounds import Grounds, words
from app.guardrails.pseudonyms import Minter
from app.guardrails.release import OutputGuard
from tests.guardrails.building import KEY, NOW, SCOPE, plan, rule, stream, text_of
from tests.guardrails.detectors.looking import check_caught, detect, look, passage_of
from tests.guardrails.detectors.tables import Row, findings, rows


def of_answer(row: Row) -> Row:
    """The row as an answer's text."""
    return {"of": "text", **row, "stage": "output"}


@pytest.mark.parametrize("row", rows("grounding", "passed"))
def test_what_documents_say_passes(row: Row) -> None:
    """A good answer would be stopped."""
    assert look(KIND, of_answer(row)) == ()


@pytest.mark.parametrize("row", rows("grounding", "caught"))
def test_what_no_document_says_is_found(row: Row) -> None:
    """A reader would take for written what the model made up."""
    check_caught(KIND, of_answer(row))


DOCUMENT = next(p.values[0]["documents"][0] for p in rows("grounding", "caught"))


@given(st.integers(10, 99_999))
@settings(deadline=None, max_examples=60)
def test_a_number_is_found_unless_it_is_there(number: int) -> None:
    """Some numbers would pass that no document has."""
    row = of_answer({"text": f"The rent is {number:,} EUR.", "documents": [DOCUMENT]})
    is_there = number in {12, 2024, 1250}
    assert any(each.category == "number" for each in look(KIND, row)) is not is_there


@given(st.lists(st.sampled_from(DOCUMENT.split()), max_size=30), st.text(max_size=40))
@settings(deadline=None, max_examples=60)
def test_words_cover_themselves(said: list[str], other: str) -> None:
    """What stands in a document as it is would be called unsupported."""
    text = " ".join(said)
    grounds = Grounds([text.replace(".", ""), other], "")
    if list(words(text)):
        assert grounds.coverage(words(text.replace(".", ""))) == pytest.approx(1)
    assert 0 <= grounds.coverage(words(other)) <= 1


def test_what_is_kept_between_sentences_is_not_taken_for_other_documents() -> None:
    """An answer would be held against the documents of another request."""
    detector = KIND.build(GroundingSettings())
    answers = []
    for documents in (["The rent is 500 EUR."], ["The rent is 700 EUR."], ["The rent is 500 EUR."]):
        row = of_answer({"text": "The rent is 700 EUR.", "documents": documents})
        answers.append(bool(findings(detect(detector, passage_of(row)))))
    assert answers == [True, False, True]


async def test_an_answer_streams_up_to_the_sentence_that_nothing_supports() -> None:
    """A reader waits for the whole answer, or reads what was made up."""
    compiled = plan(rule("r", {"grounding": {}}, Action.BLOCK, Stage.OUTPUT))
    context = Context(documents=(DOCUMENT,))
    guarding = OutputGuard(compiled, "public", minter=Minter(KEY, SCOPE), now=NOW, context=context)
    text = "The rent is 1,250 EUR a month. It was 990 EUR in 2019. More follows."
    first = guarding.feed(TextDelta("The rent is 1,250 EUR a month. It"))
    assert text_of(first) == "The rent is 1,250 EUR a month."
    out = await stream(guarding, [TextDelta(text[33:])])
    assert guarding.stops
    assert text_of(out).strip() in {"", "It was"}


@pytest.mark.parametrize(
    ("settings", "other", "is_as_strict"),
    [
        ({}, {}, True),
        ({"min_score": 0.5}, {}, True),
        ({}, {"min_score": 0.5}, False),
        ({"categories": ["number"]}, {}, False),
        ({"require_documents": True}, {}, True),
        ({}, {"require_documents": True}, False),
        ({"prompt": True}, {}, False),
    ],
)
def test_settings_are_compared(
    settings: dict[str, object], other: dict[str, object], *, is_as_strict: bool
) -> None:
    """Settings that let more pass would pass review as no weaker."""
    ours, theirs = map(GroundingSettings.model_validate, (settings, other))
    assert KIND.is_as_strict(ours, theirs) is is_as_strict
