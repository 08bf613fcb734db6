"""YAML 1.2, read strictly: what a careful reader would not expect is an error, not a guess.

Text such as ``on``, ``no`` and ``12:30`` stays text. Duplicate keys, tags, merge keys, several
documents in one file, numbers that are not finite and aliases that blow up are refused. See
``docs/decisions/0010-strict-yaml.md``.
"""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from yaml import MarkedYAMLError, YAMLError
from yaml.cyaml import CBaseLoader
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from app.catalog.document import Node, Scalar, file_problem, step_into
from app.domain.catalog import Source
from app.domain.errors import ContentError, Problem

MAX_BYTES = 1_000_000
MAX_NODES = 100_000
"""Values in one file, each use of an alias counted in full."""
MAX_DEPTH = 50

_INT = re.compile(r"[-+]?[0-9]+")
_BASED_INT = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Scalar] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INT_LIMIT = 2**63
"""JSON readers elsewhere agree on whole numbers only up to here."""
_MAX_DIGITS = 25
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""Characters outside YAML's printable set, and those that YAML 1.1 and 1.2 read differently:
line separators (U+0085, U+2028, U+2029) and the byte order mark."""
_TAB_INDENT = re.compile(r" *\t")
_HINTS = {
    "mapping values are not allowed in this context": "put text that holds ': ' in quotes",
    "found character that cannot start any token": "put text that begins with this in quotes",
    "could not find expected ':'": "a key needs ': ' and a value after it",
    "did not find expected key": "check the indentation",
    "did not find expected '-' indicator": "check the indentation",
    "did not find expected ',' or '}'": "close the '{', and put text that holds '{' in quotes",
    "did not find expected ',' or ']'": "close the '[', and put text that holds '[' in quotes",
    "found unexpected end of stream": "close the quotes",
}


@dataclass(frozen=True, slots=True)
class _Built:
    """A value with what its use in another place costs."""

    node: Node
    size: int
    height: int


def read_document(path: Path, root: Path) -> Node:
    """Read one YAML file.

    Args:
        path: The file.
        root: The project's root, from which problems name the file.

    Raises:
        ContentError: The file cannot be read or is not strict YAML 1.2.
    """
    file = path.relative_to(root).as_posix()
    return parse_document(read_bytes(path, file), file)


def read_bytes(path: Path, file: str) -> bytes:
    """The bytes of a file that a person wrote, at most ``MAX_BYTES``.

    Raises:
        ContentError: The file cannot be read or is too large.
    """
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        what = (
            "is a link that leads to nothing; remove it, or bring back what it leads to"
            if path.is_symlink()
            else "is missing; is this the project? Choose it with --root"
        )
        raise ContentError([file_problem(file, what)]) from None
    except OSError as exc:
        what = f"cannot be read: {exc.strerror or type(exc).__name__}"
        raise ContentError([file_problem(file, what)]) from None
    if len(data) > MAX_BYTES:
        raise ContentError([file_problem(file, f"is larger than {MAX_BYTES:,} bytes; split it")])
    return data


def decode_text(data: bytes, file: str) -> str:
    """The text of a file, which must be UTF-8 without a byte order mark and without NUL.

    Raises:
        ContentError: It is not.
    """
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        what = "begins with a byte order mark; save it as UTF-8 without one"
        raise ContentError([Problem(file, 1, 1, "", what)])
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        before = data[: exc.start].decode("utf-8")
        what = f"is not UTF-8: byte 0x{data[exc.start]:02x}; save the file as UTF-8"
        raise ContentError([_problem_after(file, before, what)]) from None
    if (nul := text.find("\0")) >= 0:
        raise ContentError([_problem_after(file, text[:nul], "has a NUL character; remove it")])
    return text


def parse_document(data: bytes, file: str) -> Node:
    """Read the bytes of one YAML document; an empty one is ``None``.

    Raises:
        ContentError: Everything that is wrong, up to the first thing that stops the reader.
    """
    text = decode_text(data, file)
    if found := _FORBIDDEN.search(text):
        what = f"has a character that must be written as an escape: U+{ord(found[0]):04X}"
        raise ContentError([_problem_after(file, text[: found.start()], what)])
    reader = _Reader(file, text)
    try:
        node = reader.document()
    except YAMLError as exc:
        reader.problems.append(_syntax_problem(file, text, exc))
    except _StopReadingError:
        pass
    else:
        if not reader.problems:
            return node
    raise ContentError(reader.problems)


def _problem_after(file: str, before: str, what: str) -> Problem:
    line_start = max(before.rfind("\n"), before.rfind("\r")) + 1
    line = before.count("\n") + before.replace("\r\n", "").count("\r") + 1
    return Problem(file, line, len(before) - line_start + 1, "", what)


def _syntax_problem(file: str, text: str, exc: YAMLError) -> Problem:
    if not isinstance(exc, MarkedYAMLError) or exc.problem_mark is None:
        return file_problem(file, "is not YAML; an editor that knows YAML shows where")
    mark = exc.problem_mark
    if exc.problem == "could not find expected ':'" and exc.context_mark is not None:
        mark = exc.context_mark  # the problem's own mark is where the search ended
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    what = f"is not YAML: {exc.problem}"
    if _TAB_INDENT.match(line):
        what = "is indented with a tab; YAML wants spaces"
    elif exc.problem in _HINTS:
        what += f"; {_HINTS[exc.problem]}"
    return Problem(file, mark.line + 1, mark.column + 1, "", what)


class _StopReadingError(Exception):
    """What follows cannot be read; the problem is already noted."""


class _Reader:
    """Builds the tree from the parser's events, so that bounds hold before memory is spent."""

    def __init__(self, file: str, text: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._parser = CBaseLoader(text)  # libyaml, fifteen times as fast as PyYAML alone
        self._anchors: dict[str, _Built] = {}
        self._nodes = 0

    def document(self) -> Node:
        self._next()  # the stream's start
        start = self._next()
        if isinstance(start, StreamEndEvent):
            return Node(None, Source(self._file, 1, 1))
        if not isinstance(start, DocumentStartEvent):
            self._stop(start, "", "is not YAML")
        if start.version not in {None, (1, 2)}:
            self._note(start, "", "is not YAML 1.2; remove the %YAML line")
        if start.tags:
            self._note(start, "", "has a %TAG line; tags are not supported")
        built = self._value(self._next(), "", 0)
        self._next()  # the document's end
        after = self._next()
        if not isinstance(after, StreamEndEvent):
            self._stop(after, "", "holds more than one document; keep one in each file")
        return built.node

    def _next(self) -> Event:
        event = self._parser.get_event()
        if event is None:
            raise YAMLError
        return event

    def _value(self, event: Event, path: str, depth: int) -> _Built:
        if isinstance(event, AliasEvent):
            return self._alias(event, path, depth)
        self._count(event, path, 1)
        if depth >= MAX_DEPTH and not isinstance(event, ScalarEvent):
            self._stop(event, path, f"is nested deeper than {MAX_DEPTH} levels; flatten it")
        tag: str | None = getattr(event, "tag", None)
        if tag is not None:
            self._note(event, path, "has a tag; tags are not supported (quotes make text)")
        if isinstance(event, ScalarEvent):
            built = _Built(Node(self._scalar(event, path), self._source(event), path), 1, 0)
        elif isinstance(event, SequenceStartEvent):
            built = self._list(event, path, depth)
        elif isinstance(event, MappingStartEvent):
            built = self._mapping(event, path, depth)
        else:
            self._stop(event, path, "is not YAML")
        anchor: str | None = getattr(event, "anchor", None)
        if anchor is not None:
            if anchor in self._anchors:
                self._note(
                    event, path, "names an anchor that is already taken; give it another name"
                )
            self._anchors[anchor] = built
        return built

    def _alias(self, event: AliasEvent, path: str, depth: int) -> _Built:
        built = self._anchors.get(event.anchor or "")
        if built is None:
            # The name is not printed: an unquoted secret may begin with an asterisk.
            what = "is an alias of nothing above it; put text that begins with '*' in quotes"
            self._stop(event, path, what)
        self._count(event, path, built.size)
        if depth + built.height > MAX_DEPTH:
            self._stop(event, path, f"is nested deeper than {MAX_DEPTH} levels; flatten it")
        return built

    def _list(self, start: SequenceStartEvent, path: str, depth: int) -> _Built:
        items: list[_Built] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            items.append(self._value(event, step_into(path, len(items)), depth + 1))
        content = tuple(item.node for item in items)
        return self._collection(Node(content, self._source(start), path), items)

    def _mapping(self, start: MappingStartEvent, path: str, depth: int) -> _Built:
        entries: dict[str, Node] = {}
        values: list[_Built] = []
        while not isinstance(event := self._next(), MappingEndEvent):
            key = self._key(event, path, entries)
            value = self._value(self._next(), step_into(path, key), depth + 1)
            values.append(value)
            entries.setdefault(key, replace(value.node, key=self._source(event)))
        return self._collection(Node(entries, self._source(start), path), values)

    @staticmethod
    def _collection(node: Node, values: list[_Built]) -> _Built:
        size = 1 + sum(value.size for value in values)
        return _Built(node, size, 1 + max((value.height for value in values), default=0))

    def _key(self, event: Event, path: str, entries: dict[str, Node]) -> str:
        if not isinstance(event, ScalarEvent):
            self._stop(
                event, path, "has a key that is not text; a key is one word or a text in quotes"
            )
        key: str = event.value
        here = step_into(path, key)
        if event.tag is not None or event.anchor is not None:
            self._note(event, here, "has a tag or an anchor on its key; neither is supported")
        if event.implicit[0] and key == "<<":
            self._note(event, here, "is a merge key, which YAML 1.2 does not have; use 'extends'")
        elif event.implicit[0] and not isinstance(self._scalar(event, here), str):
            self._note(event, here, "is a key that is not text; put it in quotes")
        elif (first := entries.get(key)) is not None:
            line = first.key.line if first.key else 0
            self._note(event, here, f"is written twice; it already stands in line {line}")
        return key

    def _scalar(self, event: ScalarEvent, path: str) -> Scalar:
        text: str = event.value
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text) or _BASED_INT.fullmatch(text):
            return self._int(event, path, text)
        number = float(text) if _FLOAT.fullmatch(text) else 0.0
        if _NOT_FINITE.fullmatch(text) or not math.isfinite(number):
            self._note(event, path, "is not a finite number; put it in quotes if it is text")
        return number if _FLOAT.fullmatch(text) else text

    def _int(self, event: ScalarEvent, path: str, text: str) -> int:
        number = _INT_LIMIT
        if len(text) <= _MAX_DIGITS:
            number = int(text) if _INT.fullmatch(text) else int(text, 0)
        if not -_INT_LIMIT <= number < _INT_LIMIT:
            self._note(event, path, "is too large a number; put it in quotes if it is text")
            return 0
        return number

    def _count(self, event: Event, path: str, size: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            what = f"makes the file larger than {MAX_NODES:,} values, aliases counted in full"
            self._stop(event, path, what)

    def _source(self, event: Event) -> Source:
        mark = event.start_mark
        return (
            Source(self._file, mark.line + 1, mark.column + 1) if mark else Source(self._file, 1, 1)
        )

    def _note(self, event: Event, path: str, what: str) -> None:
        at = self._source(event)
        self.problems.append(Problem(at.file, at.line, at.column, path, what))

    def _stop(self, event: Event, path: str, what: str) -> NoReturn:
        self._note(event, path, what)
        raise _StopReadingError
