"""``extends``: mappings merge deeply, lists of things with an id by id, other lists replace."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from app.catalog.document import Node
from app.catalog.wording import unknown
from app.domain.errors import Problem

MAX_DEPTH = 8


def merged(parent: Node, child: Node) -> Node:
    """The parent with the child's changes; every value keeps the place where it is written."""
    if isinstance(parent.content, dict) and isinstance(child.content, dict):
        entries = dict(parent.content)
        for key, value in child.content.items():
            entries[key] = merged(entries[key], value) if key in entries else value
        return replace(child, content=entries)
    if parent.items and isinstance(child.content, tuple):
        ours = [_identity(item) for item in parent.items]
        if None not in ours:
            changes = {_identity(item): item for item in child.items}
            kept = [
                merged(item, changes[identity]) if identity in changes else item
                for identity, item in zip(ours, parent.items, strict=True)
            ]
            # One without an id is added, too: it is the mistake, and the others are not.
            added = [item for item in child.items if _identity(item) not in ours]
            return replace(child, content=(*kept, *added))
    return child


def _identity(node: Node) -> tuple[str, ...] | None:
    """What makes two things of a list the same: their id, or a waiver's rule and audience."""
    for keys in (("id",), ("rule", "audience")):
        found = [child.text for key in keys if (child := node.child(key))]
        texts = tuple(text for text in found if text is not None)
        if len(texts) == len(keys):
            return texts
    return None


def duplicates(tree: Node) -> Iterator[Problem]:
    """Things of one list with the same id: the second would silently change the first."""
    seen: dict[tuple[str, ...], Node] = {}
    for item in tree.items:
        identity = _identity(item)
        if identity in seen:
            line = seen[identity].source.line
            name = "' for '".join(identity)
            yield item.problem(f"is '{name}' again; it already stands in line {line}")
        elif identity is not None:
            seen[identity] = item
    for child in (*tree.entries.values(), *tree.items):
        yield from duplicates(child)


def resolve_extends(
    kind: str,
    trees: Mapping[str, Node | None],
    *,
    as_parent: Callable[[Node], Node] = lambda tree: tree,
) -> tuple[dict[str, Node], list[Problem]]:
    """Merge every file with those it extends.

    Args:
        kind: What the files are, for messages.
        trees: The files by id; ``None`` for one that could not be read.
        as_parent: Prepares a merged tree for its children.

    Returns:
        The merged trees by id, and the problems. A file is left out where a parent of it cannot
        be had; only the file where that begins has a problem.
    """
    extends = _Extends(kind, trees, as_parent)
    found = {name: extends.resolve(name, ()) for name in trees}
    return {name: whole for name, whole in found.items() if whole is not None}, extends.problems


class _Extends:
    def __init__(
        self, kind: str, trees: Mapping[str, Node | None], as_parent: Callable[[Node], Node]
    ) -> None:
        self.problems: list[Problem] = []
        self._kind = kind
        self._trees = trees
        self._as_parent = as_parent
        self._done: dict[str, Node | None] = {}
        self._depths: dict[str, int] = {}

    def resolve(self, name: str, below: tuple[str, ...]) -> Node | None:
        if name not in self._done:
            tree = self._trees[name]
            extends = tree.child("extends") if tree else None
            whole = tree
            self._depths[name] = 0
            if tree is not None and extends is not None:
                above = self._parent(extends, (*below, name))
                whole = above and merged(self._as_parent(above), tree)
            self._done[name] = whole
        return self._done[name]

    def _parent(self, extends: Node, chain: tuple[str, ...]) -> Node | None:
        parent = extends.text
        what = ""
        whole: Node | None = None
        if parent is None:
            what = f"must be the id of a {self._kind}"
        elif parent not in self._trees:
            others = [name for name in self._trees if name != chain[-1]]
            what = unknown(self._kind, parent, others)
        elif parent in chain:
            ring = " → ".join((*chain[chain.index(parent) :], parent))
            what = f"goes in a ring; take one of these out: {ring}"
        else:
            whole = self.resolve(parent, chain)
            self._depths[chain[-1]] = self._depths[parent] + 1
            if self._depths[chain[-1]] > MAX_DEPTH:
                what = f"is nested deeper than {MAX_DEPTH} parents; extend one nearer the root"
        if what:
            self.problems.append(extends.problem(what))
            return None
        return whole
