"""Which rows are held back, and which rows say nearly the same."""

import random
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets.duplicates import ALIKE, RUN, without_duplicates
from app.datasets.exchanges import Exchange, Opinion
from app.datasets.rows import Kind, Row
from app.datasets.split import Split, split_of
from app.domain.decision import Outcome
from app.domain.feedback import Standing
from app.ledger.records import KeptTurns, Record
from tests.ledger.exchanges import NOON

NOTHING = KeptTurns(b"", (), (), {}, is_left_open=False, surrogates={})
OPINION = Opinion(Standing(), Standing(), ())
_MARK = st.sampled_from([None, b"a", b"b", b"c"])


def exchange(at: int, subject: bytes | None, session: bytes | None) -> Exchange:
    """One of which only its id, person and session count."""
    record = Record(f"r{at}", "acme", "p", Outcome.ALLOW, None, NOON, None, {}, None)
    return Exchange(record, subject, session, (), (), NOTHING, OPINION)


def row(text: str, *sources: Exchange, answer: str = "") -> Row:
    """A row that says this."""
    asked, said = {"role": "user", "content": text}, {"role": "assistant", "content": answer}
    return Row(Kind.SFT, [asked], [said], sources=sources, key=b"k")


@given(st.lists(st.tuples(_MARK, _MARK), min_size=1, max_size=12), st.data())
@settings(deadline=None)
def test_what_belongs_together_is_in_one_part(
    marks: list[tuple[bytes | None, bytes | None]], data: st.DataObject
) -> None:
    """A model is measured on what a person said whom it has learned from."""
    all_of = [exchange(at, *pair) for at, pair in enumerate(marks)]
    pairs = [[each, *data.draw(st.lists(st.sampled_from(all_of), max_size=1))] for each in all_of]
    rows = [row("x", *sources) for sources in pairs]
    splits = split_of(rows, b"key", 0.5)
    for (one, here), (other, there) in combinations(zip(rows, splits, strict=True), 2):
        for mine in one.sources:
            for theirs in other.sources:
                shares_person = mine.subject is not None and mine.subject == theirs.subject
                shares_session = mine.session is not None and mine.session == theirs.session
                if shares_person or shares_session or mine is theirs:
                    assert here is there
    order = data.draw(st.permutations(range(len(rows))))
    again = split_of([rows[at] for at in order], b"key", 0.5)
    assert again == [splits[at] for at in order]
    assert set(split_of(rows, b"key", 0.0)) == {Split.TRAIN}


def test_the_share_is_as_wanted() -> None:
    """Nothing is held back, or everything is."""
    rows = [row("x", exchange(at, None, None)) for at in range(2000)]
    held = sum(each is Split.VALIDATION for each in split_of(rows, b"key", 0.2))
    assert 330 < held < 470  # 400 on average; 3.9 standard deviations


def runs(text: str) -> set[str]:
    """By the words of the method."""
    folded = " ".join(text.split())
    return {folded[at : at + RUN] for at in range(max(1, len(folded) - RUN + 1))}


_WORDS = st.sampled_from(
    ["rye", "wheat", "spelt", "water", "salt", "starter", "oven", "crumb", "crust", "dough"]
)


@given(st.lists(st.lists(_WORDS, min_size=8, max_size=24), min_size=2, max_size=10))
@settings(deadline=None)
def test_near_duplicates_are_those_that_overlap(texts: list[list[str]]) -> None:
    """A row is left out though it says something else."""
    rows = [row(" ".join(words)) for words in texts]
    kept: list[Row] = [each for each in without_duplicates(rows) if isinstance(each, Row)]
    assert kept
    said = [runs(f"{each.prompt[0]['content']} ") for each in kept]
    gone = {each.prompt[0]["content"] for each in rows} - {x.prompt[0]["content"] for x in kept}
    for text in gone:
        mine = runs(f"{text} ")
        assert max(len(mine & other) / len(mine | other) for other in said) >= ALIKE - 0.05
    assert [*without_duplicates(reversed(rows))] == [*without_duplicates(rows)]


def test_nearly_the_same_is_found_among_many() -> None:
    """Of hundreds of rows, a copy with other punctuation or one more word is learned twice."""
    drawn = random.Random(7)  # noqa: S311  # no secret
    texts = [" ".join(str(drawn.randrange(10**6)) for _ in range(25)) for _ in range(200)]
    copies = [f"{text}!" for text in texts] + [f"{text} rye" for text in texts]
    found = [*without_duplicates(row(each) for each in [*texts, *copies])]
    kept = [each.prompt[0]["content"] for each in found if isinstance(each, Row)]
    assert sorted(each[:100] for each in kept) == sorted(text[:100] for text in texts)
