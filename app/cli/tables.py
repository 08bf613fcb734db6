"""Markdown tables, among them those of the keys that a JSON Schema lets be written."""

from collections.abc import Iterator
from typing import Any

Json = Any


def table(*columns: str, rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """Lines of a Markdown table, and an empty one."""
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(cell(value) for value in row)} |"
    yield ""


def cell(text: str) -> str:
    """Text as it may stand in a cell of a table."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def code(value: object) -> str:
    """A value as code; nothing where there is none."""
    return f"`{value}`" if str(value) else ""


class Keys:
    """Tables of the keys that a JSON Schema lets be written."""

    def __init__(self, schema: Json, *, skips: frozenset[str] = frozenset({"detect"})) -> None:
        self._schema = schema
        self._skips = skips

    def tables(self, node: Json = None) -> Iterator[str]:
        """A table for each mapping, the whole file's first."""
        waiting = list(self._mappings("", self._schema if node is None else node))
        seen: set[str] = set()
        while waiting:
            path, mapping = waiting.pop(0)
            described = str(mapping["properties"])
            if described in seen:
                continue
            seen.add(described)
            if path:
                yield from (f"### `{path}`", "")
            if mapping.get("description"):
                yield from (cell(mapping["description"]), "")
            yield from table("key", "holds", "default", "meaning", rows=self._lines(mapping))
            for key, inner in mapping["properties"].items():
                if key not in self._skips:
                    waiting += self._mappings(f"{path}.{key}".removeprefix("."), inner)

    def _lines(self, mapping: Json) -> Iterator[tuple[str, ...]]:
        for key, node in mapping["properties"].items():
            default = node.get("default")
            is_plain = isinstance(default, str | int | float) and default != ""
            shown = code(_yaml(default)) if is_plain else "none" if "default" in node else ""
            shown = "see below" if isinstance(default, dict) and default else shown
            yield code(key), self._holds(node), shown, self._follow(node).get("description", "")

    def _follow(self, node: Json) -> Json:
        if "$ref" not in node:
            return node
        definition = self._schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
        return {**definition, **{key: value for key, value in node.items() if key != "$ref"}}

    def _mappings(self, path: str, node: Json) -> Iterator[tuple[str, Json]]:
        node = self._follow(node)
        if "properties" in node:
            kind = node["properties"].get("type", {}).get("const")
            yield f"{path} ({kind})" if kind else path, node
        for inner in node.get("anyOf", node.get("oneOf", ())):
            yield from self._mappings(path, inner)
        if isinstance(node.get("items"), dict):
            yield from self._mappings(f"{path}[]", node["items"])
        if isinstance(node.get("additionalProperties"), dict):
            yield from self._mappings(f"{path}.NAME", node["additionalProperties"])

    def _holds(self, node: Json) -> str:
        node = self._follow(node)
        options = node.get("anyOf", node.get("oneOf"))
        if options:
            said = [self._holds(option) for option in options if option.get("type") != "null"]
            return " or ".join(dict.fromkeys(said))
        if "const" in node:
            return code(node["const"])
        if "enum" in node:
            return ", ".join(code(_yaml(each)) for each in node["enum"])
        inner = node.get("additionalProperties")
        kind = node.get("type")
        if kind == "array":
            return f"list of {self._holds(node['items'])}"
        if kind == "object":
            return f"by name: {self._holds(inner)}" if isinstance(inner, dict) else "mapping"
        return _words(kind) + _bounds(node)


def _words(kind: str | None) -> str:
    words = {"string": "text", "integer": "whole number", "boolean": "`true`, `false`"}
    return words.get(kind, kind) if kind else "anything"


def _bounds(node: Json) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    above = node.get("exclusiveMinimum")
    if above is not None:
        return f", above {above}" + (f" to {high}" if high is not None else "")
    if low is None and high is None:
        return ""
    return f", {low} to {high}" if high is not None else f", at least {low}"


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
