"""Reading feedback: whatever comes, it is understood whole or refused."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.feedback import FEEDBACK, read
from app.api.shapes import Treatment, admit
from app.domain.errors import RequestError
from app.domain.feedback import COMMENT, CORRECTION, DEMONSTRATION, Purpose, TargetKind, TaskOutcome

Json = Any
ANY: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
WORDS = st.text(max_size=9)


def some(**fields: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """An object with some of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


NEAR = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["a", "b", "not an id"]),
        "request_id": st.sampled_from(["r1", "é"]),
        "session": WORDS,
        "user": WORDS,
        "version": st.integers(0, 3),
        "satisfaction": some(
            scale=st.sampled_from(["thumb", "stars", "nps"]),
            value=st.sampled_from(["up", "down", 0, 1, 5, 6, 2.0, True]),
        ),
        "task": st.sampled_from([*TaskOutcome, "done"]),
        "correction": some(turn=st.integers(0, 3), text=WORDS),
        "comment": WORDS,
        "demonstration": WORDS,
        "consent": some(
            purposes=st.lists(st.sampled_from([*Purpose, "sell"]), max_size=3), reference=WORDS
        ),
        "more": ANY,
    },
)


@given(NEAR | st.dictionaries(st.sampled_from(sorted(FEEDBACK.fields)), ANY, max_size=4), st.data())
@settings(deadline=None, max_examples=500)
def test_a_body_is_read_whole_or_refused(body: Json, data: st.DataObject) -> None:
    """Part of what was said is dropped, or a body that makes no sense ends in a server error."""
    body = {name: value for name, value in body.items() if value is not None and name != "appeal"}
    key = data.draw(st.none() | st.sampled_from(["a", '"a"', '"', "", "not an id"]))
    try:
        admit(FEEDBACK, body)
        request = read(body, key)
    except RequestError:
        return
    said, names = request.said, {"request_id", "session", "user"} & body.keys()
    assert [request.about.name] == [body[name] for name in names]
    assert (said.satisfaction is None) == ("satisfaction" not in body)
    assert said.task == body.get("task")
    assert (said.consent is None) == ("consent" not in body)
    assert (said.correction is None) == ("correction" not in body)
    texts = {COMMENT: body.get("comment"), DEMONSTRATION: body.get("demonstration")}
    texts[CORRECTION] = body.get("correction", {}).get("text")
    assert said.texts == {path: text for path, text in texts.items() if text is not None}
    if said.satisfaction is not None:
        assert 0 <= said.satisfaction.score <= 1
    shuffled = dict(data.draw(st.permutations(list(body.items()))))
    assert read(shuffled, key) == request
    assert request.wish == (body.get("id") or ("a" if key else None))


def test_every_text_of_the_table_is_one_that_policy_looks_at() -> None:
    """A new field of text would be kept as it came."""
    guarded = {row.path for row in FEEDBACK.rows("") if row.treatment is Treatment.GUARDED}
    assert {path for path in guarded if not path.startswith("appeal.")} == {
        COMMENT,
        CORRECTION,
        DEMONSTRATION,
    }


@pytest.mark.parametrize("kind", TargetKind)
def test_another_body_has_another_original(kind: TargetKind) -> None:
    """A change of mind under the same id passes for a retry."""
    name = {"request": "request_id", "session": "session", "subject": "user"}[kind]
    bodies: list[Json] = [
        {name: "one", "consent": {"purposes": ["train"]}},
        {name: "one", "consent": {"purposes": []}},
        {name: "two", "consent": {"purposes": []}},
        {name: "one", "consent": {"purposes": []}, "version": 2},
    ]
    originals = {read(body, None).original for body in bodies}
    assert len(originals) == len(bodies)
    assert all(orjson.loads(each) in bodies for each in originals)
