"""The content that comes with the package, as something to start from. Found, never listed."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from app.catalog.document import Node, walk
from app.catalog.files import CASES_SUFFIX, find_prompts, find_yaml, read_prompt
from app.catalog.inherit import resolve_extends
from app.catalog.yaml_edit import without_items
from app.catalog.yaml_source import decode_text, parse_document, read_bytes, read_document
from app.compose.check import prompt_use
from app.domain.catalog import Prompt
from app.domain.conversation import Json

BASE_PROMPT = "assistant"
"""The prompt of personas that begin with nothing."""
_NAMED_IN = ("knowledge/", "evals/")
"""Where files lie that others name by their path."""

Files = dict[str, str]
"""Texts by path below a project's root."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Files that belong together."""

    files: Files
    routes: frozenset[str]
    """Ids of all routes that they name."""


@dataclass(frozen=True)
class Shipped:
    """A project to take from."""

    root: Path
    personas: Mapping[str, Node] = field(init=False)
    """By id, with all that they extend merged in."""

    def __post_init__(self) -> None:
        merged, _ = resolve_extends("persona", self._trees("personas"))
        object.__setattr__(self, "personas", dict(sorted(merged.items())))

    @cached_property
    def base_policy(self) -> str:
        """The id of the policy that extends no other."""
        return next(name for name, tree in self._policies.items() if tree.child("extends") is None)

    def policies_of(self, persona_id: str) -> tuple[str, ...]:
        """Ids of the policies that a shipped persona, and its variants, name."""
        return tuple(_named(self.personas[persona_id], "policy"))

    def own_files(self, persona_id: str) -> Files:
        """A shipped persona's file and cases, after those of all that it extends."""
        files: Files = {}
        for each in self._chain("personas", persona_id):
            files |= self._with_cases(f"personas/{each}.yaml")
        return files

    def needed_by(
        self, tree: Node, named: str, policies: Collection[str], files: Mapping[str, str]
    ) -> Taken:
        """All files that a persona needs beside its own.

        Args:
            tree: The persona.
            named: Its id.
            policies: Ids of shipped policies that it, or a policy of its own, builds on.
            files: Its own.
        """
        needed: Files = {}
        for prompt in _named(tree, "prompt"):
            needed |= self._prompt(prompt, persona=tree, persona_id=named)
        for policy in policies:
            needed |= self._policy(policy)
        both = {**needed, **files}
        trees = [tree, *(_tree(text, name) for name, text in both.items() if _is_yaml(name))]
        for each in trees:
            needed = {**self._files_named_in(each), **needed}
        return Taken(needed, frozenset(name for each in trees for name in _routes(each)))

    def _policy(self, policy_id: str) -> Files:
        files: Files = {}
        for each in self._chain("policies", policy_id):
            files |= self._with_cases(f"policies/{each}.yaml")
        return files

    def _prompt(self, prompt_id: str, *, persona: Node, persona_id: str) -> Files:
        if prompt_id not in self._prompts:
            return {}
        names = prompt_use(prompt_id, self._prompts).files
        files = {name: self._text(name) for name in names}
        cases = f"prompts/{prompt_id}{CASES_SUFFIX}"
        if (self.root / cases).is_file():
            drops = _is_about_another(persona_id, persona)
            files[cases] = without_items(self._text(cases), cases, "cases", drops)
        return files

    def _chain(self, folder: str, name: str) -> Iterator[str]:
        """A file's id and the ids of all that it extends, the root first."""
        tree = self._trees(folder).get(name)
        if tree is not None:
            above = tree.child("extends")
            if above is not None and above.text:
                yield from self._chain(folder, above.text)
            yield name

    def _with_cases(self, file: str) -> Files:
        cases = file.removesuffix(".yaml") + CASES_SUFFIX
        both = [each for each in (file, cases) if (self.root / each).is_file()]
        return {each: self._text(each) for each in both}

    def _files_named_in(self, tree: Node) -> Files:
        texts = (node.text for _, node in walk(tree) if node.text)
        named = (text for text in texts if text.startswith(_NAMED_IN) and "\n" not in text)
        return {name: self._text(name) for name in named if (self.root / name).is_file()}

    def _text(self, file: str) -> str:
        return decode_text(read_bytes(self.root / file, file), file)

    def _trees(self, folder: str) -> dict[str, Node | None]:
        paths, _ = find_yaml(self.root, folder)
        return {name: read_document(path, self.root) for name, path in paths.items()}

    @cached_property
    def _policies(self) -> dict[str, Node]:
        return {name: tree for name, tree in self._trees("policies").items() if tree}

    @cached_property
    def _prompts(self) -> dict[str, Prompt]:
        found = [read_prompt(path, self.root) for path in find_prompts(self.root)]
        return {prompt.id: prompt for prompt in found}


def _is_yaml(file: str) -> bool:
    return file.endswith(".yaml")


def _tree(text: str, file: str) -> Node:
    return parse_document(text.encode(), file)


def _named(persona: Node, key: str) -> Iterator[str]:
    """What a persona, and what its variants, name."""
    variants = persona.nearest("variants").items
    for node in (persona, *(each.nearest("set") for each in variants)):
        name = node.child(key)
        if name is not None and name.text:
            yield name.text


_ROUTE_BY_DEFAULT = {"judge": "judge", "llama_guard": "llama-guard", "simulated_user": "user"}
"""The route that is asked where a thing of this name says none."""


def _routes(tree: Node) -> Iterator[str]:
    for _, node in walk(tree):
        one, several = node.child("route"), node.child("routes")
        for each in (one, *(several.items if several else ())):
            if each is not None and each.text:
                yield each.text
        for key, route in _ROUTE_BY_DEFAULT.items():
            asks = node.child(key)
            if asks is not None and not {"route", "routes"} & asks.entries.keys():
                yield route


def _is_about_another(persona_id: str, persona: Node) -> Callable[[Json], bool]:
    """Whether a case of a template is about no persona like this one."""
    scenarios = persona.nearest("scenarios").entries
    variables = persona.nearest("variables").entries

    def drops(case: Json) -> bool:
        if not isinstance(case, dict):
            return False
        personas, scenario = case.get("personas"), case.get("scenario")
        given = case.get("variables")
        return (
            (isinstance(personas, list) and personas != [persona_id])
            or (isinstance(scenario, str) and scenario not in scenarios)
            or (isinstance(given, dict) and not given.keys() <= variables.keys())
        )

    return drops
