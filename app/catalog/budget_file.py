"""What a policy's file may say of false alarms."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from app.catalog.document import Node
from app.catalog.wording import unknown
from app.domain.errors import Problem
from app.domain.persona import FileModel
from app.domain.policy import Budget

EVERYONE = "*"
"""Stands for every audience that is not named."""
_PERCENT = r"^[0-9]{1,3}(\.[0-9]{1,6})?%$"


def _by_audience(value: object) -> object:
    return value if isinstance(value, Mapping) else {EVERYONE: value}


def share_of(value: object) -> float:
    """A share in [0, 1], written as ``0.5%``; raises ``ValueError`` where it is none."""
    if not isinstance(value, str) or not re.match(_PERCENT, value):
        raise ValueError("must be a share such as 0.5%")
    share = float(value.removesuffix("%")) / 100
    if not 0 <= share <= 1:
        raise ValueError("must lie between 0% and 100%")
    return share


def _texts_file(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not value.endswith((".jsonl", ".jsonl.gz")):
        raise ValueError("must be a .jsonl or .jsonl.gz file under the project's root")
    return value


_PERCENT_SCHEMA = {"type": "string", "pattern": _PERCENT}
Share = Annotated[float, BeforeValidator(share_of), WithJsonSchema(_PERCENT_SCHEMA)]
Shares = Annotated[
    Mapping[str, Share],
    BeforeValidator(_by_audience),
    WithJsonSchema(
        {"anyOf": [_PERCENT_SCHEMA, {"type": "object", "additionalProperties": _PERCENT_SCHEMA}]}
    ),
]
TextsFile = Annotated[str, AfterValidator(_texts_file)]


class BudgetFile(FileModel):
    """How often a rule may stop a harmless text: ``banneton check`` fails where one does more."""

    false_alarms: Shares
    """The share of harmless texts that each rule may block or escalate, such as ``0.5%``, for
    everyone or by audience. An audience that is not named takes the next looser named one's."""
    harmless: Annotated[tuple[TextsFile, ...], Field(min_length=1)]
    """Files of texts that no rule should stop: JSON Lines with ``text``."""
    harmful: tuple[TextsFile, ...] = ()
    """Files of texts that should be stopped: JSON Lines with ``text`` and ``category``."""


def build_budget(budget: BudgetFile, audiences: Sequence[str]) -> Budget:
    """With a share for every audience."""
    named = budget.false_alarms
    shares: dict[str, float] = {}
    share = named.get(EVERYONE, 0.0)
    for audience in reversed(audiences):
        share = shares[audience] = named.get(audience, share)
    by_audience = {audience: shares[audience] for audience in audiences}
    return Budget(by_audience, budget.harmless, budget.harmful)


def budget_problems(budget: BudgetFile, audiences: Sequence[str], tree: Node) -> Iterator[Problem]:
    """What is wrong with a budget beyond its shape; ``tree`` is that of the whole policy."""
    node = tree.nearest("budget", "false_alarms")
    for name in budget.false_alarms:
        if name not in {*audiences, EVERYONE}:
            yield node.nearest(name).key_problem(unknown("audience", name, audiences))
    if not {EVERYONE, audiences[-1]} & set(budget.false_alarms):
        yield node.problem(f"says nothing for '{audiences[-1]}', the loosest audience")
    shares = build_budget(budget, audiences).false_alarms
    for strict, loose in pairwise(audiences):
        if shares[strict] < shares[loose]:
            what = f"allows '{strict}' fewer false alarms than '{loose}', a looser audience: "
            what += "its thresholds would have to be higher, and its rules weaker"
            yield node.nearest(strict).problem(what)
