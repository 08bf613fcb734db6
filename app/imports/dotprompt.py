"""Reads Dotprompt files.

Source: https://google.github.io/dotprompt/reference, as of 2026.
"""

import re
from pathlib import Path

from app.catalog.document import Node
from app.domain.conversation import Json
from app.imports.front_matter import KINDS, LONGEST, Part, Sheet, Sheeting, fits, read_sheet
from app.imports.persona_writer import FoundPersona, Tree
from app.imports.sampling import WHY_NOT as SAMPLING
from app.imports.sampling import sampling_of
from app.imports.taking import Taking, below
from app.imports.templates import Syntax

_ROLE = re.compile(r"""\{\{~? *(?:role +["'](\w+)["']|(history)) *~?\}\}""")
_PICO = re.compile(
    r"(?P<name>[^?(]+)(?P<optional>\?)?(?:\((?P<kind>[a-z]+)(?:, *(?P<about>.*))?\))?"
)
_MODEL = (
    "says which model; a persona names a route, and banneton.yaml says which model that is: "
    "add a backend and a route there, with the key as ${NAME}"
)
_WHY_NOT = {
    **SAMPLING,
    "model": _MODEL,
    "config": "says how one model is asked; a persona bounds temperature, top_p and length",
    "version": _MODEL,
    "variant": "is one of several files for a prompt; write it under 'variants' of the persona",
    "toolDefs": SAMPLING["tools"],
    "output": "is the form of answers; clients ask for it, and a rule with 'schema' checks it",
    "metadata": "says something of the file; version control says that here",
    "ext": "belongs to one program",
}
_OTHERWISE = "is not carried over: nothing here knows it"
_UNPRINTABLE = (
    "is of a kind that no template here prints: only texts, numbers and booleans are; "
    "clients send lists and objects as messages"
)


def read_dotprompt(path: Path) -> FoundPersona:
    """The persona, prompt and cases of a Dotprompt file.

    Raises:
        ContentError: It is no text, or its front matter no YAML.
    """
    sheet = read_sheet(path)
    taking = Taking()
    making = Sheeting(sheet, taking, Syntax.HANDLEBARS)
    front = sheet.front
    name = taking.text(front.child("name")).strip() or path.name.partition(".")[0]
    tree: Tree = {}
    if description := " ".join(taking.text(front.child("description")).split()):
        tree["description"] = description
    _inputs(making)
    if sampling := sampling_of(below(front, "config"), taking):
        tree["sampling"] = sampling
    found = making.persona(_parts(sheet), name, tree)
    taking.rest(front, _WHY_NOT, _OTHERWISE)
    found.left_out = making.problems()
    return found


def _inputs(making: Sheeting) -> None:
    given = below(making.sheet.front, "input")
    schema = given.child("schema")
    defaults = below(given, "default").entries
    if schema is not None:
        typed = schema.child("type")
        if schema.child("properties") is not None:
            making.taking.take(typed)
            _json_schema(making, schema)
        elif typed is None or typed.text not in {*KINDS, "array", "object", "null", "any"}:
            for key, node in schema.entries.items():
                _pico(making, key, node)
    for name, node in defaults.items():
        _default(making, name, node)


def _default(making: Sheeting, name: str, node: Node) -> None:
    """A value that stands where none is given; it is the sample, too."""
    if name not in making.variables:
        if isinstance(node.content, str):
            making.declare(name, node, {"max_length": LONGEST})
        else:
            making.taking.leave(node, "is of no input that a template here prints")
            return
    kind = str(making.variables[name].get("type", "string"))
    allowed = making.variables[name].get("enum")
    if not fits(node.content, kind) or (isinstance(allowed, list) and node.plain() not in allowed):
        making.taking.leave(node, "is no value that the input can have")
        return
    making.variables[name]["default"] = node.plain()
    making.sample(name, node)


def _pico(making: Sheeting, key: str, node: Node) -> None:
    """One line of Picoschema: ``name?: string, what it is``."""
    taking = making.taking
    found = _PICO.fullmatch(key)
    if found is None:
        taking.leave(node, _UNPRINTABLE)
        return
    variable: Tree
    about = found["about"] or ""
    if found["kind"] == "enum":
        allowed: list[Json] = [each.content for each in node.items if fits(each.content, "string")]
        if not allowed or len(allowed) != len(node.items):
            taking.leave(node, "is a choice of values that are no texts")
            return
        variable = {"max_length": LONGEST, "enum": allowed}
    elif found["kind"] is None and node.text is not None:
        kind, _, about = node.text.partition(",")
        if kind.strip() not in KINDS:
            taking.leave(node, _UNPRINTABLE)
            return
        variable = _kind(kind.strip())
    else:
        taking.leave(node, _UNPRINTABLE)
        return
    taking.take(node)
    if about.strip():
        variable["description"] = " ".join(about.split())
    _declare(making, found["name"].strip(), node, variable, is_optional=bool(found["optional"]))


def _json_schema(making: Sheeting, schema: Node) -> None:
    taking = making.taking
    required = schema.child("required")
    names = [each.text for each in required.items] if required else []
    taking.take(required)
    for name, node in below(schema, "properties").entries.items():
        typed = node.child("type")
        if typed is None or typed.text not in KINDS:
            taking.leave(node, _UNPRINTABLE)
            continue
        taking.take(typed)
        variable = _kind(typed.text)
        if description := taking.text(node.child("description")):
            variable["description"] = " ".join(description.split())
        allowed = node.child("enum")
        if allowed is not None and all(fits(e.content, KINDS[typed.text]) for e in allowed.items):
            variable["enum"] = taking.take(allowed)
        default = node.child("default")
        _declare(making, name, node, variable, is_optional=name not in names and default is None)
        if default is not None and name in making.variables:
            _default(making, name, default)


def _declare(making: Sheeting, name: str, node: Node, variable: Tree, *, is_optional: bool) -> None:
    is_text = "type" not in variable and "enum" not in variable
    if is_optional and is_text:
        variable["default"] = ""
    elif is_optional:
        what = "may be left out there; give it a default, as it is asked for here"
        making.taking.note(node, what)
    making.declare(name, node, variable)


def _kind(said: str) -> Tree:
    kind = KINDS[said]
    return {"max_length": LONGEST} if kind == "string" else {"type": kind}


def _parts(sheet: Sheet) -> list[Part]:
    """What stands before the first role is a user's."""
    parts: list[Part] = []
    role, at = "user", 0
    for found in _ROLE.finditer(sheet.body):
        parts.append(_part(sheet, role, at, found.start()))
        role, at = _ROLES.get(found[1] or found[2], found[1] or found[2]), found.end()
        if found[2]:
            parts.append(Part("history", "{{history}}", _line(sheet, found.start())))
            role = "assistant"
    parts.append(_part(sheet, role, at, len(sheet.body)))
    return [part for part in parts if part.text.strip()]


_ROLES = {"model": "assistant"}


def _line(sheet: Sheet, at: int) -> int:
    return sheet.line + sheet.body.count("\n", 0, at)


def _part(sheet: Sheet, role: str, start: int, end: int) -> Part:
    text = sheet.body[start:end]
    skipped = len(text) - len(text.lstrip("\n"))
    return Part(role, text.strip("\n"), _line(sheet, start) + skipped)
