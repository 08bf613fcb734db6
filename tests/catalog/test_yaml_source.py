"""The strict YAML reader: what it gives, what it refuses, and that it does nothing else."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.catalog.document import Node, walk
from app.catalog.yaml_source import MAX_BYTES, MAX_DEPTH, parse_document, read_document
from app.domain.errors import ContentError, Problem

VALUES = {
    "on": "on", "off": "off", "yes": "yes", "no": "no", "NO": "NO", "Yes": "Yes", "y": "y",
    "true": True, "false": False, "True": True, "FALSE": False, "tRUE": "tRUE",
    "null": None, "~": None, "": None, "Null": None, "none": "none", "nULL": "nULL",
    "12": 12, "-7": -7, "+3": 3, "007": 7, "0o17": 15, "0x1F": 31, "0b11": "0b11", "1_000": "1_000",
    "1.5": 1.5, ".5": 0.5, "1.": 1.0, "1e3": 1000.0, "-2.5E-1": -0.25, "1e": "1e", ".": ".",
    "12:30": "12:30", "190:20:30": "190:20:30", "2026-01-31": "2026-01-31", "=": "=",
    '"12"': "12", "'true'": "true", "'~'": "~", "a << b": "a << b",
}  # fmt: skip


def value_of(text: str) -> object:
    """What a document means."""
    return parse_document(text.encode(), "file.yaml").plain()


def problems_of(data: bytes) -> list[str]:
    """What is wrong with a document."""
    with pytest.raises(ContentError) as caught:
        parse_document(data, "file.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(("text", "meant"), VALUES.items(), ids=VALUES.keys())
def test_a_plain_scalar_means_what_yaml_1_2_says(text: str, meant: object) -> None:
    """A country code would become false, a time a number, or a version a float."""
    value = value_of(f"key: {text}\n")
    assert value == {"key": meant}
    assert isinstance(value, dict)
    assert type(value["key"]) is type(meant)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "9" * 30, "0xffffffffffffffff"])
def test_numbers_that_others_cannot_read_are_refused(text: str) -> None:
    """A threshold that compares with nothing, or means another number elsewhere, would load."""
    assert len(problems_of(f"key: {text}\n".encode())) == 1


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"a: 1\na: 2\n", "file.yaml:2:1: a: is written twice; it already stands in line 1"),
        (b"{a: 1, 'a': 2}", "file.yaml:1:8: a: is written twice; it already stands in line 1"),
        (b"a: {b: 1}\nb: {c: 1, c: 2}", "file.yaml:2:11: b.c: is written twice; it already "),
        (b"a: !!str 5", "file.yaml:1:4: a: has a tag"),
        (b"!!python/object:os.system {}", "file.yaml:1:1: has a tag"),
        (
            b"a: &x 1\nb: &x 2",
            "file.yaml:2:4: b: names an anchor that is already taken; give it another name",
        ),
        (b"a: *x", "file.yaml:1:4: a: is an alias of nothing above it"),
        (b"a: &x [*x]", "file.yaml:1:8: a[0]: is an alias of nothing above it"),
        (
            b"*x : 1",
            "file.yaml:1:1: has a key that is not text; a key is one word or a text in quotes",
        ),
        (
            b"? [a]\n: 1",
            "file.yaml:1:3: has a key that is not text; a key is one word or a text in quotes",
        ),
        (b"5: a", "file.yaml:1:1: 5: is a key that is not text; put it in quotes"),
        (b"%YAML 1.1\n---\na: 1", "file.yaml:1:1: is not YAML 1.2"),
        (b"%TAG ! tag:x,2026:\n---\na: 1", "file.yaml:1:1: has a %TAG line"),
        (b"a: 1\n...\n---\nb: 1", "file.yaml:3:1: holds more than one document"),
        (b"a: b\xff", "file.yaml:1:5: is not UTF-8: byte 0xff; save the file as UTF-8"),
        (b"a: 1\r\nb: \x00", "file.yaml:2:4: has a NUL character; remove it"),
        (b"a: \x07", "file.yaml:1:4: has a character that must be written as an escape: U+0007"),
        ("a: x\u2028y".encode(), "file.yaml:1:5: has a character that must be written as an "),
        (b"\xff\xfea\x00", "file.yaml:1:1: begins with a byte order mark"),
        (b"a:\n\t- b", "file.yaml:2:1: is indented with a tab"),
        (b"a: |\n\tb", "file.yaml:2:1: is indented with a tab"),
        (b"a: 'b", "file.yaml:1:6: is not YAML: found unexpected end of stream; close the quotes"),
        (b'a: "\\ud800"', "file.yaml:1:7: is not YAML"),
    ],
    ids=repr,
)
def test_what_is_not_strict_yaml_is_refused_with_its_place(data: bytes, what: str) -> None:
    """Something that two readers understand differently would be taken for one of the two."""
    found = problems_of(data)
    assert any(problem.startswith(what) for problem in found), found


def test_every_duplicate_is_named_at_once() -> None:
    """An author would fix one duplicate only to be told of the next."""
    assert len(problems_of(b"a: 1\na: 2\nb: 1\nb: 2\na: 3\n")) == 3


def test_aliases_give_equal_values_and_are_counted_in_full() -> None:
    """An alias would mean something else, or a small file would fill the memory."""
    assert value_of("a: &x {b: [1, 2]}\nc: *x\n") == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}
    names = "abcdefgh"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{this}: &{this} [{', '.join([f'*{last}'] * 10)}]" for last, this in pairwise(names)]
    assert "aliases counted in full" in problems_of("\n".join(lines).encode())[0]


def test_depth_and_size_are_bounded(tmp_path: Path) -> None:
    """A file could exhaust the stack or the memory of the gateway."""
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert isinstance(value_of(deepest), list)
    assert "nested deeper" in problems_of(f"[{deepest}]".encode())[0]
    assert "nested deeper" in problems_of(b"[" * 100_000)[0]
    assert (
        "nested deeper"
        in problems_of(f"a: &x {'[' * 30 + ']' * 30}\nb: {'[' * 30}*x{']' * 30}".encode())[0]
    )
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ContentError, match="larger than"):
        read_document(path, tmp_path)


def test_every_value_and_key_knows_its_place() -> None:
    """A message would send the author to the wrong line."""
    text = "rules:\n  - id: a\n    then: {minor: [{at: 0.3, do: block}]}\n"
    text += "  - id: 漢\n    why: >\n      b\n"
    tree = parse_document(text.encode(), "policies/x.yaml")
    places = {path: (node.source.line, node.source.column) for path, node in walk(tree)}
    assert places["rules"] == (2, 3)
    assert places["rules[0].then.minor[0].do"] == (3, 34)
    assert places["rules[1].id"] == (4, 9)
    assert places["rules[1].why"] == (5, 10)
    node = tree.child("rules", 1, "why")
    assert node is not None
    assert node.key is not None
    assert (node.key.line, node.key.column) == (5, 5)
    assert all(path == node.path for path, node in walk(tree))


def test_an_empty_file_is_null() -> None:
    """A file that was only begun would stop the reader instead of naming what it lacks."""
    assert value_of("") is None
    assert value_of("# nothing yet\n") is None


def test_a_missing_or_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    """A file that went away would stop the gateway with a traceback."""
    with pytest.raises(ContentError, match=r"gone\.yaml: is missing"):
        read_document(tmp_path / "gone.yaml", tmp_path)
    with pytest.raises(ContentError, match="cannot be read"):
        read_document(tmp_path, tmp_path.parent)


PIECES = st.sampled_from(
    ["a", ":", " ", "- ", "? ", "[", "]", "{", "}", ",", "&a ", "*a", "!t ", ">", "|", "'", '"',
     "#", "---", "...", "<<", "~", "0x", "1e9", "\\u0041", "漢", "  ", "%YAML 1.2", "\n", "\r",
     "\t"]
)  # fmt: skip


def read(data: bytes) -> tuple[Node | None, tuple[Problem, ...]]:
    """What a reader gets: a tree, or problems."""
    try:
        return parse_document(data, "file.yaml"), ()
    except ContentError as exc:
        return None, exc.problems


@settings(deadline=None, max_examples=400)
@given(st.binary(max_size=200) | st.lists(PIECES, max_size=40).map(lambda p: "".join(p).encode()))
@example(b"a: !")
@example(b"\xef\xbb\xbf")
@example(b'"\\U00110000"')
def test_any_bytes_give_a_value_or_a_content_error(data: bytes) -> None:
    """Bytes that nobody expected would stop the gateway, or a reload, with a traceback."""
    tree, problems = read(data)
    assert (tree is None) == bool(problems)
    assert not any("\n" in problem.what for problem in problems)
    places = [node.source for _, node in walk(tree)] if tree else []
    assert all(place.line >= 1 and place.column >= 1 for place in places)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(JSON)
def test_json_means_the_same_as_yaml(value: object) -> None:
    """YAML 1.2 holds JSON; a value would be read differently from what another program wrote."""
    tree, problems = read(json.dumps(value).encode())
    if tree is not None:
        assert tree.plain() == value
    # JSON may escape half a character, which is no text in any encoding.
    assert all("escape" in problem.what for problem in problems)
