"""Reads promptfoo's configuration: prompts, tests and what they assert.

Source: https://www.promptfoo.dev/docs/configuration/reference/, as of its files of 2026. Its
templates are filled in where they name a variable, and never executed.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from app.catalog.document import Node
from app.catalog.verify import made
from app.catalog.yaml_source import decode_text, parse_document, read_bytes
from app.domain.catalog import Source
from app.domain.conversation import Json
from app.domain.errors import ContentError, Problem
from app.imports.assertions import Assertion, CannotCarryError, as_checks
from app.imports.found import Found, FoundCase, FoundCheck, filled, shown

_FILE = "file://"
_MOST_CASES = 2_000
_TEST = {"description", "vars", "assert", "metadata"}
_ASSERTION = {"type", "value", "threshold", "metric"}
_TOP = {"description", "prompts", "tests", "defaultTest", "evaluateOptions"}
_SILENT = {"$schema"}

Vars = dict[str, str]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the reader of the file cannot know."""

    user: str | None = None
    """The variable that holds what the user says; without one, the prompts say it."""
    judge: str | None = None
    """The route to a model that judges."""


@dataclass(frozen=True, slots=True)
class _Prompt:
    template: str
    at: Node


def read_promptfoo(path: Path, wishes: Wishes) -> Found:
    """All that a configuration holds.

    Raises:
        ContentError: It is no YAML or JSON, or holds no mapping.
    """
    tree = parse_document(read_bytes(path, path.name), path.name)
    if not isinstance(tree.content, dict):
        raise ContentError([tree.problem("must be a mapping with 'prompts' and 'tests'")])
    reader = _Reader(path.parent, wishes, Found())
    reader.read(tree)
    return reader.found


@dataclass(frozen=True, slots=True)
class _Reader:
    folder: Path
    wishes: Wishes
    found: Found

    def read(self, tree: Node) -> None:
        found = self.found
        for key, node in tree.entries.items():
            if key == "providers":
                what = "are not carried over: the persona's route says which model answers"
                found.left_out.append(node.key_problem(what))
            elif key not in _TOP | _SILENT:
                found.left_out.append(node.key_problem("is not carried over"))
        found.description = _text(tree.child("description"))
        repeat = tree.nearest("evaluateOptions").child("repeat")
        if repeat is not None and isinstance(repeat.content, int) and repeat.content > 0:
            found.repeats = repeat.content
        prompts = self._prompts(tree)
        if not prompts and tree.child("tests"):
            what = "has no prompt that a user can say; name the variable that they say with --user"
            found.leave_out(tree, what)
        default = tree.child("defaultTest")
        if default is not None and not isinstance(default.content, dict):
            found.leave_out(default, "is in another file; write it into the configuration")
            default = None
        self._note_unknown(default)
        for test in self._tests(tree.child("tests")):
            self._test(test, default, prompts)

    def _prompts(self, tree: Node) -> list[_Prompt]:
        if self.wishes.user is not None:
            return [_Prompt(f"{{{{ {self.wishes.user} }}}}", tree.nearest("prompts"))]
        written = tree.child("prompts")
        listed = written.items or (written,) if written else ()
        prompts: list[_Prompt] = []
        for node in listed:
            raw = node.child("raw") or node
            if raw.text is None:
                self.found.leave_out(node, "is no text, so nobody can say it")
            said = [self._said(template, node) for template in self._templates(raw)]
            prompts += [_Prompt(user, node) for user in said if user is not None]
        return prompts

    def _templates(self, node: Node) -> Sequence[str]:
        """The prompts that a text is, or that stand in the file that it names."""
        text = node.text or ""
        if not text.startswith(_FILE):
            return [text] if text.strip() else []
        content = self._file(node, (".txt", ".md", ".json", ".yaml", ".yml"))
        return [] if content is None else content.split("\n---\n")

    def _file(self, node: Node, suffixes: tuple[str, ...]) -> str | None:
        """The text of a file beside the configuration; none where it cannot be read as one."""
        name = (node.text or "").removeprefix(_FILE)
        path = self.folder / name
        if "*" in name or not name.endswith(suffixes):
            self.found.leave_out(node, f"names what is no single {', '.join(suffixes)} file")
            return None
        if not path.resolve().is_relative_to(self.folder.resolve()) or not path.is_file():
            self.found.leave_out(node, "names a file that is not there, beside this one or below")
            return None
        try:
            return decode_text(read_bytes(path, name), name)
        except ContentError as exc:
            self.found.left_out += exc.problems
            return None

    def _said(self, template: str, at: Node) -> str | None:
        """What the user says in a prompt: all of it, or the user's part of a chat."""
        if not template.lstrip().startswith(("[", "- role")):
            return template
        try:
            chat = parse_document(template.encode(), at.source.file)
        except ContentError:
            return template
        roles = [_text(message.child("role")) for message in chat.items]
        texts = [message.child("content") for message in chat.items]
        if not roles or not all(roles):
            return template
        if "assistant" in roles:
            self.found.leave_out(at, "holds answers of the assistant, which a script cannot give")
            return None
        if "system" in roles or "developer" in roles:
            what = "holds a system message, which is left out: the persona's prompt takes its place"
            self.found.leave_out(at, what)
        said = [text for role, text in zip(roles, texts, strict=True) if role == "user"]
        if not said or any(text is None or text.text is None for text in said):
            self.found.leave_out(at, "holds no text of the user")
            return None
        return "\n\n".join(_text(text) for text in said)

    # Tests

    def _tests(self, node: Node | None) -> Iterator[Node]:
        for item in (node.items or (node,)) if node else ():
            if item.text is None:
                yield item
                continue
            content = self._file(item, (".yaml", ".yml", ".json", ".jsonl", ".csv"))
            if content is None:
                continue
            try:
                yield from _tests_in(content, item.text.removeprefix(_FILE))
            except ContentError as exc:
                self.found.left_out += exc.problems

    def _test(self, test: Node, default: Node | None, prompts: Sequence[_Prompt]) -> None:
        if not isinstance(test.content, dict):
            self.found.leave_out(test, "is no test: a mapping with 'vars' and 'assert'")
            return
        self._note_unknown(test)
        asserted = [
            *_listed(default.child("assert") if default else None),
            *_listed(test.child("assert")),
        ]
        if not asserted:
            self.found.leave_out(test, "asserts nothing; a case needs at least one check")
            return
        for values in self._variables(test, default):
            for prompt in prompts:
                if len(self.found.cases) >= _MOST_CASES:
                    self.found.leave_out(test, f"would be more than {_MOST_CASES} cases")
                    return
                self._case(test, prompt, values, asserted)

    def _note_unknown(self, test: Node | None) -> None:
        for key, node in test.entries.items() if test else ():
            if key not in _TEST:
                self._leave_out_key(key, node)

    def _leave_out_key(self, key: str, node: Node) -> None:
        what = "is not carried over"
        if not node.path:  # the line of a table, which has no places inside
            what = f"{shown(key, 'a key')} {what}"
        self.found.left_out.append(node.key_problem(what))

    def _variables(self, test: Node, default: Node | None) -> Iterator[Vars]:
        """Each combination of the values; a list stands for each of its items."""
        nodes = {
            **(default.nearest("vars").entries if default and default.child("vars") else {}),
            **(test.nearest("vars").entries if test.child("vars") else {}),
        }
        for node in nodes.values():
            texts = [value for value in _each(node) if isinstance(value, str)]
            if any(text.startswith(_FILE) for text in texts):
                self.found.leave_out(node, "names a file, so the test is left out")
                return
            if any(filled(text, {}) is None for text in texts):
                self.found.leave_out(node, "is a template itself, so the test is left out")
                return
        options = [[(key, _written(value)) for value in _each(node)] for key, node in nodes.items()]
        for number, chosen in enumerate(product(*options)):
            if number >= _MOST_CASES:
                self.found.leave_out(test, f"would be more than {_MOST_CASES} cases")
                return
            yield dict(chosen)

    def _case(self, test: Node, prompt: _Prompt, values: Vars, asserted: Sequence[Node]) -> None:
        says = filled(prompt.template, values)
        if says is None or not says.strip():
            what = "asks in its prompt for more than values that are there, or for nothing"
            self.found.leave_out(test, what)
            return
        checks = tuple(check for node in asserted for check in self._checks(node, values))
        if not checks:
            self.found.leave_out(test, "has no assertion that is carried over")
            return
        described = filled(_text(test.child("description")), values)
        tags = tuple(
            f"{key}:{value.text}"
            for key, value in (test.child("metadata") or test).entries.items()
            if test.child("metadata") and value.text
        )
        self.found.cases.append(FoundCase(described or says, says, checks, test, tags))

    def _checks(self, node: Node, values: Vars) -> Iterator[FoundCheck]:
        kind = _text(node.child("type"))
        threshold = node.child("threshold")
        if kind == "assert-set" and threshold is None:
            for inner in _listed(node.child("assert")):
                yield from self._checks(inner, values)
            return
        for key, inner in node.entries.items():
            if key not in _ASSERTION:
                self._leave_out_key(key, inner)
        value = _filled_in(node.child("value"), values)
        if value is _UNFILLED:
            what = "asks in its value for more than values that are there"
            self.found.leave_out(node, what)
            return
        at_least = threshold.content if threshold else None
        is_number = isinstance(at_least, int | float) and not isinstance(at_least, bool)
        assertion = Assertion(
            kind.removeprefix("not-"),
            kind.startswith("not-"),
            value,
            float(at_least) if is_number and isinstance(at_least, int | float) else None,
            self.wishes.judge,
        )
        try:
            for check in as_checks(assertion):
                yield FoundCheck(check, node)
        except CannotCarryError as exc:
            told = shown(kind, "an assertion without a type")
            self.found.leave_out(node, f"{told} {exc}")


_UNFILLED = object()


def _filled_in(node: Node | None, values: Mapping[str, str]) -> Json:
    """The value with its templates filled in; ``_UNFILLED`` where one of them cannot be."""
    if node is None:
        return None
    if node.text is not None:
        text = filled(node.text, values)
        return _UNFILLED if text is None else text
    if not node.items:
        return node.plain()
    texts = [_filled_in(item, values) for item in node.items]
    return _UNFILLED if any(text is _UNFILLED for text in texts) else texts


def _tests_in(content: str, file: str) -> Iterator[Node]:
    """The tests of a file; those of a line each have its number."""
    if file.endswith(".csv"):
        yield from _csv_tests(content, file)
    elif file.endswith(".jsonl"):
        for number, line in enumerate(content.split("\n"), 1):
            if line.strip():
                value = parse_document(line.encode(), file).plain()
                yield made(Node(None, Source(file, number, 1)), value)
    else:
        tree = parse_document(content.encode(), file)
        yield from tree.items or (tree,)


def _csv_tests(content: str, file: str) -> Iterator[Node]:
    """``__expected`` columns assert; columns without ``__`` are variables.

    Source: https://www.promptfoo.dev/docs/configuration/test-cases/#csv-format
    """
    rows = csv.DictReader(io.StringIO(content))
    for row in _rows(rows, file):
        test: dict[str, Json] = {"vars": {}, "assert": []}
        for key, value in row.items():
            if key is None or not isinstance(value, str):
                continue
            if key.startswith("__expected") and value.strip():
                test["assert"].append(_csv_assertion(value.strip()))
            elif key == "__description":
                test["description"] = value
            elif key.startswith("__"):
                if value.strip() and not key.startswith("__expected"):
                    test[key] = value
            else:
                test["vars"][key] = value
        yield made(Node(None, Source(file, rows.line_num, 1)), test)


def _rows(rows: "csv.DictReader[str]", file: str) -> Iterator[dict[str | None, object]]:
    try:
        yield from rows
    except csv.Error:
        what = "is no table as RFC 4180 has it"
        raise ContentError([Problem(file, rows.line_num, 1, "", what)]) from None


def _csv_assertion(text: str) -> dict[str, Json]:
    """``contains: Paris``, or a text that is to be equal; ``similar(0.8): Hello``."""
    kind, colon, value = text.partition(":")
    name, bracket, rest = kind.strip().partition("(")
    if not colon or " " in name or not name:
        return {"type": "equals", "value": text}
    made_: dict[str, Json] = {"type": name, "value": value.strip()}
    if name.endswith(("-any", "-all")):
        cells = next(csv.reader([value.strip()], skipinitialspace=True), [])
        made_["value"] = [cell.strip() for cell in cells]
    if bracket:
        made_["threshold"] = _number(rest.removesuffix(")"))
    if name in {"latency", "cost"}:
        made_["threshold"] = _number(value)
    return made_


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _each(node: Node) -> list[Json]:
    value = node.plain()
    return value if isinstance(value, list) else [value]


def _written(value: Json) -> str:
    """A value as a template prints it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: ""}[value]
    return _json(value) if isinstance(value, dict | list) else str(value)


def _json(value: Json) -> str:
    import orjson  # noqa: PLC0415  # only for values that are no text

    return orjson.dumps(value).decode()


def _text(node: Node | None) -> str:
    return (node.text if node else None) or ""


def _listed(node: Node | None) -> tuple[Node, ...]:
    return node.items if node else ()
