"""New thresholds for a policy's file, written where the old ones stand."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.domain.catalog import Catalog, Source
from app.domain.policy import Rule, Steps

_NO_END = "\n\\ No newline at end of file\n"
_NUMBER = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class NewSteps:
    """What a rule should do for an audience."""

    rule: Rule
    audience: str
    step: int
    """Which of the rule's steps has another threshold."""
    steps: Steps


@dataclass(frozen=True, slots=True)
class Edited:
    """A policy's file with new thresholds, and what could not be written in place."""

    file: str
    old: str
    new: str
    by_hand: tuple[str, ...]
    """Lines for a person: what to write where, and why it was not done."""

    @property
    def diff(self) -> str:
        """A unified diff that ``git apply`` and ``patch -p1`` take; empty where nothing changes."""
        lines = difflib.unified_diff(
            self.old.splitlines(keepends=True),
            self.new.splitlines(keepends=True),
            f"a/{self.file}",
            f"b/{self.file}",
        )
        # Files of people may end without a line end, which a patch has to say.
        ends = (line if line.endswith("\n") else f"{line}{_NO_END}" for line in lines)
        return "".join(ends)


def with_thresholds(
    root: Path, catalog: Catalog, policy_id: str, wanted: Iterable[NewSteps]
) -> Edited:
    """The file of a policy with other thresholds; comments and layout stay as they are."""
    file = f"policies/{policy_id}.yaml"
    old = (root / file).read_bytes().decode()  # with its line ends, or no patch would fit
    lines = old.splitlines(keepends=True)
    places: dict[Source, dict[str, NewSteps]] = {}
    by_hand: list[str] = []
    index_of = {rule.id: number for number, rule in enumerate(catalog.policies[policy_id].rules)}
    for each in wanted:
        place = _place(catalog, file, index_of[each.rule.id], each, lines)
        if place is None:
            by_hand.append(_written(each, "the threshold stands in a parent or is not written"))
        elif len(each.steps) != len(each.rule.then[each.audience]):
            by_hand.append(_written(each, "a step before it would never be reached"))
        else:
            places.setdefault(place, {})[each.audience] = each
    edits: dict[Source, str] = {}
    for place, sharing in places.items():
        values = {_number(each) for each in sharing.values()}
        if len(values) > 1:
            why = "these audiences share one line, and would need steps of their own"
            by_hand += [_written(each, why) for each in sharing.values()]
        else:
            edits[place] = values.pop()
    return Edited(file, old, "".join(_edited(lines, edits)), tuple(by_hand))


def _number(each: NewSteps) -> str:
    return f"{each.steps[each.step].at:g}"


def _place(
    catalog: Catalog, file: str, index: int, each: NewSteps, lines: list[str]
) -> Source | None:
    """Where this file writes the threshold; none where it does not."""
    audiences = catalog.policies[file.removeprefix("policies/").removesuffix(".yaml")].audiences
    old = each.rule.then[each.audience][each.step].at
    for audience in audiences[audiences.index(each.audience) :]:
        then = f"rules[{index}].then.{audience}"
        if (file, then) not in catalog.sources:
            continue
        for number in range(len(catalog.sources)):
            source = catalog.sources.get((file, f"{then}[{number}].at"))
            if source is None:
                return None
            if source.file == file and _value(lines, source) == old:
                return source
    return None


def _value(lines: list[str], source: Source) -> float | None:
    found = _NUMBER.match(lines[source.line - 1], source.column - 1)
    return None if found is None else float(found[0])


def _edited(lines: list[str], edits: Mapping[Source, str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        here = sorted(
            (source.column - 1, new) for source, new in edits.items() if source.line == number
        )
        changed = line
        for column, new in reversed(here):
            found = _NUMBER.match(changed, column)
            if found is not None:
                changed = changed[:column] + new + changed[found.end() :]
        yield changed


def _written(each: NewSteps, why: str) -> str:
    steps = ", ".join(f"{{at: {step.at:g}, do: {step.do}}}" for step in each.steps)
    return f"{each.rule.id}: then: {{{each.audience}: [{steps}]}}  # {why}"
