"""Changes values in a YAML file that people wrote, and nothing else: comments and form stay."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import yaml
from yaml.cyaml import CBaseLoader
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from app.catalog.yaml_source import parse_document
from app.catalog.yaml_writer import scalar_text
from app.domain.conversation import Json
from app.domain.errors import ContentError

Reword = Callable[[str], str]
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Edit:
    """What stands at a place of the text instead."""

    start: int
    end: int
    text: str


def with_values(text: str, file: str, values: Mapping[Path, str]) -> str:
    """The file with texts at some keys of its mappings; a key that is not there is added.

    Raises:
        ContentError: The text is no strict YAML.
    """
    for path, value in values.items():
        root = _root(text, file)
        text = _applied(text, [_set(text, root, path, value)])
    return text


def reworded(text: str, file: str, reword: Reword) -> str:
    """The file with every text of it, but keys, as ``reword`` has it.

    Raises:
        ContentError: The text is no strict YAML.
    """
    changed = [node for node in _texts(_root(text, file)) if reword(node.value) != node.value]
    wanted = _plain_reworded(parse_document(text.encode(), file).plain(), reword)
    in_form = _applied(text, [_edit(text, node, reword(_span(text, node))) for node in changed])
    # Where a word as it is would be read otherwise, such as one that holds ': ', quotes help.
    if _reads_as(in_form, file, wanted):
        return in_form
    quoted = [_edit(text, node, scalar_text(reword(node.value))) for node in changed]
    return _applied(text, quoted)


def without_items(text: str, file: str, key: str, drops: Callable[[Json], bool]) -> str:
    """The file without some items of the list at a key, with the lines that they stand in.

    Raises:
        ContentError: The text is no strict YAML.
    """
    tree = parse_document(text.encode(), file)
    items = tree.nearest(key).items
    lines = text.splitlines(keepends=True)
    starts = [item.source.line - 1 for item in items]
    ends = [*starts[1:], len(lines)]
    gone = {
        line
        for item, start, end in zip(items, starts, ends, strict=True)
        if drops(item.plain())
        for line in range(start, end)
    }
    return "".join(line for number, line in enumerate(lines) if number not in gone)


def _root(text: str, file: str) -> Node:
    parse_document(text.encode(), file)
    root: Node | None = yaml.compose(text, Loader=CBaseLoader)
    return root or MappingNode("", [])


def _reads_as(text: str, file: str, wanted: Json) -> bool:
    try:
        return bool(parse_document(text.encode(), file).plain() == wanted)
    except ContentError:
        return False


def _plain_reworded(value: Json, reword: Reword) -> Json:
    match value:
        case dict():
            return {key: _plain_reworded(each, reword) for key, each in value.items()}
        case list():
            return [_plain_reworded(each, reword) for each in value]
        case str():
            return reword(value)
        case _:
            return value


def _texts(node: Node) -> Iterator[ScalarNode]:
    match node:
        case MappingNode():
            for _, value in node.value:
                yield from _texts(value)
        case SequenceNode():
            for value in node.value:
                yield from _texts(value)
        case ScalarNode():
            yield node
        case _:
            raise TypeError(type(node))


def _set(text: str, root: Node, path: Path, value: str) -> _Edit:
    """Change the value that is there, or add what is missing at the start of a mapping."""
    node: Node = root
    for depth, key in enumerate(path):
        inner = {each.value: value for each, value in node.value}.get(key)
        if inner is None:
            return _added(node, path[depth:], value)
        node = inner
    return _edit(text, node, scalar_text(value))


def _added(node: Node, path: Path, value: str) -> _Edit:
    written = scalar_text(value)
    for key in reversed(path[1:]):
        written = f"{{{key}: {written}}}"
    first = node.value[0][0].start_mark
    entry = f"{path[0]}: {written}"
    is_in_line = isinstance(node, MappingNode) and node.flow_style
    between = ", " if is_in_line else "\n" + " " * first.column
    return _Edit(first.index, first.index, entry + between)


def _span(text: str, node: Node) -> str:
    return text[node.start_mark.index : node.end_mark.index]


def _edit(text: str, node: Node, written: str) -> _Edit:
    """A block of text ends with its line, and so must what replaces it."""
    span = _span(text, node)
    ending = re.search(r"\n\s*\Z", span)
    if ending and not written.endswith("\n"):
        written += ending[0]
    return _Edit(node.start_mark.index, node.end_mark.index, written)


def _applied(text: str, edits: Iterable[_Edit]) -> str:
    for edit in sorted(set(edits), key=lambda each: each.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text
