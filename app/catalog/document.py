"""A YAML file as a tree of values that know where they stand."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.domain.catalog import Source
from app.domain.conversation import Json
from app.domain.errors import Problem

Scalar = str | int | float | bool | None
Step = str | int
"""A key of a mapping, or an index of a list."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where a person wrote it. It keeps both when it is merged into another tree."""

    content: "Scalar | tuple[Node, ...] | dict[str, Node]"
    source: Source
    path: str = ""
    """Where it stands in its own file, such as ``rules[2].then``; empty for the whole file."""
    key: Source | None = None
    """Where its key stands, for a value of a mapping."""

    def plain(self) -> Json:
        """The value without positions."""
        match self.content:
            case dict() as entries:
                return {key: value.plain() for key, value in entries.items()}
            case tuple() as items:
                return [item.plain() for item in items]
            case scalar:
                return scalar

    def child(self, *steps: Step) -> "Node | None":
        """The value that these steps lead to, if there is one."""
        node: Node | None = self
        for step in steps:
            node = _step(node, step) if node else None
        return node

    def nearest(self, *steps: Step) -> "Node":
        """The value that these steps lead to, or else the last one on the way; for messages."""
        node = self
        for step in steps:
            below = _step(node, step)
            if below is None:
                break
            node = below
        return node

    @property
    def entries(self) -> "dict[str, Node]":
        """What a mapping holds; empty where this is no mapping."""
        return self.content if isinstance(self.content, dict) else {}

    @property
    def items(self) -> "tuple[Node, ...]":
        """What a list holds; empty where this is no list."""
        return self.content if isinstance(self.content, tuple) else ()

    @property
    def text(self) -> str | None:
        """The value where it is text."""
        return self.content if isinstance(self.content, str) else None

    def problem(self, what: str) -> Problem:
        """Something wrong with this value."""
        return _problem(self.source, self.path, what)

    def key_problem(self, what: str) -> Problem:
        """Something wrong with the key of this value."""
        return _problem(self.key or self.source, self.path, what)


def _step(node: Node, step: Step) -> Node | None:
    if isinstance(step, str):
        return node.entries.get(step)
    return node.items[step] if 0 <= step < len(node.items) else None


def _problem(at: Source, path: str, what: str) -> Problem:
    return Problem(at.file, at.line, at.column, path, what)


def step_into(path: str, step: Step) -> str:
    """The path one step further down: ``rules``, then ``rules[2]``, then ``rules[2].then``."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    return f"{path}.{step}" if path else step


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every value of a tree with its path in this tree, from the top down."""
    yield path, node
    for key, value in node.entries.items():
        yield from walk(value, step_into(path, key))
    for index, item in enumerate(node.items):
        yield from walk(item, step_into(path, index))


def file_problem(file: str, what: str) -> Problem:
    """Something wrong with a file as a whole."""
    return Problem(file, 0, 0, "", what)


def without(node: Node, *keys: str) -> Node:
    """A mapping without some of its keys; anything else as it is."""
    if not isinstance(node.content, dict):
        return node
    entries = {key: value for key, value in node.content.items() if key not in keys}
    return replace(node, content=entries)
