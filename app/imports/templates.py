"""Templates of other tools as templates of ours: what says the same here, and nothing else.

Nothing is executed. Carried over are texts, printed variables and conditions on one variable; in
place of everything else stands a comment, and it is told of with its line.

Sources: https://mustache.github.io/mustache.5.html, https://handlebarsjs.com/guide/,
https://google.github.io/dotprompt/reference/template, https://jinja.palletsprojects.com/templates/.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Syntax(StrEnum):
    """What a template is written in."""

    JINJA = "jinja2"
    MUSTACHE = "mustache"
    HANDLEBARS = "handlebars"


@dataclass(frozen=True, slots=True)
class Tag:
    """One piece in braces."""

    source: str
    inside: str
    """Without braces, signs of whitespace control and blanks."""
    start: int
    end: int


@dataclass(slots=True)
class Converted:
    """A template of ours, as it comes about."""

    text: str = ""
    variables: dict[str, int] = field(default_factory=dict)
    """The line on which each one first stands."""
    always: set[str] = field(default_factory=set)
    """Those that are printed whatever holds."""
    lost: list[tuple[int, str]] = field(default_factory=list)
    """What could not be carried over, by its line."""


_BRACES = {
    Syntax.JINJA: re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL),
    Syntax.MUSTACHE: re.compile(r"\{\{\{.*?\}\}\}|\{\{.*?\}\}", re.DOTALL),
    Syntax.HANDLEBARS: re.compile(
        r"\\?\{\{\{.*?\}\}\}|\\?\{\{!--.*?--\}\}|\\?\{\{.*?\}\}", re.DOTALL
    ),
}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED = r"""(?:"[^"\\]*"|'[^'\\]*')"""
_JINJA_IF = re.compile(
    rf"if (?P<not>not )?(?P<name>{NAME.pattern})(?: *(?P<sign>==|!=) *(?P<value>{_QUOTED}))?"
)
_HANDLEBARS_IF = re.compile(rf"#(if|unless) +({NAME.pattern})")


def tags_of(text: str, syntax: Syntax) -> Iterator[Tag]:
    """All pieces in braces, in order."""
    for found in _BRACES[syntax].finditer(text):
        inside = found[0].lstrip("\\").strip("{}%")
        yield Tag(found[0], inside.strip("~-+ \t\n"), found.start(), found.end())


def converted(text: str, syntax: Syntax, line: int, names: Mapping[str, str]) -> Converted:
    """The text as a template of ours.

    Args:
        text: What is to be converted.
        syntax: What it is written in.
        line: On which its first line stands in the file.
        names: What variables are called here, by what they are called there.
    """
    return _Converting(text, syntax, line, names).whole()


class _Converting:
    def __init__(self, text: str, syntax: Syntax, line: int, names: Mapping[str, str]) -> None:
        self.made = Converted()
        self._text = text
        self._tags = list(tags_of(text, syntax))
        self._syntax = syntax
        self._line = line
        self._names = names
        self._open: list[str] = []
        """Conditions that are open: what ends each of them there."""
        self._reads: Callable[[Tag], str | None] = {
            Syntax.JINJA: self._jinja,
            Syntax.MUSTACHE: self._mustache,
            Syntax.HANDLEBARS: self._handlebars,
        }[syntax]

    def whole(self) -> Converted:
        pieces: list[str] = []
        at = index = 0
        while index < len(self._tags):
            tag = self._tags[index]
            pieces.append(_literal(self._text[at : tag.start]))
            at = tag.end
            written = self._reads(tag)
            if written is None:
                last = self._end_of_block(index)
                pieces.append(self._lose(tag, self._tags[last].end - tag.end > 0))
                at, index = self._tags[last].end, last
            else:
                pieces.append(written)
            index += 1
        pieces.append(_literal(self._text[at:]))
        if self._open:  # a condition that never ends there would be a mistake here
            self.made.lost.append((self._line, "has a block that does not end; close it"))
            return Converted(lost=self.made.lost)
        self.made.text = _joined(pieces)
        return self.made

    def _line_of(self, tag: Tag) -> int:
        return self._line + self._text.count("\n", 0, tag.start)

    def _lose(self, tag: Tag, is_block: bool) -> str:  # noqa: FBT001  # how it is called
        line = self._line_of(tag)
        what = "a block" if is_block else "a piece"
        known = tag.inside.split(" ")[0].lstrip("#^/>&@!") or "?"
        named = known if NAME.fullmatch(known) else "…"
        self.made.lost.append((line, f"{what} in braces that begins with '{named}'"))
        return f"{{# left out here: {what} of line {line} #}}"

    def _end_of_block(self, index: int) -> int:
        """The tag that ends what this one begins; the tag itself where it begins nothing."""
        begins, ends = _BLOCKS[self._syntax]
        first = self._tags[index]
        if not begins(first):
            return index
        depth = 0
        for at in range(index, len(self._tags)):
            depth += begins(self._tags[at]) - ends(self._tags[at])
            if depth == 0:
                return at
        return len(self._tags) - 1

    def _variable(self, name: str, tag: Tag) -> str | None:
        if not NAME.fullmatch(name) or name in _RESERVED:
            return None
        self.made.variables.setdefault(name, self._line_of(tag))
        return self._names.get(name, name)

    def _print(self, name: str, tag: Tag) -> str | None:
        variable = self._variable(name, tag)
        if variable is None:
            return None
        if not self._open:
            self.made.always.add(name)
        return f"{{{{ {variable} }}}}"

    def _condition(self, test: str, end: str) -> str:
        self._open.append(end)
        return _control(f"if {test}")

    def _closes(self, end: str) -> str | None:
        if not self._open or self._open[-1] != end:
            return None
        self._open.pop()
        return _control("endif")

    def _jinja(self, tag: Tag) -> str | None:
        if tag.source.startswith("{#"):
            return ""
        if tag.source[2] in "-+" or tag.source[-3] in "-+":
            return None
        return self._print(tag.inside, tag) if tag.source.startswith("{{") else self._if(tag)

    def _if(self, tag: Tag) -> str | None:
        if tag.inside in {"else", "endif"}:
            return self._else_or_end(tag, "endif")
        found = _JINJA_IF.fullmatch(tag.inside)
        if found is None or (found["not"] and found["sign"]):
            return None
        variable = self._variable(found["name"], tag)
        if variable is None:
            return None
        compared = f" {found['sign']} {found['value']}" if found["sign"] else ""
        return self._condition(f"{found['not'] or ''}{variable}{compared}", "endif")

    def _else_or_end(self, tag: Tag, end: str) -> str | None:
        if tag.inside == "else":
            return _control("else") if self._open and self._open[-1] == end else None
        return self._closes(end)

    def _mustache(self, tag: Tag) -> str | None:
        if tag.inside.startswith("!"):
            return ""
        return self._print(tag.inside.removeprefix("&").strip(), tag)

    def _handlebars(self, tag: Tag) -> str | None:
        if tag.source.startswith("\\"):
            return _literal(tag.source[1:])
        if tag.inside.startswith("!"):
            return ""
        if "~" in tag.source:
            return None
        if tag.inside in {"/if", "/unless"}:
            return self._closes(tag.inside)
        if tag.inside == "else":
            return _control("else") if self._open else None
        opens = _HANDLEBARS_IF.fullmatch(tag.inside)
        return self._print(tag.inside, tag) if opens is None else self._if_there(opens, tag)

    def _if_there(self, opens: re.Match[str], tag: Tag) -> str | None:
        variable = self._variable(opens[2], tag)
        if variable is None:
            return None
        negation = "not " if opens[1] == "unless" else ""
        return self._condition(f"{negation}{variable}", f"/{opens[1]}")


def _begins_jinja(tag: Tag) -> bool:
    return tag.source.startswith("{%") and tag.inside.split(" ")[0] in _JINJA_BLOCKS


def _ends_jinja(tag: Tag) -> bool:
    return tag.source.startswith("{%") and tag.inside.removeprefix("end") in _JINJA_BLOCKS


_JINJA_BLOCKS = {"if", "for", "macro", "call", "filter", "block", "raw", "with", "autoescape"}
_RESERVED = {
    "true",
    "false",
    "none",
    "null",
    "undefined",
    "this",
    "else",
    "history",
    "loop",
    "self",
}
_BLOCKS: Mapping[Syntax, tuple[Callable[[Tag], bool], Callable[[Tag], bool]]] = {
    Syntax.JINJA: (_begins_jinja, _ends_jinja),
    **dict.fromkeys(
        (Syntax.MUSTACHE, Syntax.HANDLEBARS),
        (lambda tag: tag.inside[:1] in {"#", "^"}, lambda tag: tag.inside.startswith("/")),
    ),
}


_CONTROL = "{%+"
"""So begins no text: there, a brace before a sign is printed."""


def _control(said: str) -> str:
    """A tag that gives no text, and leaves the blanks before it as they are."""
    return f"{_CONTROL} {said} %}}"


def _joined(pieces: list[str]) -> str:
    """All of them. A line end after a control tag is dropped here: one more is written."""
    text, is_after_control = "", False
    for piece in filter(None, pieces):
        text += "\n" + piece if is_after_control and piece.startswith("\n") else piece
        is_after_control = piece.startswith(_CONTROL)
    return text


def _literal(text: str) -> str:
    """Text that prints as itself, whatever braces are in it."""
    return re.sub(r"\{(?=[{%#]|\Z)", "{{ '{' }}", text)
