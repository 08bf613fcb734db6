"""Reads Prompty files, V1 and the drafts of V2.

Source: https://github.com/microsoft/prompty, ``Prompty.yaml``, ``docs/model`` and
``runtime/python/prompty``, as of 2026.
"""

import re
from pathlib import Path

from app.catalog.document import Node
from app.imports.front_matter import KINDS, LONGEST, Part, Sheet, Sheeting, fits, read_sheet
from app.imports.persona_writer import FoundPersona, Tree
from app.imports.sampling import WHY_NOT as SAMPLING
from app.imports.sampling import sampling_of
from app.imports.taking import Taking, below
from app.imports.templates import Syntax

_ROLE = re.compile(
    r"^[ \t]*#?[ \t]*(system|user|assistant|developer|function|tool)"
    r"[ \t]*(?:\[[^\]\n]*\])?:[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
FORM = "is the form of answers; clients ask for it, and a rule with 'schema' checks it"
_ABOUT = "says something of the file; version control says that here"
_MODEL = (
    "says which model; a persona names a route, and banneton.yaml says which model that is: "
    "add a backend and a route there, with the key as ${NAME}"
)
_WHY_NOT = {
    **SAMPLING,
    **dict.fromkeys(("version", "authors", "tags", "metadata", "$schema", "displayName"), _ABOUT),
    **dict.fromkeys(("model", "configuration", "connection", "id", "provider"), _MODEL),
    **dict.fromkeys(("api", "apiType", "response", "options", "parameters"), _MODEL),
    **dict.fromkeys(("outputs", "outputSchema"), FORM),
    "base": "names another file, which is not read; import that, and let a persona extend it",
    "sample": "is in another file; write it into this one, or as a case",
}
_OTHERWISE = "is not carried over: nothing here knows it"
_SECRET = "holds a key in plain text, which is not copied; make it a variable of the environment"  # noqa: S105  # a message
_UNPRINTABLE = (
    "is of a kind that no template here prints: only texts, numbers and booleans are; "
    "clients send lists, files and earlier turns as messages"
)


def read_prompty(path: Path) -> FoundPersona:
    """The persona, prompt and cases of a Prompty file.

    Raises:
        ContentError: It is no text, or its front matter no YAML.
    """
    sheet = read_sheet(path)
    taking = Taking()
    making = Sheeting(sheet, taking, _syntax(sheet.front, taking))
    front = sheet.front
    name = taking.text(front.child("name")).strip() or path.stem
    tree: Tree = {}
    if description := " ".join(taking.text(front.child("description")).split()):
        tree["description"] = description
    _inputs(making)
    _samples(making)
    model = below(front, "model")
    for key in ("parameters", "options"):
        if (node := model.child(key)) is not None and (sampling := sampling_of(node, taking)):
            tree["sampling"] = sampling
    _secrets(model, taking)
    found = making.persona(_parts(sheet), name, tree)
    taking.rest(front, _WHY_NOT, _OTHERWISE)
    found.left_out = making.problems()
    return found


def _syntax(front: Node, taking: Taking) -> Syntax:
    node = front.child("template")
    if node is None:
        return Syntax.JINJA
    for place in (node, node.child("format"), node.child("format", "kind"), node.child("type")):
        text = place.text if place else None
        if text in (Syntax.JINJA, Syntax.MUSTACHE):
            taking.take(place)
            _parser(node, taking)
            return Syntax(text)
    return Syntax.JINJA


def _parser(node: Node, taking: Taking) -> None:
    for place in (node.child("parser"), node.child("parser", "kind")):
        if place is not None and place.text in {"prompty", "prompty.chat"}:
            taking.take(place)


def _inputs(making: Sheeting) -> None:
    for key in ("inputs", "inputSchema"):
        node = making.sheet.front.child(key)
        inner = node.child("properties") if node is not None else None
        node = inner or node
        if node is None:
            continue
        for name, each in node.entries.items():
            _input(making, name, each)
        for each in node.items:
            name = making.taking.text(each.child("name"))
            _input(making, name, each)


def _input(making: Sheeting, name: str, node: Node) -> None:
    """One input: a value that stands where none is given, or what is known of it."""
    if not node.entries:
        _short_input(making, name, node)
        return
    taking = making.taking
    typed = node.child("type") or node.child("kind")
    said = typed.text if typed else "string"
    if said not in KINDS:
        taking.leave(node, _UNPRINTABLE)
        return
    taking.take(typed)
    variable = _kind(KINDS[said])
    if description := taking.text(node.child("description")):
        variable["description"] = " ".join(description.split())
    allowed = node.child("enumValues") or node.child("enum")
    if allowed is not None and all(fits(each.content, KINDS[said]) for each in allowed.items):
        variable["enum"] = taking.take(allowed)
    _default(variable, node, taking)
    making.declare(name, node, variable)
    for key in ("sample", "example"):
        if (sample := node.child(key)) is not None:
            making.sample(name, sample)


def _short_input(making: Sheeting, name: str, node: Node) -> None:
    """One of which the file only says a value."""
    value = node.content
    if not isinstance(value, str | int | float):
        return
    making.taking.take(node)
    making.declare(name, node, {**_kind(KINDS[type(value).__name__]), "default": value})
    if name in making.variables:
        making.samples[name] = value


def _default(variable: Tree, node: Node, taking: Taking) -> None:
    kind = str(variable.get("type", "string"))
    default = node.child("default")
    required = node.child("required") or node.child("isRequired")
    taking.take(required)
    is_optional = required is not None and required.content is False
    if default is not None and fits(default.content, kind):
        variable["default"] = taking.take(default)
    elif is_optional and kind == "string" and "enum" not in variable:
        variable["default"] = ""
    elif is_optional and required is not None:
        taking.note(required, "lets it be left out; give it a default, as it is asked for here")


def _kind(kind: str) -> Tree:
    return {"max_length": LONGEST} if kind == "string" else {"type": kind}


def _samples(making: Sheeting) -> None:
    node = making.sheet.front.child("sample")
    for name, each in node.entries.items() if node else ():
        making.sample(name, each)


def _secrets(model: Node, taking: Taking) -> None:
    for group in ("configuration", "connection"):
        for key, node in below(model, group).entries.items():
            is_key = "key" in key.lower() or "secret" in key.lower() or "token" in key.lower()
            if is_key and node.text and not node.text.startswith("${"):
                taking.leave(node, _SECRET)


def _parts(sheet: Sheet) -> list[Part]:
    """What stands before the first role is the system's."""
    parts: list[Part] = []
    role, at = "system", 0
    for found in _ROLE.finditer(sheet.body):
        parts.append(_part(sheet, role, at, found.start()))
        role, at = found[1].lower(), found.end()
    parts.append(_part(sheet, role, at, len(sheet.body)))
    return [part for part in parts if part.text.strip()]


def _part(sheet: Sheet, role: str, start: int, end: int) -> Part:
    text = sheet.body[start:end]
    skipped = len(text) - len(text.lstrip("\n"))
    line = sheet.line + sheet.body.count("\n", 0, start) + skipped
    return Part({"developer": "system"}.get(role, role), text.strip("\n"), line)
