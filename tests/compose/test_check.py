"""What can be said of a prompt without a persona."""

import pytest

from app.compose.check import prompt_variables
from app.domain.errors import ContentError
from tests.compose.build import prompts, shipped_prompts


@pytest.mark.parametrize(
    ("templates", "names"),
    [
        pytest.param({"main": "Hi {{ persona.name }}"}, set(), id="only what is offered"),
        pytest.param({"main": "{{ a }}{% if b %}{{ c }}{% endif %}"}, {"a", "b", "c"}, id="some"),
        pytest.param(
            {"main": '{% include "p.md.j2" %}', "p": '{% include "q.md.j2" %}', "q": "{{ deep }}"},
            {"deep"},
            id="in an include of an include",
        ),
        pytest.param(
            {
                "main": '{% from "p.md.j2" import m %}{{ m(x) }}',
                "p": "{% macro m(v) %}{{ v }}{% endmacro %}",
            },
            {"x"},
            id="not a macro's parameter",
        ),
        pytest.param(
            {"main": "{% set a = 1 %}{% for b in [a] %}{{ b }}{{ loop.index }}{% endfor %}"},
            set(),
            id="not what the template sets",
        ),
        pytest.param(
            {"main": "{% if scenario %}{% set a = 1 %}{% endif %}{{ range(2) | length }}"},
            set(),
            id="not what one branch sets, nor what is built in",
        ),
        pytest.param({"main": "Hi", "other": "{{ a"}, set(), id="not another prompt's mistakes"),
    ],
)
def test_the_names_that_a_prompt_wants_declared(templates: dict[str, str], names: set[str]) -> None:
    """The catalog's cross-check misses a variable, or asks for one that is none."""
    assert prompt_variables("main", prompts(templates)) == names


def test_every_mistake_is_told_at_once() -> None:
    """An author corrects one mistake only to meet the next."""
    templates = {"main": '{{ 1 | nope }}\n{% include "a.md.j2" %}', "a": "{{ x"}
    with pytest.raises(ContentError) as caught:
        prompt_variables("main", prompts(templates))
    assert [(at.file, at.line, at.column) for at in caught.value.problems] == [
        ("prompts/a.md.j2", 1, 1),
        ("prompts/main.md.j2", 1, 8),
    ]


@pytest.mark.parametrize("prompt_id", sorted(shipped_prompts()))
def test_shipped_prompts_want_no_variable_of_their_own(prompt_id: str) -> None:
    """A persona cannot use a shipped prompt without knowing what is in it."""
    assert prompt_variables(prompt_id, shipped_prompts()) == frozenset()
