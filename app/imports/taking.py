"""Walks what somebody else's file says, so that each value is either taken or told of."""

import re
from collections.abc import Collection, Iterator, Mapping
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
            reasons: Why, by the key that a value stands at or under.
            otherwise: Why, of all other keys.
        """
        for keys, node in _unfinished(tree, (), self._done):
            if not _is_empty(node):
                known = (reasons[key] for key in reversed(keys) if key in reasons)
                self.leave(node, next(known, otherwise))


def below(node: Node, key: str) -> Node:
    """What stands at a key; an empty value where there is none."""
    return node.child(key) or Node(None, node.source, step_into(node.path, key))


def _place(node: Node) -> tuple[str, str]:
    return (node.source.file, node.path)


def _unfinished(
    node: Node, keys: tuple[str, ...], done: set[tuple[str, str]]
) -> Iterator[tuple[tuple[str, ...], Node]]:
    """The topmost values of which nothing was taken, each with the keys that lead to it."""
    if _place(node) in done:
        return
    inner = [*node.entries.items(), *(("", item) for item in node.items)]
    if inner and _has_done(node, done):
        for name, each in inner:
            yield from _unfinished(each, (*keys, name), done)
    else:
        yield keys, node


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
_MOST_PLACES = 12


def listed(problems: Collection[Problem]) -> Iterator[tuple[str, str]]:
    """What was told of: where, and what, with all places of one thing together."""
    places: dict[str, dict[str, list[int]]] = {}
    for each in sorted(set(problems)):
        where = _INDEX.sub("[]", each.path)
        places.setdefault(each.what, {}).setdefault(where, []).append(each.line)
    for what, found in places.items():
        named = [_where(path, lines) for path, lines in found.items()]
        more = len(named) - _MOST_PLACES
        rest = [f"and {more} more"] if more > 0 else []
        yield ", ".join([*named[:_MOST_PLACES], *rest]), what


def _where(path: str, lines: list[int]) -> str:
    known = [str(line) for line in dict.fromkeys(lines) if line]
    if not known:
        return path + (f" ({len(lines)} times)" if len(lines) > 1 else "")
    said = f"line{'s' if len(known) > 1 else ''} {', '.join(known)}"
    return f"{path} ({said})" if path else said
