"""Texts that do not fit a JSON Schema are found, and schemas of strangers do no harm."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import DetectorError
from app.domain.finding import Finding, Found, Unchecked
from app.guardrails.detectors.schema import KIND, SchemaSettings
from app.guardrails.json_schema import quiet
from tests.guardrails.detectors.looking import check_caught, detect, look, passage_of
from tests.guardrails.detectors.tables import Row, rows


@pytest.mark.parametrize("row", rows("schema", "passed"))
def test_what_fits_passes(row: Row) -> None:
    """A good answer or call would be stopped."""
    assert look(KIND, row) == ()


@pytest.mark.parametrize("row", rows("schema", "caught"))
def test_what_does_not_fit_is_found(row: Row) -> None:
    """A program would be given what it cannot take, or the author would be told another place."""
    check_caught(KIND, row)


def of_client(schema: Any, text: str) -> Any:  # noqa: ANN401  # JSON
    """What is said of an answer under a schema that the client states."""
    row = {"text": text, "stage": "output", "answer_schema": schema}
    return detect(KIND.build(SchemaSettings(stated=True)), passage_of(row))


def bomb(depth: int) -> dict[str, Any]:
    """A schema that asks for 2^depth looks."""
    names = [f"a{n}" for n in range(depth + 1)]
    defs: dict[str, Any] = {
        name: {"allOf": [{"$ref": f"#/$defs/{following}"}] * 2}
        for name, following in itertools.pairwise(names)
    }
    defs[names[-1]] = {"type": "object"}
    return {"$defs": defs, "$ref": "#/$defs/a0"}


HOSTILE = {
    "place in the network": {"$ref": "https://example.com/schema"},
    "base in the network": {"$id": "https://example.com/", "$ref": "#/$defs/a", "$defs": {"a": {}}},
    "pattern that looks back": {"pattern": r"(a+)\1"},
    "pattern of a name that looks ahead": {"patternProperties": {"(?=a)": {}}},
    "draft inside": {"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}},
    "other draft": {"$schema": "http://json-schema.org/draft-07/schema#"},
    "no schema": {"type": "bogus"},
    "without an end": {"$ref": "#"},
    "without an end, with its draft": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": "#",
    },
    "much work": bomb(40),
    "much work, with its draft": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **bomb(40),
    },
    "nowhere": {"$ref": "#/$defs/none"},
    "unevaluated": {"unevaluatedProperties": False},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_schemas_are_not_run(what: str) -> None:
    """A client could make the gateway fetch addresses, or keep it busy for ever."""
    said = of_client(HOSTILE[what], '{"a": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}')
    assert isinstance(said, Unchecked)
    assert "example.com" not in said.reason


def test_a_pattern_that_explodes_elsewhere_takes_linear_time() -> None:
    """A client could keep the gateway busy for ever with a pattern."""
    said = of_client({"pattern": "^(a+)+$"}, f'"{"a" * 50_000}!"')
    assert isinstance(said, Found)


def test_what_does_not_fit_is_not_written_out() -> None:
    """A long value takes as long as all branches together, each writing it into a message."""
    value = {"key": ["text", 1, True, None]}
    assert quiet(value) == value
    assert repr(quiet(value)) == "object"
    assert repr(quiet(["text"])) == "array"
    assert repr(quiet("text")) == "text"


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ({"type": "bogus"}, "no JSON Schema of draft 2020-12: see type"),
        ({"$ref": "other.json"}, "only places in the same schema"),
        ({"properties": {"a": {"pattern": "(?=x)"}}}, "does not run in linear time"),
        ({"$ref": "#/$defs/none"}, "leads to no place"),
    ],
)
def test_a_bad_schema_does_not_load(schema: Any, what: str) -> None:  # noqa: ANN401  # JSON
    """A policy would load that can never be checked."""
    with pytest.raises(DetectorError, match=what.replace(".", r"\.")) as caught:
        KIND.build(SchemaSettings(json_schema=schema))
    assert caught.value.path == ("json_schema",)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=12,
)


@given(
    JSON, JSON, st.sampled_from([json.dumps, lambda value: json.dumps(value, ensure_ascii=False)])
)
@settings(deadline=None, max_examples=200)
def test_no_schema_and_no_value_is_too_odd(schema: Any, value: Any, write: Any) -> None:  # noqa: ANN401  # JSON
    """A client's schema makes the detector fail instead of saying that it cannot look."""
    said = of_client(schema, write(value))
    if isinstance(said, Found):
        assert all(isinstance(finding, Finding) for finding in said.findings)


@pytest.mark.parametrize(
    ("settings", "other", "is_as_strict"),
    [
        ({}, {}, True),
        ({"json_schema": {"type": "object"}}, {}, True),
        ({}, {"json_schema": {"type": "object"}}, False),
        ({"json_schema": {"type": "array"}}, {"json_schema": {"type": "object"}}, False),
        ({"json_schema": {"type": "object"}, "stated": True}, {"stated": True}, True),
        ({"stated": True}, {"json_schema": {"type": "object"}}, False),
        ({"stated": True}, {}, False),
        ({}, {"stated": True}, False),
    ],
)
def test_settings_are_compared(
    settings: dict[str, Any], other: dict[str, Any], *, is_as_strict: bool
) -> None:
    """A looser schema would pass review as no weaker."""
    compared = KIND.is_as_strict(SchemaSettings(**settings), SchemaSettings(**other))
    assert compared is is_as_strict
