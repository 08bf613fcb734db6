"""Prompts read as their templates say, and what a template may not do shows at load."""

from typing import Any

import pytest

from app.compose.compose import compile_prompt
from app.domain.catalog import Source
from app.domain.errors import ContentError, RequestError
from app.domain.prompt import SystemPrompt
from tests.compose.build import catalog, compiled, persona, prompts, rows


def _shown(prompt: SystemPrompt) -> list[str]:
    return [f"{at.file}:{at.line} {at.key}".strip() for at in prompt.provenance]


@pytest.mark.parametrize("row", rows("renders"))
def test_a_prompt_reads_as_the_table_says(row: dict[str, Any]) -> None:
    """A template prints other text than its author wrote, or its lines name the wrong place."""
    of = persona(**row.get("persona", {}))
    sources = {
        ("personas/pat.yaml", path): Source(*place)
        for path, place in row.get("sources", {}).items()
    }
    content = catalog(
        of, prompts(row["templates"]), knowledge=row.get("knowledge"), sources=sources
    )
    prompt = compile_prompt(of, content).compose(row.get("scenario"), row.get("variables", {}))
    assert prompt.text == row["text"]
    assert len(prompt.provenance) == len(prompt.text.split("\n"))
    if "lines" in row:
        assert _shown(prompt) == row["lines"]


@pytest.mark.parametrize("row", rows("mistakes"))
def test_a_mistake_shows_at_load(row: dict[str, Any]) -> None:
    """A template that fails, leaks or runs away is found by a request instead of its author."""
    of = persona(**row.get("persona", {}))
    content = catalog(of, prompts(row["templates"]), knowledge=row.get("knowledge"))
    with pytest.raises(ContentError) as caught:
        compile_prompt(of, content)
    assert [str(problem) for problem in caught.value.problems] == row["problems"]


def test_an_unknown_scenario_is_refused_by_name() -> None:
    """A request is served under the wrong conduct, or its text is repeated in an error."""
    prompt = compiled("Hi", scenarios={"review": {}, "chat": {}})
    with pytest.raises(RequestError) as caught:
        prompt.compose("reviw", {})
    assert caught.value.param == "banneton.scenario"
    assert caught.value.message == (
        "persona 'pat' has no such scenario; did you mean 'review'? (chat, review)"
    )


def test_a_variant_changes_the_prompt_and_its_lines_name_the_variant() -> None:
    """A variant's users get the plain persona, or review points at the wrong line."""
    of = persona(
        behaviours=[{"id": "a", "instruct": "Old."}, {"id": "b", "instruct": "Same."}],
        voice={"tone": ["calm"]},
        variants=[
            {
                "id": "new",
                "set": {
                    "behaviours": [
                        {"id": "c", "instruct": "Added."},
                        {"id": "a", "instruct": "New."},
                    ],
                    "voice": {"tone": ["bold"]},
                },
            }
        ],
    )
    changed = persona(
        behaviours=[
            {"id": "a", "instruct": "New."},
            {"id": "b", "instruct": "Same."},
            {"id": "c", "instruct": "Added."},
        ],
        voice={"tone": ["bold"]},
    )
    template = "{% for b in behaviours %}\n{{ b.instruct }}\n{% endfor %}\n{{ voice.tone[0] }}"
    content = catalog(
        of,
        prompts({"main": template}),
        variants={("pat", "new"): changed},
        sources={
            ("personas/pat.yaml", "variants[0].set.behaviours[1].instruct"): Source(
                "personas/pat.yaml", 20, 5
            )
        },
    )
    composed = compile_prompt(of, content, variant="new")
    prompt = composed.compose(None, {})
    assert (composed.variant, composed.persona) == ("new", changed)
    assert prompt.text == "New.\nSame.\nAdded.\nbold"
    assert _shown(prompt) == [
        "personas/pat.yaml:20 variants[0].set.behaviours[1].instruct",
        "personas/pat.yaml:0 behaviours[1].instruct",
        "personas/pat.yaml:0 variants[0].set.behaviours[0].instruct",
        "personas/pat.yaml:0 variants[0].set.voice.tone[0]",
    ]
    assert compile_prompt(of, content).compose(None, {}).text == "Old.\nSame.\ncalm"
    with pytest.raises(ContentError, match="there is no variant 'nw'; did you mean 'new'"):
        compile_prompt(of, content, variant="nw")


def test_a_request_renders_nothing_where_no_value_decides() -> None:
    """Every chat request pays for a rendering of the template."""
    prompt = compiled(
        "{{ x }}{% for v in variables %}{{ v.name }}{% endfor %}", variables={"x": {}}
    )
    first, second = (prompt.compose(None, {"x": x}) for x in ("a", "b"))
    assert first.provenance is second.provenance
    assert first.digest != second.digest


def test_requests_that_decide_alike_share_a_rendering() -> None:
    """A comparison with a value makes every request pay for a rendering."""
    prompt = compiled("{% if x == 'a' %}A{% else %}{{ x }}{% endif %}", variables={"x": {}})
    made = {x: prompt.compose(None, {"x": x}).provenance for x in ("a", "b", "c")}
    assert made["b"] is made["c"]
    assert made["a"] is not made["b"]


def test_many_values_of_a_trusted_variable_do_not_fill_the_memory() -> None:
    """A client with ever new values makes the gateway grow without bound, or mixes them up."""
    prompt = compiled("{{ x | upper }}", variables={"x": {"trusted": True}})
    texts = [prompt.compose(None, {"x": f"v{n % 150}"}).text for n in range(400)]
    assert texts == [f"V{n % 150}" for n in range(400)]
    assert len(prompt._scenarios[None]._kept) <= 64  # noqa: SLF001  # memory shows nowhere else


def test_what_only_a_combination_of_values_reaches_is_refused_without_the_value() -> None:
    """A template that fails on some values sends a broken prompt, or quotes the value."""
    prompt = compiled(
        "{% set k = 'low' %}{% if a == 'x' %}{% set k = 'mid' %}{% endif %}"
        "{% if b == 'x' %}{{ {'low': 1, 'mid': 2}[k] }}{% else %}{{ {'mid': 1, 'low': t}[k] }}"
        "{% endif %}{{ {'sample': 'fine'}[t] }}",
        variables={"a": {}, "b": {}, "t": {"trusted": True}},
    )
    assert prompt.compose(None, {"a": "x", "b": "x", "t": "sample"}).text == "2fine"
    with pytest.raises(ContentError) as caught:
        prompt.compose(None, {"a": "x", "b": "x", "t": "Secret"})
    what = "the mapping has no such key; ask `{% if … in … %}` first"
    assert str(caught.value) == f"prompts/main.md.j2:1:1: {what}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_question_that_only_some_values_lead_to_is_asked_each_time() -> None:
    """A rendering made for one customer is sent to the next."""
    prompt = compiled(
        "{% if t == 'odd' %}{% if x == 'a' %}A{% else %}not A{% endif %}{% endif %}",
        variables={"t": {"trusted": True}, "x": {}},
    )
    texts = [prompt.compose(None, {"t": "odd", "x": x}).text for x in ("a", "b", "a")]
    assert texts == ["A", "not A", "A"]


@pytest.mark.parametrize(
    ("template", "fields", "stable"),
    [
        pytest.param("Fixed text.", {}, "Fixed text.", id="nothing changes"),
        pytest.param("Hi {{ x }}!", {"x": {}}, 'Hi <data name="x">', id="until the first value"),
        pytest.param(
            "Hi {% if x %}yes{% endif %} {{ x }}!", {"x": {}}, "Hi ", id="until a value decides"
        ),
        pytest.param(
            "Hi {{ x }}, and a long way on {% if x %}yes{% endif %}!",
            {"x": {}},
            'Hi <data name="x">',
            id="until the first value, before one decides",
        ),
        pytest.param("Hi {{ x }}!", {"x": {"trusted": True}}, "", id="a trusted value in the way"),
        pytest.param(
            'Hi {% include "end.md.j2" %}',
            {"x": {"trusted": True}},
            "Hi ",
            id="until the part that asks for a trusted value",
        ),
    ],
)
def test_the_start_that_is_the_same_for_every_request(
    template: str, fields: dict[str, Any], stable: str
) -> None:
    """A provider's cache is told to keep text that changes, or keeps nothing."""
    of = persona(variables=fields)
    content = catalog(of, prompts({"main": template, "end": "and {{ x }}"}))
    prompt = compile_prompt(of, content).compose(None, dict.fromkeys(fields, "value"))
    assert prompt.text[: prompt.cacheable_chars] == stable


def test_the_trailing_blank_of_a_template_is_not_sent() -> None:
    """The same words give another digest for a line break at the end of a file."""
    prompt = compiled("Hi.\n\n\n").compose(None, {})
    assert (prompt.text, prompt.cacheable_chars, len(prompt.provenance)) == ("Hi.", 3, 1)


def test_questions_without_measure_are_refused() -> None:
    """A template that asks about everything makes loading slow and every request a rendering."""
    template = "".join(f"{{% if x == '{n}' %}}{n}{{% endif %}}" for n in range(70))
    with pytest.raises(ContentError, match="asks more than 64 questions about variables"):
        compiled(template, variables={"x": {}})


def test_templates_that_differ_do_not_share_a_compiled_one() -> None:
    """After a reload, a persona is served with a template of the catalog before."""
    assert compiled("one").compose(None, {}).text == "one"
    assert compiled("two").compose(None, {}).text == "two"
    assert compiled("one").compose(None, {}).text == "one"
