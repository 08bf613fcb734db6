"""Nothing of somebody else's file is dropped in silence: it changes what is written, or is told."""

import contextlib
import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.catalog.yaml_source import parse_document
from app.domain.errors import ContentError, Problem
from app.imports.character_card import read_character_card
from app.imports.dotprompt import read_dotprompt
from app.imports.front_matter import read_sheet
from app.imports.litellm_config import read_litellm
from app.imports.persona_writer import FoundPersona, Place, persona_files
from app.imports.prompty import read_prompty
from app.imports.taking import listed
from tests.imports.importing import FILES

Step = str | int
Made = tuple[Mapping[str, str], tuple[Problem, ...]]


def of_persona(found: FoundPersona) -> Made:
    """What is written, without what it says is left out, and that."""
    told, found.left_out = tuple(found.left_out), ()
    return persona_files(found, Place("x", "baseline", "balanced"), "a test"), told


def of_deployment(path: Path) -> Made:
    """As ``of_persona``."""
    found = read_litellm(path)
    told, found.left_out = found.left_out, ()
    return {"file": found.text((), {}, "a test"), "rules": found.policy("baseline", "a test")}, told


@dataclass(frozen=True)
class Kind:
    """One of the importers, with a file of the tool's."""

    sample: str
    ending: str
    make: Callable[[Path], Made]
    body: str = ""
    """What follows the front matter."""

    def tree(self) -> Any:  # noqa: ANN401  # JSON
        """What the sample says."""
        path = FILES / self.sample
        if self.body:
            return read_sheet(path).front.plain()
        return parse_document(path.read_bytes(), path.name).plain()

    def made(self, tree: object, folder: Path) -> Made:
        """What the importer makes of such a file."""
        path = folder / f"f{self.ending}"
        text = json.dumps(tree)
        path.write_text(f"---\n{text}\n---\n{self.body}" if self.body else text, "utf-8")
        return self.make(path)


def _sheet(name: str, ending: str, read: Callable[[Path], FoundPersona]) -> Kind:
    return Kind(name, ending, lambda path: of_persona(read(path)), read_sheet(FILES / name).body)


KINDS = {
    "card": Kind(
        "character_card/v2.json",
        ".json",
        lambda path: of_persona(read_character_card(path, "assistant")),
    ),
    "prompty-1": _sheet("prompty/v1.prompty", ".prompty", read_prompty),
    "prompty-2": _sheet("prompty/v2.prompty", ".prompty", read_prompty),
    "dotprompt": _sheet("dotprompt/greeting.prompt", ".prompt", read_dotprompt),
    "litellm": Kind("litellm/config.yaml", ".yaml", of_deployment),
}


def leaves(value: object, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Where a value that is no mapping or list stands."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from leaves(each, (*path, index))
    else:
        yield path


def changed(tree: Any, path: tuple[Step, ...]) -> Iterator[Any]:  # noqa: ANN401  # JSON
    """The same with another value there: numbers by little and by much."""
    old = tree
    for step in path:
        old = old[step]
    if isinstance(old, bool) or old is None:
        others: list[object] = [not old]
    else:
        others = [old + "Q"] if isinstance(old, str) else [old + 1, old - 1000, old + 1000]
    for other in others:
        made = copy.deepcopy(tree)
        at = made
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = other
        yield made


def written(path: tuple[Step, ...]) -> str:
    """As problems name it."""
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in path).lstrip(".")


def is_told(path: tuple[Step, ...], told: tuple[Problem, ...]) -> bool:
    """Whether a place, or one above it, is among what is told."""
    places = {written(path[: length + 1]) for length in range(len(path))}
    return any(problem.path in places for problem in told)


@pytest.mark.parametrize("name", KINDS)
def test_every_value_is_written_or_told(name: str, tmp_path: Path) -> None:
    """Somebody would believe that all of their file had moved, and it had not."""
    kind = KINDS[name]
    tree = kind.tree()
    before = kind.made(tree, tmp_path)
    silent = []
    for path in leaves(tree):
        if is_told(path, before[1]):
            continue
        if not any(_is_seen(kind, other, before, tmp_path) for other in changed(tree, path)):
            silent.append(written(path))
    assert silent == []


def _is_seen(kind: Kind, tree: object, before: Made, folder: Path) -> bool:
    try:
        return kind.made(tree, folder) != before
    except ContentError:
        return True  # a value that decides whether the file is one at all


@given(st.data(), st.sampled_from(sorted(KINDS)), st.sampled_from(["zzz", "x-y", "Zz z"]))
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_no_importer_knows_is_told(
    tmp_path: Path, data: st.DataObject, name: str, key: str
) -> None:
    """A key of a newer version would be lost without a word."""
    kind = KINDS[name]
    tree = kind.tree()
    above = sorted({path[:-1] for path in leaves(tree) if isinstance(path[-1], str)}, key=str)
    path = data.draw(st.sampled_from(above))
    at = tree
    for step in path:
        at = at[step]
    at[key] = {"deep": ["value"]}
    assert is_told((*path, key, "deep", 0), kind.made(tree, tmp_path)[1]), written((*path, key))


@pytest.mark.parametrize("name", KINDS)
def test_what_is_told_says_what_to_do_and_no_value(name: str, tmp_path: Path) -> None:
    """A secret would be printed, or somebody be left without a remedy."""
    kind = KINDS[name]
    _, told = kind.made(kind.tree(), tmp_path)
    said = " ".join(what for _, what in listed(told))
    files = str(kind.made(kind.tree(), tmp_path)[0])
    for value in ("hunter2", "sk-plain", "sk-1234", "abc123plain", "cache.internal", "treasure"):
        assert value not in said
        assert value not in files
    assert all(len(each.what.split()) >= 4 for each in told)


TEXTS = st.text(max_size=60) | st.sampled_from(
    [
        "---\na: b\n---\n",
        "---\n[\n---\n",
        "---\n- 1\n---\nsystem:\n{{",
        "{{#if x}}",
        "{% if x %}{{ y",
    ]
)


@given(st.binary(max_size=80) | TEXTS.map(str.encode), st.sampled_from(sorted(KINDS)))
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes, name: str) -> None:
    """A file of another kind would end in a traceback."""
    path = tmp_path / f"any{KINDS[name].ending}"
    path.write_bytes(data)
    with contextlib.suppress(ContentError):
        KINDS[name].make(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("card", '{"name": "Ida", "description": "x", "personality": "", "extensions": {}}'),
        ("prompty-1", "---\nname: Ida\n---\nsystem:\nBe kind."),
        ("prompty-1", "Be kind."),
        ("prompty-2", "---\nname: Ida\ninputs: {a: {kind: string}}\n---\nBe kind to {{a}}."),
        ("dotprompt", '{{role "system"}}Be kind.'),
        ("dotprompt", '---\ninput: {schema: {a: string}}\n---\n{{role "system"}}Hi {{a}}'),
        ("litellm", "model_list: [{model_name: a, litellm_params: {model: gpt-4.1-mini}}]"),
    ],
)
def test_a_file_that_is_carried_over_whole_has_nothing_told(
    name: str, text: str, tmp_path: Path
) -> None:
    """Somebody would look for what is lost where nothing is."""
    path = tmp_path / f"f{KINDS[name].ending}"
    path.write_text(text)
    assert KINDS[name].make(path)[1] == ()
