"""Messages: in the words of the file, about the right place, and silent about values if asked."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from app.catalog.wording import choices, read_as
from app.catalog.yaml_source import parse_document
from app.domain.errors import ContentError
from app.domain.persona import FileModel


class Inner(FileModel):
    """Something inside something."""

    kind: Literal["small", "large"] = "small"
    many: Annotated[tuple[str, ...], Field(min_length=2, max_length=3)] = ("a", "b")
    code: Annotated[str, Field(pattern="^[a-z]+$")] = "a"
    name: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    day: date = date(2027, 1, 31)

    @model_validator(mode="after")
    def _agree(self) -> "Inner":
        if self.code == self.name:
            raise ValueError("must not have a code that is its name")
        return self


class Outer(FileModel):
    """Something with a list, a mapping and a union."""

    listed: tuple[Inner, ...] = ()
    named: Mapping[str, Inner] = {}
    either: int | bool | None = None


def said(text: str, *, echoes_values: bool = True) -> list[str]:
    """What is wrong with a text, without the file's name."""
    with pytest.raises(ContentError) as caught:
        read_as(Outer, parse_document(text.encode(), "f"), echoes_values=echoes_values)
    return [str(problem).removeprefix("f:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "listed: [{kynd: x}]",
            "1:11: listed[0].kynd: is not a known key; did you mean 'kind'? (kind,",
        ),
        (
            "named: {x: {kynd: x}}",
            "1:13: named.x.kynd: is not a known key; did you mean 'kind'? (kind",
        ),
        (
            "named: {x: {kind: smal}}",
            "1:19: named.x.kind: is 'smal'; did you mean 'small'? (small, la",
        ),
        (
            "named: {x: {kind: 5}}",
            "1:19: named.x.kind: is not one of those allowed; choose from (sm",
        ),
        ("listed: [{many: [a]}]", "1:17: listed[0].many: needs at least 2"),
        ("listed: [{many: [a, b, c, d]}]", "1:17: listed[0].many: may hold at most 3"),
        ("listed: [{many: [a, 5]}]", "1:21: listed[0].many[1]: must be text"),
        ("listed: [{code: A}]", "1:17: listed[0].code: must look like ^[a-z]+$"),
        ("listed: [{name: a}]", "1:17: listed[0].name: needs at least 2 characters"),
        ("listed: [{name: abcd}]", "1:17: listed[0].name: may have at most 3 characters"),
        ("listed: [{share: 0}]", "1:18: listed[0].share: is not above 0"),
        ("listed: [{share: 1}]", "1:18: listed[0].share: is not below 1"),
        ("listed: [{share: half}]", "1:18: listed[0].share: must be a number"),
        ("listed: [{day: 2027-02-30}]", "1:16: listed[0].day: must be a date such as 2027-01-31"),
        (
            "listed: [{name: ab, code: ab}]",
            "1:10: listed[0]: must not have a code that is its name",
        ),
        ("listed: {a: 1}", "1:9: listed: must be a list"),
        ("named: [a]", "1:8: named: must be a mapping"),
        ("either: x", "1:9: either: must be a whole number or true or false"),
        ("either: 1.5", "1:9: either: must be a whole number or true or false"),
        ("", "1:1: must be a mapping"),
    ],
)
def test_a_mistake_is_said_once_and_in_plain_words(text: str, what: str) -> None:
    """An author would meet the vocabulary of a library, or one mistake several times."""
    (found,) = said(text)
    assert found.startswith(what)


def test_a_value_is_not_printed_where_it_may_be_a_secret() -> None:
    """A key in the wrong place of ``banneton.yaml`` would be printed on the console."""
    (found,) = said("named: {x: {kind: smal}}", echoes_values=False)
    assert "'smal'" not in found
    assert "did you mean 'small'?" in found


def test_choices_are_listed_and_the_nearest_named() -> None:
    """An author would have to look up what may be written."""
    assert choices("bloc", ["allow", "block"]) == "; did you mean 'block'? (allow, block)"
    assert choices("xyz", ["allow", "block"]) == "; choose from (allow, block)"
    assert choices("xyz", []) == ""
    assert choices(None, [f"k{n}" for n in range(30)]).endswith("k23, …)")
