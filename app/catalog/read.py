"""Files to a frozen ``Catalog``: everything that is wrong in any of them, said at once."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

from app.catalog.behaviours import check_authority
from app.catalog.contracts import DetectorKind, PromptInspector, Siblings, accept_settings
from app.catalog.cross_check import (
    Names,
    check_child,
    check_persona,
    check_policy,
    check_pseudonyms,
)
from app.catalog.digest import digest_of
from app.catalog.document import Node, file_problem, walk, without
from app.catalog.files import DEPLOYMENT_FILE, find_prompts, find_yaml, read_knowledge, read_prompt
from app.catalog.inherit import duplicates, resolve_extends
from app.catalog.persona_file import ReadPersona, read_persona
from app.catalog.policy_file import ReadPolicy, build_policy, expand_detect, expand_then
from app.catalog.route_file import check_prices, check_route, check_ways, read_route
from app.catalog.wording import ModelT, read_as
from app.catalog.yaml_source import read_document
from app.domain.catalog import Catalog, Prompt, Route, Source
from app.domain.conversation import Json
from app.domain.errors import ContentError, Problem
from app.domain.persona import FileModel

T = TypeVar("T")


class _Notes:
    """Collects problems, so that one mistake does not hide the next."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def attempt(self, work: Callable[[], T]) -> T | None:
        """What the work gives, or ``None`` where it raised a ``ContentError``, which is noted."""
        try:
            return work()
        except ContentError as exc:
            self.problems += exc.problems
            return None


def read_catalog(
    root: Path,
    *,
    detectors: Iterable[DetectorKind],
    inspect_prompt: PromptInspector,
    validate: Callable[[str, FileModel], object] = accept_settings,
    surrogates: Collection[str] = frozenset(),
    gate_metrics: Collection[str] = frozenset(),
) -> Catalog:
    """Read, merge, validate and cross-check everything under a project's root.

    Args:
        root: Holds ``personas/``, ``policies/``, ``prompts/`` and ``banneton.yaml``.
        detectors: Every kind of detector that rules may name.
        inspect_prompt: Tells which variables a template wants declared.
        validate: Called with a detector's name and settings; raises ``DetectorError`` where the
            detector could not be built from them.
        surrogates: Kinds of values for which rules may say ``as: surrogate``.
        gate_metrics: What the gates of a rollout may name.

    Raises:
        ContentError: Every problem of every file.
    """
    notes = _Notes()
    kinds = {kind.name: kind for kind in detectors}
    siblings = Siblings(kinds, inspect_prompt, validate, frozenset(surrogates))
    policy_trees = _read_trees(root, "policies", notes)
    policies = _read_policies(policy_trees, siblings, notes)
    prompts = _read_prompts(root, notes)
    deployment = notes.attempt(lambda: read_document(root / DEPLOYMENT_FILE, root))
    routes = _read_routes(deployment, notes) if deployment else {}
    persona_trees = _read_trees(root, "personas", notes)
    if not persona_trees:
        notes.problems.append(
            file_problem(
                "personas", "holds no persona; write one, or choose another folder with --root"
            )
        )
    personas = _read_personas(persona_trees, siblings, notes)
    names = Names(
        prompts=prompts,
        policies=policy_trees,
        routes=_entries(deployment, "routes") if deployment else (),
        prompt_variables=_variables(prompts, siblings, notes),
        gate_metrics=gate_metrics,
    )
    for read in personas.values():
        notes.problems += check_persona(read, names)
        parent = personas.get(read.extends or "")
        if parent is not None:
            notes.problems += check_authority(read, parent.persona)
        for varied in read.variants.values():
            notes.problems += check_authority(varied, read.persona)
    if deployment is not None:
        notes.problems += _check_routes(routes, deployment, personas, policies)
    knowledge = _read_knowledge(root, personas.values(), notes)
    if notes.problems or deployment is None:
        raise ContentError(notes.problems)
    return _catalog(personas, policies, prompts, routes, knowledge, deployment)


def _read_trees(root: Path, folder: str, notes: _Notes) -> dict[str, Node | None]:
    """The files of one folder by id; ``None`` for one that is no YAML."""
    paths, problems = find_yaml(root, folder)
    notes.problems += problems
    trees: dict[str, Node | None] = {}
    for name, path in paths.items():
        tree = notes.attempt(partial(read_document, path, root))
        repeated = list(duplicates(tree)) if tree else []
        notes.problems += repeated
        trees[name] = None if repeated else tree
    return trees


def _read_policies(
    trees: Mapping[str, Node | None], siblings: Siblings, notes: _Notes
) -> dict[str, ReadPolicy]:
    expanded = {name: tree and expand_detect(tree) for name, tree in trees.items()}
    for name, tree in expanded.items():
        if tree and (wrong := _wrong_place_of_audiences(tree)):
            notes.problems.append(wrong)
            expanded[name] = None
    merged, problems = resolve_extends("policy", expanded, as_parent=expand_then)
    notes.problems += problems
    read: dict[str, ReadPolicy] = {}
    for name, tree in merged.items():
        built = notes.attempt(partial(build_policy, name, expand_then(tree), siblings))
        if built is not None:
            read[name], problems = built
            notes.problems += problems
    for child in read.values():
        parent = read.get(child.policy.extends or "")
        notes.problems += check_policy(child, parent)
        notes.problems += check_pseudonyms(child, siblings)
        if parent is not None:
            notes.problems += check_child(child, parent, siblings.detectors)
    return read


def _wrong_place_of_audiences(tree: Node) -> Problem | None:
    """The audiences are the root's, so that a policy and its parent speak of the same ones.

    A child may only choose another default.
    """
    audiences = tree.child("audiences")
    if "extends" in tree.entries:
        ladder = tree.child("audiences", "strictest_first")
        what = "can only stand in a policy that extends no other"
        return ladder.key_problem(what) if ladder else None
    if audiences is None and isinstance(tree.content, dict):
        return tree.problem("has no 'audiences'; a policy that extends no other declares them")
    return None


def _read_personas(
    trees: Mapping[str, Node | None], siblings: Siblings, notes: _Notes
) -> dict[str, ReadPersona]:
    merged, problems = resolve_extends("persona", trees)
    notes.problems += problems
    found = {
        name: notes.attempt(partial(read_persona, name, tree, siblings))
        for name, tree in merged.items()
    }
    return {name: read for name, read in found.items() if read is not None}


def _read_prompts(root: Path, notes: _Notes) -> dict[str, Prompt]:
    found = (notes.attempt(partial(read_prompt, path, root)) for path in find_prompts(root))
    return {prompt.id: prompt for prompt in found if prompt is not None}


def _variables(
    prompts: Mapping[str, Prompt], siblings: Siblings, notes: _Notes
) -> dict[str, frozenset[str]]:
    found = {
        name: notes.attempt(partial(siblings.inspect_prompt, name, prompts)) for name in prompts
    }
    return {name: wanted for name, wanted in found.items() if wanted is not None}


def _read_routes(deployment: Node, notes: _Notes) -> dict[str, Route]:
    routes: dict[str, Route] = {}
    written = _entries(deployment, "routes")
    if not written:
        notes.problems.append(
            deployment.nearest("routes").problem(
                "has no routes; add one, such as {main: {backend: local}}"
            )
        )
    for name, node in written.items():
        route = notes.attempt(partial(read_route, name, node))
        if route is not None:
            routes[name] = route
    return routes


def _check_routes(
    routes: Mapping[str, Route],
    deployment: Node,
    personas: Mapping[str, ReadPersona],
    policies: Mapping[str, ReadPolicy],
) -> Iterator[Problem]:
    nodes = _entries(deployment, "routes")
    audiences = dict.fromkeys(name for read in policies.values() for name in read.policy.audiences)
    backends = _entries(deployment, "backends")
    for name, route in routes.items():
        yield from check_route(
            route, nodes[name], backends=backends, personas=personas, audiences=audiences
        )
    yield from check_prices(_entries(deployment, "prices"), routes.values(), backends)
    for read in personas.values():
        for each in (read, *read.variants.values()):
            yield from check_ways(each, routes, policies)


def _entries(tree: Node, key: str) -> dict[str, Node]:
    section = tree.child(key)
    return section.entries if section else {}


def _read_knowledge(root: Path, personas: Iterable[ReadPersona], notes: _Notes) -> dict[str, str]:
    texts: dict[str, str] = {}
    for read in personas:
        for version in (read, *read.variants.values()):
            for node in version.tree.nearest("knowledge").items:
                text = notes.attempt(partial(read_knowledge, root, node))
                if text is not None:
                    texts[str(node.content)] = text
    return texts


def _catalog(
    personas: Mapping[str, ReadPersona],
    policies: Mapping[str, ReadPolicy],
    prompts: Mapping[str, Prompt],
    routes: Mapping[str, Route],
    knowledge: Mapping[str, str],
    deployment: Node,
) -> Catalog:
    by_id = {name: personas[name].persona for name in sorted(personas)}
    policies_by_id = {name: policies[name].policy for name in sorted(policies)}
    digest = digest_of(
        personas=by_id,
        policies=policies_by_id,
        prompts=prompts,
        routes=routes,
        knowledge=knowledge,
    )
    trees = {
        **{f"personas/{name}.yaml": read.tree for name, read in personas.items()},
        **{f"policies/{name}.yaml": read.tree for name, read in policies.items()},
        DEPLOYMENT_FILE: deployment,
    }
    return Catalog(
        digest=digest,
        personas=by_id,
        policies=policies_by_id,
        prompts=prompts,
        routes=routes,
        knowledge=knowledge,
        sources=dict(_sources(trees)),
        variants={
            (name, variant): varied.persona
            for name, read in personas.items()
            for variant, varied in read.variants.items()
        },
    )


def _sources(trees: Mapping[str, Node]) -> Iterator[tuple[tuple[str, str], Source]]:
    for file, tree in trees.items():
        for path, node in walk(tree):
            yield (file, path), node.source


@dataclass(frozen=True, slots=True)
class DeploymentDocument:
    """``banneton.yaml`` without its routes, which belong to the catalog."""

    _tree: Node

    def read_as(self, model: type[ModelT], *, context: object = None) -> ModelT:
        """Validate the document.

        Raises:
            ContentError: Every mistake with its line and column, and no value of the file.
        """
        return read_as(model, self._tree, context=context, echoes_values=False)

    def sections(self) -> Mapping[str, Json]:
        """What is written, by section, with references to secrets as they stand."""
        return {name: node.plain() for name, node in self._tree.entries.items()}


def read_deployment(root: Path) -> DeploymentDocument:
    """Read ``banneton.yaml``.

    Raises:
        ContentError: It is missing or is not strict YAML 1.2.
    """
    tree = read_document(root / DEPLOYMENT_FILE, root)
    return DeploymentDocument(without(tree, "routes"))


def expired_waivers(catalog: Catalog, today: date) -> tuple[Problem, ...]:
    """Waivers that no longer hold, each where it is written.

    They are no error: a gateway that runs past their date must still be able to reload, and the
    rules they lowered are simply strict again.
    """
    found: dict[Source, Problem] = {}
    for policy in catalog.policies.values():
        for index, waiver in enumerate(policy.waivers):
            path = f"waivers[{index}]"
            source = catalog.sources[f"policies/{policy.id}.yaml", path]
            if waiver.expires < today:
                what = f"expired on {waiver.expires}; the rule '{waiver.rule}' is strict again"
                problem = Problem(source.file, source.line, source.column, path, what)
                found.setdefault(source, problem)
    return tuple(sorted(found.values()))
