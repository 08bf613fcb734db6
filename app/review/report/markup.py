"""Elements of HTML and SVG: text goes in escaped, and there is no other way in."""

import html
import re
from dataclasses import dataclass

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
_VOID = frozenset({"meta", "line", "rect"})


@dataclass(frozen=True, slots=True)
class Markup:
    """Markup that was made here."""

    text: str


def element(name: str, /, *children: "Markup | str | None", **attributes: str | float) -> Markup:
    """An element.

    Args:
        name: Of the element.
        children: Elements, and texts, which are escaped.
        attributes: With ``_`` for ``-``, and without one at the end (``class_``). Their values
            are escaped.
    """
    values = {
        _attribute(key): f"{value:g}" if isinstance(value, float) else _legal(str(value))
        for key, value in attributes.items()
    }
    written = "".join(f' {key}="{html.escape(value)}"' for key, value in values.items())
    if name in _VOID:
        return Markup(f"<{name}{written}>" if name == "meta" else f"<{name}{written}/>")
    inside = "".join(text_of(child) for child in children if child is not None)
    return Markup(f"<{name}{written}>{inside}</{name}>")


def text_of(child: "Markup | str") -> str:
    """A child as it stands in the document."""
    return child.text if isinstance(child, Markup) else html.escape(_legal(child), quote=False)


def joined(*children: "Markup | str | None") -> Markup:
    """Several, one after another."""
    return Markup("".join(text_of(child) for child in children if child is not None))


def _attribute(key: str) -> str:
    name = key.removesuffix("_").replace("_", "-")
    if not _NAME.fullmatch(name):
        raise ValueError("no name of an attribute")
    return name


def _legal(text: str) -> str:
    """Without characters that HTML does not take, or that a file cannot hold."""
    return "".join(
        char
        if char in "\t\n" or (char.isprintable() and not char.isspace()) or char == " "
        else "\ufffd"
        for char in text
    )
