"""Writes what an importer found as a suite, and leaves out what a suite cannot say."""

from dataclasses import dataclass

from app.catalog.check_file import JudgeFile
from app.catalog.check_reader import Named, read_checks
from app.catalog.contracts import Siblings
from app.catalog.conversation_case import MOST_REPEATS
from app.catalog.document import Node
from app.catalog.verify import made
from app.catalog.yaml_writer import yaml_text
from app.domain.catalog import Catalog
from app.domain.conversation import Json
from app.domain.errors import Problem
from app.imports.found import Found, FoundCheck, told_apart

_HEAD = "# yaml-language-server: $schema=../schemas/suite.schema.json\n"


@dataclass(frozen=True, slots=True)
class Written:
    """A suite's text."""

    text: str
    cases: int
    left_out: tuple[Problem, ...]
    """All that is not in it, each with its place in the other tool's file."""


def write_suite(
    found: Found, persona: str, catalog: Catalog, siblings: Siblings, origin: str
) -> Written:
    """The text of a suite that the catalog's reader takes.

    Args:
        found: By an importer.
        persona: Who is asked.
        catalog: Has the persona.
        siblings: What checks may name besides.
        origin: What the first line says that it was made of.
    """
    of = catalog.personas[persona]
    judges: dict[str, JudgeFile] = {}
    named = Named(siblings, of, catalog.policies[of.policy], catalog.routes, judges)
    left_out = list(found.left_out)
    names = told_apart([case.name for case in found.cases])
    cases: list[Json] = []
    for case, name in zip(found.cases, names, strict=True):
        checks = [dict(each.written) for each in case.checks if _fits(each, named, left_out)]
        if not checks:
            left_out.append(case.at.problem("has no check that can be carried over"))
            continue
        made_: dict[str, Json] = {"id": name}
        if case.tags:
            made_["tags"] = list(dict.fromkeys(case.tags))
        made_["turns"] = [{"user": case.says, "expect": checks}]
        cases.append(made_)
    defaults: dict[str, Json] = {"persona": persona}
    if found.repeats > 1:
        defaults["repeats"] = min(found.repeats, MOST_REPEATS)
    tree: dict[str, Json] = {"defaults": defaults, "cases": cases}
    if found.description.strip():
        tree = {"description": " ".join(found.description.split()), **tree}
    problems = tuple(sorted(set(left_out)))
    notes = "".join(f"#   {_one_line(str(problem))}\n" for problem in problems)
    made_of = f"# Made of {_one_line(origin)}.\n"
    head = _HEAD + made_of + (f"# Left out:\n{notes}" if notes else "")
    return Written(head + yaml_text(tree), len(cases), problems)


def _fits(check: FoundCheck, named: Named, left_out: list[Problem]) -> bool:
    """Whether it can be a check here; what is wrong with it is said of where it came from."""
    problems: list[Problem] = []
    read_checks(Node((made(check.at, dict(check.written)),), check.at.source), named, problems)
    left_out += [check.at.problem(problem.what) for problem in problems]
    return not problems


def _one_line(text: str) -> str:
    """As a comment may print it: keys of strangers may hold line ends."""
    return "".join(char if char.isprintable() else " " for char in text)
