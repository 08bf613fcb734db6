"""Puts together what a new project, or a new persona in one, is made of."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.catalog.document import Node, file_problem
from app.catalog.new_files import refuse_existing
from app.catalog.yaml_edit import reworded, with_values
from app.catalog.yaml_source import parse_document
from app.domain.errors import ContentError
from app.starter.deployment import root_files
from app.starter.plain import plain_files
from app.starter.provider import Provider
from app.starter.shipped import Files, Shipped, Taken
from app.starter.wish import Wish

DEFAULT_ROUTE = "balanced"
_SCHEMA_LINE = "# yaml-language-server:"


@dataclass(frozen=True, slots=True)
class Start:
    """What to write."""

    files: Files
    """By path, in the order in which they are written."""
    kept: tuple[str, ...] = ()
    """What it needs and the project has: taken as it stands there."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a persona begins with."""

    wish: Wish
    origin: str | None = None
    """The id of a shipped persona; without one, a plain persona."""
    policy: str | None = None
    """The id of a policy that is there; without one, its own."""
    route: str | None = None
    """The id of a route that is there; without one, the origin's."""


def new_project(
    shipped: Shipped, choice: Choice, provider: Provider, schemas: Mapping[str, str]
) -> Start:
    """All files of a project with one persona."""
    taken = _persona(shipped, choice, shipped.base_policy)
    rooted = root_files(choice.wish.id, provider, taken.routes)
    written = {f"schemas/{name}": text for name, text in schemas.items()}
    return Start({**taken.files, **written, **rooted})


def new_persona(shipped: Shipped, choice: Choice, root: Path, base_policy: str) -> Start:
    """The files of a persona that a project does not have yet.

    Raises:
        ContentError: The persona, or a policy that would be its own, is there already.
    """
    files = _persona(shipped, choice, base_policy).files
    kept = {
        name
        for name, text in files.items()
        if (root / name).exists() and not _is_own(name, text, root, base_policy)
    }
    # Cases belong to their file: beside one that was changed they would not hold.
    kept |= {name for name in files if _file_of_cases(name) in kept}
    mine = {name: text for name, text in files.items() if name not in kept}
    _refuse_policies(root, mine)
    refuse_existing(root, list(mine))
    if not (root / "schemas/persona.schema.json").is_file():
        mine = {name: _without_schema_line(text) for name, text in mine.items()}
    return Start(mine, tuple(sorted(name for name in kept if (root / name).exists())))


def _is_own(name: str, text: str, root: Path, base_policy: str) -> bool:
    """Whether a file is the new persona's alone, so that one that is there is another's."""
    if name.startswith("personas/"):
        return True
    is_root_policy = name.partition(".")[0] == f"policies/{base_policy}"
    if not name.startswith("policies/") or is_root_policy:
        return False
    return (root / name).read_text("utf-8") != text


def _refuse_policies(root: Path, files: Files) -> None:
    """Raise where a policy of that name says something else: the persona was made for another.

    Raises:
        ContentError: Names it, and how to take it nevertheless.
    """
    there = [
        name.removeprefix("policies/").removesuffix(".yaml")
        for name in files
        if name.startswith("policies/") and ".cases." not in name and (root / name).exists()
    ]
    what = "is there already and says something else; --policy {} takes it as it is"
    if there:
        raise ContentError(
            [file_problem(f"policies/{each}.yaml", what.format(each)) for each in there]
        )


def _file_of_cases(name: str) -> str:
    if name.startswith("prompts/"):
        return name.replace(".cases.yaml", ".md.j2")
    return name.replace(".cases.yaml", ".yaml")


def _without_schema_line(text: str) -> str:
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith(_SCHEMA_LINE)
    )


def _persona(shipped: Shipped, choice: Choice, base_policy: str) -> Taken:
    """A persona's files, those that it needs first."""
    policies: Collection[str] = (base_policy,)
    if choice.origin is None:
        own = _plain(choice, base_policy)
    else:
        own, policies = _varied(shipped, choice, choice.origin), shipped.policies_of(choice.origin)
    tree = _tree(own[f"personas/{choice.wish.id}.yaml"])
    if choice.policy is not None:
        policies = ()
    taken = shipped.needed_by(tree, choice.wish.id, policies, own)
    return Taken({**taken.files, **own}, taken.routes)


def _plain(choice: Choice, base_policy: str) -> Files:
    route = choice.route or DEFAULT_ROUTE
    return plain_files(choice.wish, policy=choice.policy, extends=base_policy, route=route)


def _varied(shipped: Shipped, choice: Choice, origin: str) -> Files:
    """A shipped persona with other answers, another name, another id."""
    tree = shipped.personas[origin]
    files = shipped.own_files(origin)
    text = files.pop(f"personas/{origin}.yaml")
    cases = files.pop(f"personas/{origin}.cases.yaml", None)
    reword = partial(_renamed, old=said(tree, "name"), new=choice.wish.name)
    changed = with_values(reworded(text, origin, reword), origin, _changes(tree, choice))
    made = {} if cases is None else {".cases.yaml": reworded(cases, origin, reword)}
    made[".yaml"] = changed
    return {**files, **{f"personas/{choice.wish.id}{end}": each for end, each in made.items()}}


def _tree(text: str) -> Node:
    return parse_document(text.encode(), "persona")


def said(tree: Node, *path: str) -> str:
    """A text of a persona; empty where it says none."""
    node = tree.child(*path)
    return (node.text if node else None) or ""


_ANSWERS = {
    "name": ("name",),
    "description": ("description",),
    "role": ("identity", "role"),
    "readers": ("identity", "readers"),
    "language": ("voice", "language"),
}
"""Where a persona's file has what a wish says."""


def wish_like(tree: Node, persona_id: str) -> Wish:
    """A shipped persona as the wish that it would come of."""
    answers = {key: said(tree, *path) for key, path in _ANSWERS.items()}
    answers["language"] = answers["language"] or "match-user"
    return Wish(persona_id, **answers)


def _changes(tree: Node, choice: Choice) -> dict[tuple[str, ...], str]:
    before = wish_like(tree, choice.wish.id)
    changes = {
        path: getattr(choice.wish, key)
        for key, path in _ANSWERS.items()
        if getattr(choice.wish, key) != getattr(before, key)
    }
    given = {("policy",): choice.policy, ("route",): choice.route}
    return changes | {
        path: value
        for path, value in given.items()
        if value is not None and value != said(tree, *path)
    }


def _renamed(text: str, *, old: str, new: str) -> str:
    return re.sub(rf"(?<![A-Za-z]){re.escape(old)}(?![A-Za-z])", lambda _: new, text)
