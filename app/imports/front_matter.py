"""Files of YAML between ``---`` and a template after it, such as Prompty's and Dotprompt's."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.catalog.document import Node
from app.catalog.yaml_source import decode_text, parse_document, read_bytes
from app.domain.catalog import Source
from app.domain.conversation import Json
from app.domain.errors import Problem
from app.imports.persona_writer import FoundPersona, Tree
from app.imports.taking import Taking
from app.imports.templates import NAME, Converted, Syntax, converted

_FRONT = re.compile(r"\s*---[ \t]*\n(.*?)(?:^|\n)---[ \t]*(?:\n|\Z)", re.DOTALL)
LONGEST = 20_000
"""Code points of a variable: as many as there may be."""
TAKEN = frozenset(
    ("persona", "identity", "voice", "behaviours", "examples", "knowledge", "scenario", "variables")
)
"""Names that templates here give to other things."""
_BRACE = "{{ '{' }}"
"""How a template here prints a brace."""
_EXAMPLES = (
    "\n{%+ if examples %}\n{% for example in examples %}\n<example>\nUser: {{ example.user }}\n"
    "You: {{ example.assistant }}\n</example>\n{% endfor %}\n{% endif %}\n"
)
KINDS = {
    "string": "string",
    "str": "string",
    "integer": "integer",
    "int": "integer",
    "number": "number",
    "float": "number",
    "boolean": "boolean",
    "bool": "boolean",
}
"""Types of variables, by what other tools call them."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One such file."""

    front: Node
    body: str
    line: int
    """On which the body begins."""
    file: str

    def at(self, line: int) -> Node:
        """A place in the body, for messages."""
        return Node(None, Source(self.file, line, 1))


def read_sheet(path: Path) -> Sheet:
    """A file's front matter, which may be missing, and the rest.

    Raises:
        ContentError: It is no text, or the front matter no YAML.
    """
    text = decode_text(read_bytes(path, path.name), path.name)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found = _FRONT.match(text)
    if found is None:
        return Sheet(Node({}, Source(path.name, 1, 1)), text, 1, path.name)
    before = "\n" * text.count("\n", 0, found.start(1))
    front = parse_document((before + found[1] + "\n").encode(), path.name)
    return Sheet(front, text[found.end() :], text.count("\n", 0, found.end()) + 1, path.name)


@dataclass(frozen=True, slots=True)
class Part:
    """What one role says."""

    role: str
    text: str
    line: int


@dataclass(slots=True)
class Sheeting:
    """Makes a persona of a sheet's parts."""

    sheet: Sheet
    taking: Taking
    syntax: Syntax
    variables: dict[str, Tree] = field(default_factory=dict)
    """As the persona declares them, by what the sheet calls them."""
    samples: dict[str, Json] = field(default_factory=dict)
    """Values to try, by what the sheet calls the variable."""
    places: list[tuple[str, Node]] = field(default_factory=list)
    """Where the sheet says something of a variable."""

    def named(self, name: str) -> str:
        """What a variable is called here."""
        return f"input_{name}" if name in TAKEN else name

    def declare(self, name: str, node: Node, variable: Tree) -> None:
        """Keep a variable, where a template here can have one of that name."""
        if not NAME.fullmatch(name):
            self.taking.leave(node, "has a name that no template can use here: a-z, 0-9 and _ only")
            return
        if name in TAKEN:
            what = f"is called 'input_{name}' here: templates give the name to something else"
            self.taking.note(node, what)
        self.variables[name] = variable
        self.places.append((name, node))

    def sample(self, name: str, node: Node) -> None:
        """Keep a value to try, where it is one that the variable can have."""
        kind = str(self.variables.get(name, {}).get("type", "string"))
        if name in self.samples or not fits(node.content, kind):
            self.taking.leave(node, "is a second sample, or none of the input's type")
            return
        self.samples[name] = self.taking.take(node)
        self.places.append((name, node))

    def persona(self, parts: list[Part], name: str, tree: Tree) -> FoundPersona:
        """The persona, its prompt and its cases.

        Args:
            parts: Of the body, in order.
            name: What the persona calls itself.
            tree: What else the persona's file says.
        """
        system = [part for part in parts if part.role == "system" and part.text.strip()]
        if not system and [part.role for part in parts if part.text.strip()] == ["user"]:
            system = [part for part in parts if part.text.strip()]
            what = "is one message of a user there; it is the system prompt here, as clients send "
            self.taking.note(self.sheet.at(system[0].line), what + "what users say")
            parts = []
        made = [self._converted(part) for part in system]
        examples = self._examples([part for part in parts if part.role != "system"])
        used = {variable: line for each in made for variable, line in each.variables.items()}
        for variable, line in used.items():
            if variable not in self.variables:
                what = f"uses '{variable[:80]}', which no input declares; it is a text here"
                self.taking.note(self.sheet.at(line), what)
                self.declare(variable, self.sheet.at(line), {"default": ""})
        self._tell_unused(used)
        declared: dict[str, Json] = {
            self.named(variable): self.variables[variable] for variable in used
        }
        whole: Tree = {"name": name, **tree, "identity": {"role": "assistant"}}
        if declared:
            whole["variables"] = declared
        if examples:
            whole["examples"] = examples
        prompt = (
            "\n\n".join(each.text.strip("\n") for each in made) or "You are a helpful assistant."
        )
        prompt += _EXAMPLES if examples else "\n"
        always = set().union(*(each.always for each in made))
        cases = self._cases(used, always, prompt)
        if not cases:
            for variable in used.keys() & self.samples.keys():
                places = [node for name, node in self.places if name == variable]
                self.taking.note(places[-1], "has a sample that no case here shows")
        return FoundPersona(whole, cases, prompt)

    def _tell_unused(self, used: Mapping[str, int]) -> None:
        what = "is not in the system's part, so that nothing here asks for it; clients send what "
        for name, node in self.places:
            if name not in used:
                self.taking.note(node, what + "users say")

    def _converted(self, part: Part) -> Converted:
        names = {name: self.named(name) for name in self.variables}
        names |= {name: self.named(name) for name in TAKEN}
        made = converted(part.text, self.syntax, part.line, names)
        for line, what in made.lost:
            place = self.sheet.at(line)
            self.taking.note(place, f"{what} is left out; say it in words, or in Jinja by hand")
        return made

    def _examples(self, parts: list[Part]) -> list[Json]:
        """Turns that are the same each time; the user's last words are the client's to send."""
        examples: list[Json] = []
        at = 0
        while at + 1 < len(parts):
            user, answer = parts[at], parts[at + 1]
            is_turn = (user.role, answer.role) == ("user", "assistant")
            if not is_turn or "{{" in user.text + answer.text or "{%" in user.text + answer.text:
                break
            examples.append({"user": user.text.strip(), "assistant": answer.text.strip()})
            at += 2
        for part in parts[at:]:
            if part.text.strip():
                self.taking.note(self.sheet.at(part.line), _of_client(part))
        return examples

    def _cases(self, used: Collection[str], always: set[str], prompt: str) -> list[Json]:
        """That the prompt says what the sheet's own sample gives it."""
        given = {self.named(name): self.samples[name] for name in used if name in self.samples}
        needed = [name for name in used if "default" not in self.variables[name]]
        if not all(name in self.samples for name in needed):
            return []
        shows: list[Json] = [
            f'<data name="{self.named(name)}">'
            for name in sorted(always)
            if isinstance(self.samples.get(name), str)
        ]
        lacks: list[Json] = ["{{", "{%"] if _BRACE not in prompt else []
        renders: Tree = {"contains": shows} if shows else {}
        renders |= {"lacks": lacks} if lacks else {}
        case: Tree = {"id": "the prompt of the file's own sample"}
        case |= {"variables": dict(given)} if given else {}
        return [{**case, "renders": renders}] if renders else []

    def problems(self) -> tuple[Problem, ...]:
        """All that was told of."""
        return tuple(self.taking.left_out)


def fits(value: Json, kind: str) -> bool:
    """Whether a variable of a type can have a value."""
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and kind == "boolean"
    kinds: dict[str, tuple[type, ...]] = {"integer": (int,), "number": (int, float)}
    return isinstance(value, kinds.get(kind, (str,)))


def _of_client(part: Part) -> str:
    if part.role == "user":
        return (
            "is what a user says: clients send it, and the text around it; "
            "what always holds belongs to the system's part"
        )
    return f"is a message of '{part.role}', which clients send"
