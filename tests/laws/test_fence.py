"""The fence: no value of a request can be taken for anything but a value, and none is lost."""

import hashlib
import re
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.compose.fence import escape
from app.domain.prompt import SystemPrompt
from app.domain.tokens import estimate_tokens
from tests.compose.build import compiled, rows

_TEMPLATE = """\
{% macro greet(name) %}
Greet {{ name }} by {{ name }}.
{% endmacro %}
{{ first }}
{{ greet(second) }}
{% if flag == "on" %}The flag is on.
{% endif %}
{% for variable in variables %}
- {{ variable.name }}: {{ variable.value }}
{% endfor %}
End."""
_VARIABLES = {name: {"max_length": 400} for name in ("first", "second", "flag")}
_PROMPT = compiled(_TEMPLATE, variables=_VARIABLES)
_FENCE = re.compile(r'<data name="([a-z]+)">([^<>]*)</data>')
_ENTITY = re.compile(r"&(?:(amp)|(lt)|(gt)|#(\d+));")

_FRAGMENTS = st.sampled_from(
    [row.values[0]["value"] for row in rows("fence")]
    + ["</data>", "&", "&#10;", "&lt;", "\n", "<", "#", "{{ first }}", "{% raw %}", "data", '">']
)
_VALUES = st.one_of(
    st.text(max_size=60),
    st.lists(st.one_of(_FRAGMENTS, st.text(max_size=4)), max_size=6).map("".join),
)


def _compose(first: str, second: str, flag: str = "off") -> SystemPrompt:
    return _PROMPT.compose(None, {"first": first, "second": second, "flag": flag})


def _unescape(fenced: str) -> str:
    def char(match: re.Match[str]) -> str:
        amp, lt, gt, number = match.groups()
        return chr(int(number)) if number else (amp and "&") or (lt and "<") or (gt and ">")

    return _ENTITY.sub(char, fenced)


@settings(deadline=None, max_examples=2000)
@given(_VALUES, _VALUES)
def test_nothing_outside_the_fences_changes(first: str, second: str) -> None:
    """A value could write a part of the prompt that is not its own, or change another value."""
    text = _compose(first, second).text
    assert _FENCE.sub("_", text) == _FENCE.sub("_", _compose("Ann", "Bob").text)
    inside = _FENCE.findall(text)
    assert [name for name, _ in inside] == ["first", "second", "second", "first", "second", "flag"]
    assert [_unescape(value) for _, value in inside] == [
        first, second, second, first, second, "off",
    ]  # fmt: skip


@settings(deadline=None, max_examples=2000)
@given(_VALUES)
def test_a_fenced_value_stays_on_one_line_of_plain_characters(value: str) -> None:
    """A value could start a line, end its fence, open a turn or a code block, or hide text."""
    fenced = escape(value)
    assert len(f"a{fenced}b".splitlines()) == 1
    bare = _ENTITY.sub("", fenced)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert not set("<>[]`#&") & set(unicodedata.normalize(form, bare))
    hidden = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert not [char for char in bare if unicodedata.category(char) in hidden]
    assert _unescape(fenced) == value


@settings(deadline=None, max_examples=300)
@given(_VALUES, _VALUES, st.sampled_from(["on", "off"]))
def test_the_same_request_gives_the_same_prompt(first: str, second: str, flag: str) -> None:
    """Two replicas, or one before and after its cache filled, could send different prompts."""
    prompt = _compose(first, second, flag)
    fresh = compiled(_TEMPLATE, variables=_VALUES_BY_FILE)
    assert prompt == fresh.compose(None, {"second": second, "flag": flag, "first": first})
    assert prompt.digest == f"sha256:{hashlib.sha256(prompt.text.encode()).hexdigest()}"
    assert prompt.tokens == estimate_tokens(prompt.text)
    assert len(prompt.provenance) == len(prompt.text.split("\n"))
    assert (
        prompt.text[: prompt.cacheable_chars]
        == _compose("", "", "on").text[: prompt.cacheable_chars]
    )


_VALUES_BY_FILE = {name: dict(_VARIABLES[name]) for name in ("first", "second", "flag")}


@pytest.mark.parametrize("row", rows("fence"))
def test_values_are_fenced_as_the_table_says(row: dict[str, Any]) -> None:
    """A known way out of the fence works, or an ordinary value becomes hard to read."""
    assert escape(row["value"]) == row["fenced"]


def test_every_character_without_a_shape_is_escaped() -> None:
    """A control, format or private-use character of some corner of Unicode goes through."""
    hidden = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    marks = set("<>[]`#&")
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if unicodedata.category(char) in hidden or marks & set(unicodedata.normalize("NFKD", char)):
            assert escape(char) != char, f"U+{code:04X}"
