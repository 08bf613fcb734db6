"""promptfoo's configurations become suites; what cannot be carried over is said, never run."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.catalog.yaml_source import parse_document
from app.domain.errors import ContentError
from app.imports.promptfoo import Wishes, read_promptfoo
from tests.imports.importing import FILES, written

CONFIG = FILES / "promptfoo" / "promptfooconfig.yaml"
CHAT = '[{"role": "user", "content": "Please: {{q}}"}]'


def test_a_configuration_becomes_this_suite() -> None:
    """A team that moves here would lose cases, or not be told which."""
    made = written(read_promptfoo(CONFIG, Wishes(judge="balanced"))).text
    expected = CONFIG.parent / "expected.txt"
    assert made == expected.read_text("utf-8")


def read(folder: Path, config: object, wishes: Wishes | None = None) -> Any:  # noqa: ANN401  # a suite
    """What a suite holds that is made of a configuration."""
    path = folder / "promptfooconfig.yaml"
    path.write_text(json.dumps(config), "utf-8")
    return written(read_promptfoo(path, wishes or Wishes()))


def one(assertion: dict[str, object], **more: object) -> dict[str, object]:
    """A configuration of one test with one assertion."""
    test = {"vars": {"q": "hello", "a": "Paris"}, "assert": [assertion], **more}
    return {"prompts": ["{{q}}"], "tests": [test]}


CARRIED = [
    ({"type": "contains", "value": "{{ a }}"}, {"contains": "Paris"}),
    ({"type": "contains", "value": 0}, {"contains": "0"}),
    ({"type": "not-icontains", "value": "x"}, {"lacks": "x", "ignore_case": True}),
    ({"type": "contains-all", "value": ["x", "y"]}, {"contains": ["x", "y"]}),
    ({"type": "not-contains-any", "value": ["x", "y"]}, {"lacks": ["x", "y"]}),
    ({"type": "equals", "value": {"a": 1}}, {"json_schema": {"enum": [{"a": 1}]}}),
    ({"type": "not-equals", "value": "a.b"}, {"pattern": r"^a\.b$", "expect": "absent"}),
    ({"type": "starts-with", "value": "(a)"}, {"pattern": r"^\(a\)"}),
    ({"type": "not-regex", "value": r"\d+"}, {"pattern": r"\d+", "expect": "absent"}),
    ({"type": "is-json"}, {"json_schema": {}}),
    ({"type": "cost", "threshold": 0.5}, {"at_most": {"cost": 0.5}}),
    ({"type": "word-count", "value": 5}, {"length": {"min_words": 5, "max_words": 5}}),
    (
        {"type": "not-llm-rubric", "value": "rude to {{a}}"},
        {
            "judge": {
                "question": "Does the answer meet this criterion? rude to Paris",
                "expect": "no",
                "routes": ["small"],
            }
        },
    ),
]


@pytest.mark.parametrize(("assertion", "check"), CARRIED)
def test_an_assertion_becomes_the_check_that_says_the_same(
    tmp_path: Path, assertion: dict[str, object], check: dict[str, object]
) -> None:
    """A case would ask for something else than it did."""
    made = read(tmp_path, one(assertion), Wishes(judge="small"))
    (case,) = parse_document(made.text.encode(), "suite.yaml").plain()["cases"]
    assert case["turns"] == [{"user": "hello", "expect": [check]}]
    assert made.left_out == ()


LEFT_OUT = [
    {"type": "python", "value": "output == 'x'"},
    {"type": "similar", "value": "x", "threshold": 0.8},
    {"type": "not-contains-all", "value": ["x", "y"]},
    {"type": "contains", "value": "{{ a | upper }}"},
    {"type": "contains", "value": "{{ unknown }}"},
    {"type": "contains", "value": "file://x.txt"},
    {"type": "contains", "value": [["x"]]},
    {"type": "contains"},
    {"type": "regex", "value": r"(?=x)"},
    {"type": "is-json", "value": {"type": "no such type"}},
    {"type": "latency"},
    {"type": "llm-rubric", "value": "polite"},
    {"type": "assert-set", "threshold": 0.5, "assert": [{"type": "contains", "value": "x"}]},
    {"type": "no-such-type\nwith a line end", "value": "x"},
    {},
]


@pytest.mark.parametrize("assertion", LEFT_OUT)
def test_what_cannot_be_carried_over_is_said_with_its_place(
    tmp_path: Path, assertion: dict[str, object]
) -> None:
    """A check would be dropped in silence, and the case pass for it."""
    made = read(tmp_path, one(assertion))
    assert made.cases == 0
    assert {each.file for each in made.left_out} == {"promptfooconfig.yaml"}
    assert any("assert[0]" in each.path for each in made.left_out)
    assert all("\n" not in each.what for each in made.left_out)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"prompts": "Say {{q}}", "tests": []}, "Say hello"),
        ({"prompts": [CHAT], "tests": []}, "Please: hello"),
        ({"prompts": [{"raw": "{{q}}!", "label": "loud"}], "tests": []}, "hello!"),
        ({"prompts": ["{{q}} {{ q|upper }}"], "tests": []}, None),
        ({"prompts": ["{% if q %}x{% endif %}"], "tests": []}, None),
        ({"prompts": ["file://../../etc/passwd.txt"], "tests": []}, None),
        ({"prompts": ["file://prompt.py"], "tests": []}, None),
        ({"prompts": [], "tests": []}, None),
    ],
)
def test_a_prompt_is_filled_in_and_never_run(
    tmp_path: Path, config: dict[str, object], says: str | None
) -> None:
    """A template of a stranger would be executed, or half of it be said."""
    test = {"vars": {"q": "hello"}, "assert": [{"type": "contains", "value": "x"}]}
    made = read(tmp_path, {**config, "tests": [test]})
    if says is None:
        assert made.cases == 0
        assert made.left_out != ()
        return
    (case,) = parse_document(made.text.encode(), "suite.yaml").plain()["cases"]
    assert case["turns"][0]["user"] == says


def test_values_are_never_templates(tmp_path: Path) -> None:
    """A value that looks like a template would be executed where the prompt was not."""
    made = read(tmp_path, one({"type": "contains", "value": "49"}, vars={"q": "{{ 7 * 7 }}"}))
    assert made.cases == 0
    assert "template" in made.left_out[0].what


def test_a_list_of_values_is_a_case_each_and_has_a_bound(tmp_path: Path) -> None:
    """A matrix of values would be one case, or fill the memory."""
    many = {f"v{index}": list(range(10)) for index in range(8)}
    made = read(tmp_path, one({"type": "contains", "value": "x"}, vars={"q": ["a", "b"]}))
    assert made.cases == 2
    made = read(tmp_path, one({"type": "contains", "value": "x"}, vars={"q": "a", **many}))
    assert made.cases == 2_000
    assert "more than" in made.left_out[0].what


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
WORDS = st.sampled_from(
    ["prompts", "tests", "vars", "assert", "type", "value", "contains", "{{q}}", "q", "regex"]
)
CONFIGS = st.recursive(
    WORDS | JSON,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=25,
)


@given(config=CONFIGS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_file_holds_it_is_read_or_refused(
    config: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A stranger's file would end in a traceback, or in a suite that cannot be read."""
    folder = tmp_path_factory.mktemp("config")
    tests = {"prompts": ["{{q}}"], "tests": config, "defaultTest": config}
    for each in (config, tests):
        try:
            made = read(folder, each)
        except ContentError:
            continue
        parse_document(made.text.encode(), "suite.yaml")


@given(data=st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
@settings(deadline=None, max_examples=60)
def test_whatever_a_table_holds_it_is_read_or_said(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A table with odd bytes would end in a traceback."""
    folder = tmp_path_factory.mktemp("table")
    for name in ("t.csv", "t.jsonl", "t.json"):
        (folder / name).write_bytes(b"q,__expected\n" + data if name == "t.csv" else data)
        made = read(folder, {"prompts": ["{{q}}"], "tests": [f"file://{name}"]})
        parse_document(made.text.encode(), "suite.yaml")
