"""Writes what an importer found as a persona's files."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from app.catalog.yaml_writer import yaml_text
from app.domain.conversation import Json
from app.domain.errors import Problem
from app.imports.taking import listed

_SCHEMA = "# yaml-language-server: $schema=../schemas/{}.schema.json\n"
_ORDER = (
    *("name", "description", "prompt", "policy", "route", "identity", "voice", "behaviours"),
    *("variables", "examples", "knowledge", "sampling"),
)
"""Of what importers make."""
Tree = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a persona belongs in a project."""

    id: str
    policy: str
    route: str


@dataclass(slots=True)
class FoundPersona:
    """What an importer made of somebody else's file."""

    persona: Tree
    """As the file has it, without policy and route."""
    cases: list[Json] = field(default_factory=list)
    prompt: str | None = None
    """A template of its own; without one, the persona names one that is there."""
    knowledge: str | None = None
    """Text that goes into a file of its own."""
    left_out: Collection[Problem] = ()


def persona_files(found: FoundPersona, place: Place, origin: str) -> Mapping[str, str]:
    """Texts by path, in the order in which they are to be written.

    Args:
        found: By an importer.
        place: Where it belongs.
        origin: What the first line says that it was made of.
    """
    files: dict[str, str] = {}
    tree = dict(found.persona)
    named: Tree = {"policy": place.policy, "route": place.route}
    if found.prompt is not None:
        files[f"prompts/{place.id}.md.j2"] = found.prompt
        named["prompt"] = place.id
    if found.knowledge is not None:
        files[f"knowledge/{place.id}.md"] = found.knowledge
        tree["knowledge"] = [f"knowledge/{place.id}.md"]
    tree |= named
    whole = yaml_text({key: tree[key] for key in _ORDER if key in tree})
    if found.cases:
        cases = _SCHEMA.format("cases") + yaml_text({"cases": found.cases})
        files[f"personas/{place.id}.cases.yaml"] = cases
    head = _SCHEMA.format("persona") + f"# Made of {one_line(origin)}.\n" + told(found.left_out)
    files[f"personas/{place.id}.yaml"] = head + whole
    return files


def told(left_out: Collection[Problem]) -> str:
    """What was left out, as comments at the head of a file."""
    lines = [one_line(f"#   {where}: {what}") + "\n" for where, what in listed(left_out)]
    return "".join(["# Left out, or not as it was:\n", *lines]) if lines else ""


def one_line(text: str) -> str:
    """As a comment may print it: keys of strangers may hold line ends."""
    return "".join(char if char.isprintable() else " " for char in text)
