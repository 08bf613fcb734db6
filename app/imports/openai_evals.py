"""Reads OpenAI evals: entries of its registry, and the samples that they name.

Source: https://github.com/openai/evals, ``evals/elsuite`` and ``evals/registry``, as of 2026.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.catalog.document import Node
from app.catalog.verify import made
from app.catalog.yaml_source import parse_document, read_bytes
from app.domain.catalog import Source
from app.domain.conversation import Json
from app.domain.errors import ContentError
from app.imports.assertions import AGREES, MEETS, Check, escaped
from app.imports.found import Found, FoundCase, FoundCheck, shown

_DATA = "../data"
"""Where the registry's samples lie, from the folder of its entries."""
_SILENT = {"samples_jsonl", "eval_type", "modelgraded_spec", "max_tokens", "ignore_case"}
_SAMPLE = {"input", "ideal", "criteria"}


@dataclass(frozen=True, slots=True)
class _Eval:
    """An entry that says how samples are judged."""

    name: str
    kind: str
    """The last part of its class."""
    args: Node
    at: Node
    judge: str | None

    def arg(self, name: str) -> Json:
        """An argument's value; none where it is not given."""
        node = self.args.child(name)
        return node.plain() if node else None


class _CannotCarryError(Exception):
    """The sample cannot be a case here, and why."""


def read_openai_evals(paths: Sequence[Path], judge: str | None) -> Found:
    """All cases of the registry's entries among some files, whose samples may be among them.

    Args:
        paths: Files that end in ``.yaml`` or ``.yml``, and samples, which end in ``.jsonl``.
        judge: The route to a model that judges; none where nobody has named one.

    Raises:
        ContentError: An entry is no YAML.
    """
    found = Found()
    reader = _Reader([path for path in paths if path.suffix == ".jsonl"], found)
    for path in paths:
        if path.suffix == ".jsonl":
            continue
        tree = parse_document(read_bytes(path, path.name), path.name)
        for each in _entries(tree, judge):
            found.description = found.description or _description(tree, each.name)
            reader.read(each, path)
    for path in reader.samples:
        if path not in reader.used:
            at = Node(None, Source(path.name, 0, 0))
            found.leave_out(at, "is named by no entry of the registry that was given")
    return found


def _entries(tree: Node, judge: str | None) -> Iterator[_Eval]:
    """Those that have a class; the others only name one of them."""
    for name, node in tree.entries.items():
        written = node.child("class")
        if written is not None:
            kind = (written.text or "").rpartition(":")[2]
            yield _Eval(name, kind, node.nearest("args"), node, judge)


def _description(tree: Node, name: str) -> str:
    for node in tree.entries.values():
        said, names = node.child("description"), node.child("id")
        if said and said.text and names and names.text == name:
            return " ".join(said.text.split())
    return ""


@dataclass(slots=True)
class _Reader:
    samples: list[Path]
    found: Found
    used: set[Path] = field(default_factory=set)

    def read(self, entry: _Eval, path: Path) -> None:
        make = _KINDS.get(entry.kind)
        if make is None:
            what = "is of a class whose code is not carried over; say it in checks of your own"
            self.found.leave_out(entry.at.nearest("class"), what)
            return
        for name, node in entry.args.entries.items():
            if name not in _SILENT:
                self.found.left_out.append(node.key_problem("is not carried over"))
        if entry.kind == "FuzzyMatch":
            what = "is carried over as 'contains_any': an answer that is less than the ideal fails"
            self.found.leave_out(entry.at.nearest("class"), what)
        samples = self._find(entry, path)
        if samples is None:
            return
        for number, line in enumerate(read_bytes(samples, samples.name).split(b"\n"), 1):
            if line.strip():
                self._sample(entry, make, line, Source(samples.name, number, 1))

    def _find(self, entry: _Eval, path: Path) -> Path | None:
        """The file of an entry's samples: one that was given, or where the registry has it."""
        named = entry.args.child("samples_jsonl")
        if named is None or not named.text:
            self.found.leave_out(entry.at, "names no samples")
            return None
        same = [each for each in self.samples if each.as_posix().endswith(f"/{named.text}")]
        same = same or [each for each in self.samples if each.name == Path(named.text).name]
        there = path.parent / _DATA / named.text
        is_inside = there.resolve().is_relative_to((path.parent / _DATA).resolve())
        if not same and is_inside and there.is_file():
            same = [there]
        if len(same) != 1:
            what = "names samples that are not there; give their file, too"
            self.found.leave_out(named, what)
            return None
        self.used.add(same[0])
        return same[0]

    def _sample(
        self, entry: _Eval, make: "Callable[[_Eval, Node], list[Check]]", line: bytes, at: Source
    ) -> None:
        place = Node(None, at)
        try:
            sample = made(place, parse_document(line, at.file).plain())
            for key in sorted(sample.entries.keys() - _SAMPLE):
                self.found.leave_out(place, f"{shown(key, 'a key')} is not carried over")
            says = self._says(sample, place)
            checks = tuple(FoundCheck(check, place) for check in make(entry, sample))
        except _CannotCarryError as exc:
            self.found.leave_out(place, str(exc))
        except ContentError:
            self.found.leave_out(place, "is no JSON")
        else:
            self.found.cases.append(FoundCase(says, says, checks, place, (entry.name,)))

    def _says(self, sample: Node, place: Node) -> str:
        asked = sample.child("input")
        if asked is None:
            raise _CannotCarryError("has no 'input'")
        if asked.text is not None:
            return _nonempty(asked.text)
        roles = [_text(each.child("role")) for each in asked.items]
        if "assistant" in roles:
            raise _CannotCarryError("holds answers of the assistant, which a script cannot give")
        if {"system", "developer"} & set(roles):
            what = "has a system message, which is left out: the persona's prompt takes its place"
            self.found.leave_out(place, what)
        said = [_text(each.child("content")) for each in asked.items if _is_user(each)]
        return _nonempty("\n\n".join(text for text in said if text))


def _is_user(message: Node) -> bool:
    return _text(message.child("role")) == "user"


def _nonempty(text: str) -> str:
    if not text.strip():
        raise _CannotCarryError("holds no text of the user")
    return text


def _ideal(sample: Node) -> list[str]:
    node = sample.child("ideal")
    values = [] if node is None else (node.items or (node,))
    texts = [value.text for value in values if value.text]
    if not texts or len(texts) != len(values):
        raise _CannotCarryError("has no 'ideal' that is a text or a list of them")
    return texts


def _match(_entry: _Eval, sample: Node) -> list[Check]:
    """``sampled.startswith(ideal)``, of any of them."""
    any_of = "|".join(escaped(text) for text in _ideal(sample))
    return [{"pattern": rf"^\s*(?:{any_of})"}]


def _includes(entry: _Eval, sample: Node) -> list[Check]:
    check: Check = {"contains_any": _ideal(sample)}
    return [{**check, "ignore_case": True} if entry.arg("ignore_case") is True else check]


def _fuzzy(_entry: _Eval, sample: Node) -> list[Check]:
    """One holds the other, without punctuation and articles.

    Here only the answer can hold the ideal one, as it stands.
    """
    return [{"contains_any": _ideal(sample), "ignore_case": True}]


def _json(_entry: _Eval, sample: Node) -> list[Check]:
    options = []
    for text in _ideal(sample):
        try:
            options.append(parse_document(text.encode(), "ideal").plain())
        except ContentError:
            raise _CannotCarryError("has an 'ideal' that is no JSON") from None
    return [{"json_schema": {"enum": options}}]


def _graded(entry: _Eval, sample: Node) -> list[Check]:
    spec = entry.arg("modelgraded_spec")
    if entry.judge is None:
        raise _CannotCarryError("asks a model; name the route to a judge with --judge")
    if spec == "closedqa":
        criteria = _text(sample.child("criteria"))
        if not criteria:
            raise _CannotCarryError("has no 'criteria' that is a text")
        questions = [MEETS.format(criteria)]
    elif spec == "fact":
        questions = [AGREES.format(text) for text in _ideal(sample)[:1]]
    else:
        raise _CannotCarryError("is judged by a form of its own; write it as a judge's question")
    asked = {"expect": "yes", "routes": [entry.judge]}
    return [{"judge": {"question": question, **asked}} for question in questions]


_KINDS: Mapping[str, Callable[[_Eval, Node], list[Check]]] = {
    "Match": _match,
    "Includes": _includes,
    "FuzzyMatch": _fuzzy,
    "JsonMatch": _json,
    "ModelBasedClassify": _graded,
}


def _text(node: Node | None) -> str:
    return (node.text if node else None) or ""
