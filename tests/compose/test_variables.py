"""Variables are taken as their file declares them, and refused without repeating them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import RequestError
from tests.compose.build import compiled, rows

_TEMPLATE = "{% for v in variables %}{{ v.value }}{% endfor %}"
_MANY = compiled(
    _TEMPLATE,
    variables={
        "text": {"max_length": 5},
        "count": {"type": "integer", "max": 9},
        "price": {"type": "number"},
        "bold": {"type": "boolean"},
        "country": {"enum": ["DE", "US"]},
    },
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize("row", rows("variables"))
def test_a_value_is_taken_or_refused_as_the_table_says(row: dict[str, Any]) -> None:
    """A value of another kind or size than the file says reaches the prompt, or a right one not."""
    prompt = compiled("{{ x }}", variables={"x": row["variable"]})
    if "prints" in row:
        text = prompt.compose(None, {"x": row["value"]}).text
        assert text == f'<data name="x">{row["prints"]}</data>'
        return
    with pytest.raises(RequestError) as caught:
        prompt.compose(None, {"x": row["value"]})
    assert caught.value.message == row["refused"]
    assert caught.value.param == "banneton.variables.x"


@pytest.mark.parametrize(
    ("given_names", "message", "param"),
    [
        pytest.param(
            {},
            "variable 'customer_name' is missing; give it under banneton.variables",
            "banneton.variables.customer_name",
            id="missing",
        ),
        pytest.param(
            {"customer_name": "Ann", "custmer_name": "Secret"},
            "there is no variable 'custmer_name'; did you mean 'customer_name'? (customer_name)",
            "banneton.variables.custmer_name",
            id="mistyped",
        ),
        pytest.param(
            {"customer_name": "Ann", "my card is 4111": "Secret"},
            "banneton.variables has a name that no variable has; known are: customer_name",
            "banneton.variables",
            id="text where a name should stand",
        ),
        pytest.param(
            {"customer_name": "half \ud83d"},
            "variable 'customer_name' must be valid Unicode; it holds half of a surrogate pair",
            "banneton.variables.customer_name",
            id="half of a surrogate pair",
        ),
    ],
)
def test_a_wrong_set_of_variables_is_refused(
    given_names: dict[str, str], message: str, param: str
) -> None:
    """A mistyped variable is ignored without a word, or its value is repeated in the error."""
    prompt = compiled("{{ customer_name }}", variables={"customer_name": {}})
    with pytest.raises(RequestError) as caught:
        prompt.compose(None, given_names)
    assert (caught.value.message, caught.value.param) == (message, param)


def test_variables_of_a_persona_without_any_are_refused() -> None:
    """A client believes that its variable had an effect."""
    with pytest.raises(RequestError, match="there is no variable 'name'; there are none"):
        compiled("Hi").compose(None, {"name": "Ann"})


@settings(deadline=None, max_examples=500)
@given(
    st.fixed_dictionaries(dict.fromkeys(_MANY.persona.variables, _JSON))
    | st.dictionaries(st.sampled_from(["text", "count", "x", ""]) | st.text(), _JSON, max_size=6)
)
def test_any_json_is_taken_or_refused(variables: dict[str, Any]) -> None:
    """A strange value ends as a failure of ours, or a refusal hands it on to the logs."""
    refusal = _refusal(variables)
    if refusal is None:
        text = _MANY.compose(None, variables).text
        assert text.count("<data ") == len(_MANY.persona.variables)
        return
    assert (refusal.param or "").startswith("banneton.variables")
    assert refusal.__cause__ is None
    for value in variables.values():
        if isinstance(value, str) and len(value) > 7:  # shorter ones may be words of the message
            assert value not in refusal.message


def _refusal(variables: dict[str, Any]) -> RequestError | None:
    try:
        _MANY.compose(None, variables)
    except RequestError as exc:
        return exc
    return None


@settings(deadline=None, max_examples=200)
@given(st.text(min_size=6, max_size=9))
def test_a_text_that_is_too_long_is_not_repeated(value: str) -> None:
    """A customer's words are in the error, and from there in a log."""
    with pytest.raises(RequestError) as caught:
        _MANY.compose(None, {"text": value, "count": 1, "price": 1, "bold": True, "country": "DE"})
    assert caught.value.message == "variable 'text' must have at most 5 characters"
    assert value not in repr(caught.value)
