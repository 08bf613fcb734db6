"""What an importer finds in somebody else's files, before it is written as ours."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.catalog.document import Node
from app.domain.conversation import Json
from app.domain.errors import Problem

_LONGEST_ID = 80


@dataclass(frozen=True, slots=True)
class FoundCheck:
    """A check as a suite writes it, and where the file has it."""

    written: Mapping[str, Json]
    at: Node


@dataclass(frozen=True, slots=True)
class FoundCase:
    """What a user says, and what must hold of the answer."""

    name: str
    """Not yet told from those of other cases."""
    says: str
    checks: tuple[FoundCheck, ...]
    at: Node
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class Found:
    """All that was found, and all that cannot be carried over."""

    description: str = ""
    repeats: int = 1
    cases: list[FoundCase] = field(default_factory=list)
    left_out: list[Problem] = field(default_factory=list)
    """Each with its place in the other tool's file. Quotes keys and kinds, no values."""

    def leave_out(self, at: Node, what: str) -> None:
        """Note something that cannot be carried over."""
        self.left_out.append(at.problem(what))


def told_apart(names: Sequence[str]) -> Iterator[str]:
    """The names on one line each, cut where they are long, no two of them the same."""
    taken: set[str] = set()
    for name in names:
        short = " ".join(name.split())[:_LONGEST_ID].strip() or "case"
        made, number = short, 1
        while made in taken:
            number += 1
            made = f"{short} ({number})"
        taken.add(made)
        yield made


def shown(name: str, otherwise: str) -> str:
    """A key or kind of a stranger as a message may print it."""
    return name if name and len(name) <= _LONGEST_ID and name.isprintable() else otherwise


_SLOT = re.compile(r"\{\{-?\s*([A-Za-z_][A-Za-z0-9_]*)\s*-?\}\}")
_CODE = ("{{", "}}", "{%", "%}", "{#", "#}")


def filled(template: str, values: Mapping[str, str]) -> str | None:
    """A template with values in place of ``{{ names }}``.

    Nothing is executed: where a template asks for more than a value, or for one that is not there,
    there is none.
    """
    pieces: list[str] = []
    end = 0
    for slot in _SLOT.finditer(template):
        value = values.get(slot[1])
        if value is None:
            return None
        pieces += [template[end : slot.start()], value]
        end = slot.end()
    pieces.append(template[end:])
    if any(sign in plain for plain in pieces[::2] for sign in _CODE):
        return None
    return "".join(pieces)
