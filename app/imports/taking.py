"""Walks what somebody else's file says, so that each value is either taken or told of."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.catalog.document import Node, step_into
from app.domain.catalog import Source
from app.domain.conversation import Json
from app.domain.errors import Problem
from app.imports.found import shown


@dataclass(slots=True)
class Taking:
    """What was taken of one file, and what was not."""

    left_out: list[Problem] = field(default_factory=list)
    """Each with its place. Quotes keys and kinds, no values."""
    _done: set[tuple[str, str]] = field(default_factory=set)

    def take(self, node: Node | None) -> Json:
        """A value with all that is in it, which counts as taken; none where there is no such."""
        if node is None:
            return None
        self._done.add(_place(node))
        return node.plain()

    def text(self, node: Node | None) -> str:
        """A text, as ``take``; what is none is told of, and is empty."""
        if node is None or node.content is None:
            self.take(node)
            return ""
        if node.text is None:
            self.leave(node, "is no text")
            return ""
        self.take(node)
        return node.text

    def number(self, node: Node | None) -> int | float | None:
        """A number, as ``take``; what is none is told of."""
        value = node.content if node is not None else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.take(node)
            return value
        if node is not None and value is not None:
            self.leave(node, "is no number")
        return None

    def leave(self, node: Node | None, what: str) -> None:
        """Tell of a value, with all that is in it."""
        if node is not None:
            self._done.add(_place(node))
            self.left_out.append(node.key_problem(what))

    def note(self, node: Node, what: str) -> None:
        """Tell of something about a value that is taken nevertheless."""
        self.left_out.append(node.key_problem(what))

    def rest(self, tree: Node, reasons: Mapping[str, str], otherwise: str) -> None:
        """Tell of everything that was neither taken nor told of yet.

        Args:
            tree: Where to look.
            reasons: Why, by the key that a value stands at.
            otherwise: Why, of all other keys.
        """
        for key, node in _unfinished(tree, "", self._done):
            if not _is_empty(node):
                self.leave(node, reasons.get(key, otherwise))


def _place(node: Node) -> tuple[str, str]:
    return (node.source.file, node.path)


def _unfinished(node: Node, key: str, done: set[tuple[str, str]]) -> Iterator[tuple[str, Node]]:
    """The topmost values of which nothing was taken, each with its key."""
    if _place(node) in done:
        return
    inner = [*node.entries.items(), *((key, item) for item in node.items)]
    if inner and _has_done(node, done):
        for name, each in inner:
            yield from _unfinished(each, name, done)
    else:
        yield key, node


def _has_done(node: Node, done: set[tuple[str, str]]) -> bool:
    inner = (*node.entries.values(), *node.items)
    return any(_place(each) in done or _has_done(each, done) for each in inner)


def _is_empty(node: Node) -> bool:
    """Whether nothing is said: many tools write every key, most of them with nothing."""
    return node.content in (None, "", (), {})


def node_of(value: Json, file: str, path: str = "") -> Node:
    """A value without lines, such as one of a picture, as a tree that knows its paths."""
    source = Source(file, 0, 0)
    match value:
        case dict():
            entries = {
                key: node_of(each, file, step_into(path, shown(key, "…")))
                for key, each in value.items()
            }
            return Node(entries, source, path)
        case list():
            items = [node_of(each, file, step_into(path, at)) for at, each in enumerate(value)]
            return Node(tuple(items), source, path)
        case _:
            return Node(value, source, path)


_INDEX = re.compile(r"\[\d+\]")


def grouped(problems: Sequence[Problem]) -> Iterator[Problem]:
    """One of each kind, which says how many of it there are."""
    kinds: dict[tuple[str, str, str], list[Problem]] = {}
    for each in problems:
        kinds.setdefault((each.file, _INDEX.sub("[]", each.path), each.what), []).append(each)
    for same in kinds.values():
        first, more = same[0], len(same) - 1
        if not more:
            yield first
        else:
            what = f"{first.what} (and {more} more like it)"
            yield Problem(first.file, first.line, first.column, first.path, what)
