"""How a persona's file becomes a ``Persona``, with its variants."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from app.catalog.contracts import Siblings
from app.catalog.document import Node, without
from app.catalog.inherit import merged
from app.catalog.verify import read_verify
from app.catalog.wording import read_as
from app.domain.errors import ContentError, Problem
from app.domain.persona import Persona, Verify

_FIXED = ("id", "extends", "variants", "rollout", "system_messages", "passthrough")
"""What a variant cannot set."""


@dataclass(frozen=True, slots=True)
class ReadPersona:
    """A persona with the tree it was read from."""

    persona: Persona
    tree: Node
    variants: "Mapping[str, ReadPersona]" = field(default_factory=dict)
    """By the variant's id: the persona as it is with that variant's changes."""
    extends: str | None = None
    """The id of the persona that it extends."""


def read_persona(persona_id: str, tree: Node, siblings: Siblings) -> ReadPersona:
    """Validate a merged tree.

    Raises:
        ContentError: The file, or a variant's ``set``, does not make a persona.
    """
    if (written := tree.child("id")) is not None:
        what = "is not written in the file; the file's name is the id"
        raise ContentError([written.key_problem(what)])
    extends = tree.child("extends")
    tree = without(tree, "extends")
    persona = _read(persona_id, tree, siblings)
    problems: list[Problem] = []
    variants: dict[str, ReadPersona] = {}
    for index, variant in enumerate(persona.variants):
        varied = without(tree, "variants", "rollout")
        change = tree.child("variants", index, "set")
        if change is not None:
            problems += [
                change.entries[key].key_problem(
                    "cannot be set by a variant; make a persona of its own for that"
                )
                for key in _FIXED
                if key in change.entries
            ]
            varied = merged(varied, without(change, *_FIXED))
        try:
            variants[variant.id] = ReadPersona(_read(persona_id, varied, siblings), varied)
        except ContentError as exc:
            problems += exc.problems
    if problems:
        raise ContentError(problems)
    return ReadPersona(persona, tree, variants, None if extends is None else extends.text)


def _read(persona_id: str, tree: Node, siblings: Siblings) -> Persona:
    written = tree.child("behaviours")
    ways = [item.child("verify") for item in written.items] if written else []
    if written and ways:
        bare = tuple(without(item, "verify") for item in written.items)
        tree = replace(tree, content={**tree.entries, "behaviours": replace(written, content=bare)})
    problems: list[Problem] = []
    verifies: list[Verify | None] = []
    for way in ways:
        try:
            verifies.append(None if way is None else read_verify(way, siblings))
        except ContentError as exc:
            problems += exc.problems
    try:
        persona = read_as(Persona, tree, given={"id": persona_id}, besides=("extends",))
    except ContentError as exc:
        raise ContentError([*problems, *exc.problems]) from None
    if problems:
        raise ContentError(problems)
    behaviours = tuple(
        behaviour.model_copy(update={"verify": verify})
        for behaviour, verify in zip(persona.behaviours, verifies, strict=True)
    )
    return persona.model_copy(update={"behaviours": behaviours})
