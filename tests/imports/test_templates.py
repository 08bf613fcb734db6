"""Templates of other tools print the same here, and what cannot is told with its line."""

import re

import jinja2
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.imports.templates import Syntax, converted

VALUES = {"a": "Ann", "b": "", "c": "x"}
WORDS = st.sampled_from(
    ["", " ", "\n", "Hi", " you\n", "{", "}", "{ x }", "%}", "  \n\n", "#", "é"]
)
PRINTED = st.sampled_from(["{{a}}", "{{ b }}", "{{ c}}", "{# not said #}", "{#\n#}"])
TESTS = st.sampled_from(["a", "not a", "b", "not b", 'c == "x"', "c != 'x'", 'a=="Ann"'])


def joined(pieces: list[str]) -> str:
    """All of them."""
    return "".join(pieces)


PIECES = st.recursive(
    WORDS | PRINTED,
    lambda inner: (
        st.lists(inner, max_size=3).map(joined)
        | st.builds(
            "{{% if {0} %}}{1}{{% else %}}{2}{{% endif %}}".format,
            TESTS,
            inner,
            inner,
        )
    ),
    max_leaves=8,
)


def rendered(text: str, *, trims: bool) -> str:
    """As Jinja prints it, with the settings of others or with ours."""
    environment = jinja2.Environment(  # noqa: S701, TID251  # prompts are no HTML; here Jinja itself is what is compared with
        trim_blocks=trims, lstrip_blocks=trims, keep_trailing_newline=True
    )
    return environment.from_string(text).render(VALUES)


@given(st.lists(PIECES, max_size=5).map(joined))
@settings(deadline=None, max_examples=120)
def test_jinja_prints_the_same_here(text: str) -> None:
    """A prompt would say something else after it had moved, if only by a blank line."""
    assume("{#" not in re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL))  # a comment without end
    try:
        wanted = rendered(text, trims=False)
    except jinja2.TemplateSyntaxError:
        return
    made = converted(text, Syntax.JINJA, 1, {})
    assert made.lost == []
    assert rendered(made.text, trims=True) == wanted


@pytest.mark.parametrize(
    ("syntax", "source", "text"),
    [
        (Syntax.MUSTACHE, "Hi {{a}}, {{{b}}} {{& c }}{{! no }}!", "Hi {{ a }}, {{ b }} {{ c }}!"),
        (Syntax.HANDLEBARS, "{{#if a}}x{{else}}y{{/if}}", "{%+ if a %}x{%+ else %}y{%+ endif %}"),
        (Syntax.HANDLEBARS, "{{#unless a}}x{{/unless}}", "{%+ if not a %}x{%+ endif %}"),
        (Syntax.HANDLEBARS, r"\{{a}} {{!-- }} --}}.", "{{ '{' }}{a}} ."),
        (Syntax.HANDLEBARS, "{{persona}}", "{{ input_persona }}"),
        (Syntax.JINJA, "{ {{a}}{", "{ {{ a }}{{ '{' }}"),
    ],
)
def test_what_says_the_same_is_carried_over(syntax: Syntax, source: str, text: str) -> None:
    """A variable or a condition would be lost."""
    made = converted(source, syntax, 1, {"persona": "input_persona"})
    assert (made.text, made.lost) == (text, [])


@pytest.mark.parametrize(
    ("syntax", "source", "line"),
    [
        (Syntax.JINJA, "\n{{ a | upper }}", 2),
        (Syntax.JINJA, "{{ a.b }}", 1),
        (Syntax.JINJA, "{{ 7 * 7 }}", 1),
        (Syntax.JINJA, "{% for x in a %}{{ x }}{% endfor %}", 1),
        (Syntax.JINJA, "{%- if a %}x{% endif %}", 1),
        (Syntax.JINJA, "{% if a and b %}x{% else %}y{% endif %}", 1),
        (Syntax.JINJA, "{% set x = 1 %}", 1),
        (Syntax.JINJA, "{% endif %}", 1),
        (Syntax.JINJA, "{% if a %}x", 1),
        (Syntax.MUSTACHE, "\n\n{{#a}}x{{/a}}", 3),
        (Syntax.MUSTACHE, "{{> part}}", 1),
        (Syntax.HANDLEBARS, "{{#each a}}{{this}}{{/each}}", 1),
        (Syntax.HANDLEBARS, "{{json a}}", 1),
        (Syntax.HANDLEBARS, "{{@root.a}}", 1),
        (Syntax.HANDLEBARS, "{{~a}}", 1),
    ],
)
def test_what_does_not_is_left_out_and_told(syntax: Syntax, source: str, line: int) -> None:
    """A piece of code would be run here, or be lost without a word."""
    made = converted(source, syntax, 1, {})
    assert made.lost[0][0] == line
    assert "7 * 7" not in made.text
    assert rendered(made.text, trims=True).strip() in {"", "x"}
