"""What can be said about a prompt without a persona: its names, its parts, its mistakes."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from jinja2 import TemplateSyntaxError, meta, nodes

from app.compose.nearest import remedy
from app.compose.templates import PromptEnvironment, environment_for
from app.compose.views import CONTEXT_NAMES, LISTS, RECORDS, no_field
from app.domain.catalog import Prompt, Source
from app.domain.errors import ContentError, Problem

_Reference = nodes.Extends | nodes.FromImport | nodes.Import | nodes.Include
_REFERENCES = (nodes.Extends, nodes.FromImport, nodes.Import, nodes.Include)


@dataclass(frozen=True, slots=True)
class PromptUse:
    """What a prompt, with all that it includes, asks for."""

    variables: Mapping[str, Source]
    """Names that are not of the context: a persona must declare them. Where each is first used."""
    problems: tuple[Problem, ...]
    files: tuple[str, ...]
    """The prompt's own file, and those of all that it includes."""


def prompt_variables(prompt_id: str, prompts: Mapping[str, Prompt]) -> frozenset[str]:
    """The names that a prompt, with all that it includes, wants a persona to declare.

    Raises:
        ContentError: What is wrong with the prompt and with its parts.
    """
    use = prompt_use(prompt_id, prompts)
    if use.problems:
        raise ContentError(use.problems)
    return frozenset(use.variables)


def prompt_use(prompt_id: str, prompts: Mapping[str, Prompt]) -> PromptUse:
    """What a prompt that is there asks for, and what is wrong with it."""
    environment = environment_for(prompts)
    check = _Check(environment)
    check.visit(prompts[prompt_id], ())
    problems = tuple(sorted(set(check.problems)))
    return PromptUse(check.variables, problems, tuple(sorted(check.files)))


def prompt_problem(prompt: Prompt, line: int, word: str, what: str) -> Problem:
    """A problem on a line of a prompt, at the word that it is about."""
    lines = prompt.text.split("\n")
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) if word else None
    return Problem(prompt.file, line, found.start() + 1 if found else 1, "", what)


class _Check:
    """Walks from one prompt through all that it includes and imports."""

    def __init__(self, environment: PromptEnvironment) -> None:
        self.environment = environment
        self.variables: dict[str, Source] = {}
        self.problems: list[Problem] = []
        self._done: dict[str, nodes.Template] = {}

    @property
    def files(self) -> Collection[str]:
        """Of the prompts that were looked at."""
        return self._done.keys()

    def visit(self, prompt: Prompt, path: tuple[str, ...]) -> None:
        if prompt.file in self._done:
            return
        try:
            tree = self.environment.parse(prompt.text, prompt.file, prompt.file)
            self._done[prompt.file] = tree
            unknown = list(self._unknown_filters(prompt, tree))
            self.problems += unknown
            if not unknown:  # names are found by compiling, which needs every filter
                self._collect_names(prompt, tree)
        except TemplateSyntaxError as exc:
            what = f"{exc.message or 'not a template'}; correct the template's syntax"
            self.problems.append(Problem(prompt.file, exc.lineno, 1, "", what))
            return
        self.problems += _unknown_fields(prompt, tree)
        for node in tree.find_all(nodes.Stmt):
            if isinstance(node, _REFERENCES):
                self._follow(prompt, node, (*path, prompt.file))

    def _unknown_filters(self, prompt: Prompt, tree: nodes.Template) -> Iterator[Problem]:
        for node in tree.find_all((nodes.Filter, nodes.Test)):
            kind = "filter" if isinstance(node, nodes.Filter) else "test"
            known = self.environment.filters if kind == "filter" else self.environment.tests
            if node.name not in known:
                offered = [name for name in known if name[0].isalpha()]
                what = f"there is no {kind} '{node.name}'; {remedy(node.name, offered)}"
                yield prompt_problem(prompt, node.lineno, node.name, what)

    def _collect_names(self, prompt: Prompt, tree: nodes.Template) -> None:
        lines: dict[str, int] = {}
        for node in tree.find_all(nodes.Name):
            lines[node.name] = min(node.lineno, lines.get(node.name, node.lineno))
        for name in sorted(meta.find_undeclared_variables(tree) - CONTEXT_NAMES - _bound(tree)):
            at = prompt_problem(prompt, lines.get(name, 1), name, "")
            self.variables.setdefault(name, Source(at.file, at.line, at.column))

    def _follow(self, prompt: Prompt, node: _Reference, path: tuple[str, ...]) -> None:
        name = node.template.value if isinstance(node.template, nodes.Const) else None
        if not isinstance(name, str):
            what = "name the included template in quotes: one name, written out"
            self.problems.append(prompt_problem(prompt, node.lineno, "", what))
            return
        part = self.environment.prompts.get(name)
        if part is None:
            what = f"there is no prompts/{name}; {remedy(name, self.environment.prompts)}"
            self.problems.append(prompt_problem(prompt, node.lineno, name, what))
        elif part.file in path:
            what = f"includes itself by way of {part.file}; take one of the includes out"
            self.problems.append(prompt_problem(prompt, node.lineno, name, what))
        else:
            self.visit(part, path)
            if isinstance(node, nodes.FromImport) and part.file in self._done:
                self.problems += _unknown_imports(prompt, node, part, self._done[part.file])


def _bound(tree: nodes.Template) -> frozenset[str]:
    """Names that the template itself gives a value somewhere, be it in one branch only."""
    bound = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    bound |= {node.name for node in tree.find_all(nodes.Macro)}
    bound |= {node.target for node in tree.find_all(nodes.Import)}
    for node in tree.find_all(nodes.FromImport):
        bound |= {name if isinstance(name, str) else name[1] for name in node.names}
    return frozenset(bound)


def _unknown_imports(
    prompt: Prompt, node: nodes.FromImport, part: Prompt, tree: nodes.Template
) -> Iterator[Problem]:
    exported = _bound(tree)
    for entry in node.names:
        name = entry if isinstance(entry, str) else entry[0]
        if name not in exported:
            what = f"{part.file} has no macro '{name}'; {remedy(name, exported)}"
            yield prompt_problem(prompt, node.lineno, name, what)


def _unknown_fields(prompt: Prompt, tree: nodes.Template) -> Iterator[Problem]:
    """Fields that the context's records do not have, also where no persona's rendering comes by.

    A name that the template binds otherwise as well is left to the rendering.
    """
    fields = _bound_fields(tree)
    for node in tree.find_all(nodes.Getattr):
        if isinstance(node.node, nodes.Name):
            name = node.node.name
            if name in fields and node.attr not in fields[name]:
                what = no_field(f"'{name}'", node.attr, fields[name])
                yield prompt_problem(prompt, node.lineno, node.attr, what)
    for use in tree.find_all(nodes.Filter):
        of = LISTS.get(_list_name(use))
        if of and use.name in ("selectattr", "rejectattr") and use.args:
            attribute = use.args[0]
            if isinstance(attribute, nodes.Const) and attribute.value not in of:
                what = no_field(f"an item of '{_list_name(use)}'", str(attribute.value), of)
                yield prompt_problem(prompt, use.lineno, str(attribute.value), what)


def _bound_fields(tree: nodes.Template) -> Mapping[str, tuple[str, ...]]:
    bound = [name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"]
    fields = {name: of for name, of in RECORDS.items() if name not in bound}
    loops: dict[str, list[str]] = {}
    for loop in tree.find_all(nodes.For):
        if isinstance(loop.target, nodes.Name):
            loops.setdefault(loop.target.name, []).append(_list_name(loop.iter))
    for name, lists in loops.items():
        if len(set(lists)) == 1 and bound.count(name) == len(lists) and lists[0] not in bound:
            fields |= {name: LISTS[lists[0]]} if lists[0] in LISTS else {}
    return fields


def _list_name(node: nodes.Node | None) -> str:
    """The name behind filters that keep a list's items; empty where there is none."""
    while isinstance(node, nodes.Filter) and node.name != "map":
        node = node.node
    return node.name if isinstance(node, nodes.Name) else ""
