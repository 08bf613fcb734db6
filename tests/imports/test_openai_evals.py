"""OpenAI evals become suites; what cannot be carried over is said with its line."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.yaml_source import parse_document
from app.domain.errors import ContentError
from app.imports.openai_evals import read_openai_evals
from tests.imports.importing import FILES, written
from tests.imports.test_promptfoo import JSON

ENTRIES = FILES / "openai_evals" / "registry" / "evals" / "fees.yaml"


def test_entries_of_the_registry_become_this_suite() -> None:
    """A team that moves here would lose samples, or not be told which."""
    made = written(read_openai_evals([ENTRIES], "balanced")).text
    expected = FILES / "openai_evals" / "expected.txt"
    assert made == expected.read_text("utf-8")


def test_samples_that_no_entry_names_are_said(tmp_path: Path) -> None:
    """A file would be given, and nothing of it be read."""
    samples = tmp_path / "other.jsonl"
    samples.write_text('{"input": "Hi", "ideal": "Hello"}\n')
    found = read_openai_evals([ENTRIES, samples], None)
    assert "other.jsonl" in {problem.file for problem in found.left_out}


def test_samples_are_looked_for_inside_the_registry_alone(tmp_path: Path) -> None:
    """A stranger's entry would name any file of the machine."""
    entry = tmp_path / "registry" / "evals" / "e.yaml"
    entry.parent.mkdir(parents=True)
    (tmp_path / "registry" / "data").mkdir()
    (tmp_path / "secret.jsonl").write_text('{"input": "Hi", "ideal": "Hello"}')
    args = {"samples_jsonl": "../../secret.jsonl"}
    entry.write_text(json.dumps({"e": {"class": "evals.elsuite.basic.match:Match", "args": args}}))
    found = read_openai_evals([entry], None)
    assert found.cases == []
    assert "not there" in found.left_out[0].what


def test_a_match_is_one_of_the_beginnings(tmp_path: Path) -> None:
    """An ideal with a full stop would match any letter there."""
    entry = tmp_path / "e.yaml"
    args = {"samples_jsonl": "s.jsonl"}
    entry.write_text(json.dumps({"e": {"class": "evals.elsuite.basic.match:Match", "args": args}}))
    samples = tmp_path / "s.jsonl"
    samples.write_text(json.dumps({"input": "Hi", "ideal": ["a.b", "c|d"]}))
    found = read_openai_evals([entry, samples], None)
    (check,) = found.cases[0].checks
    assert check.written == {"pattern": r"^\s*(?:a\.b|c\|d)"}


@given(
    entry=JSON,
    line=st.dictionaries(st.sampled_from(["input", "ideal", "criteria", "x"]), JSON) | JSON,
    kind=st.sampled_from(["Match", "Includes", "FuzzyMatch", "JsonMatch", "ModelBasedClassify"]),
)
@settings(deadline=None, max_examples=60)
def test_whatever_files_hold_they_are_read_or_refused(
    entry: object, line: object, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A stranger's files would end in a traceback, or in a suite that cannot be read."""
    folder = tmp_path_factory.mktemp("evals")
    known = {"class": f"m:{kind}", "args": {"samples_jsonl": "s.jsonl", "modelgraded_spec": "fact"}}
    (folder / "e.yaml").write_text(json.dumps({"a": known, "b": entry}))
    (folder / "s.jsonl").write_text(json.dumps(line))
    try:
        made = written(read_openai_evals([folder / "e.yaml", folder / "s.jsonl"], "small"))
    except ContentError:
        return
    parse_document(made.text.encode(), "suite.yaml")
