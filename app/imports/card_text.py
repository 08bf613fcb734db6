"""Texts of character cards as plain text: their macros become words, and none stays a template.

Sources: https://github.com/malfoyslastname/character-card-spec-v2 (``spec_v1.md``),
https://github.com/kwaroran/character-card-spec-v3 (``SPEC_V3.md``, Curly Braced Syntaxes).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.catalog.document import Node
from app.imports.taking import Taking

USER = "the user"
_MACRO = re.compile(r"\{\{([^{}]*)\}\}|<(BOT|CHAR|USER)>", re.IGNORECASE)
_UNSEEN = ("//", "hidden_key:", "comment:")
"""Macros that give nothing to a prompt."""
_DECORATOR = re.compile(r"^@@@?[A-Za-z_]+.*$\n?", re.MULTILINE)
_SIGNS = re.compile(r"\{(?=[{%#])|(?<=[}%#])\}")
"""The brace that makes a sign of a template of what stands beside it."""


@dataclass(slots=True)
class CardText:
    """Makes texts plain, and tells of what they lose."""

    char: str
    """What the character is called."""
    taking: Taking
    _told: set[str] = field(default_factory=set)

    def of(self, node: Node | None) -> str:
        """A text of the card; empty where there is none."""
        if node is None:
            return ""
        text = self.taking.text(node).replace("\r\n", "\n").replace("\r", "\n")
        return self.plain(text, node)

    def plain(self, text: str, at: Node) -> str:
        """The text without macros and signs of templates."""
        if _DECORATOR.search(text):
            what = "has decorators (lines that begin with @@), which are left out: when and where "
            self.taking.note(at, what + "an entry is shown is not for it to say here")
            text = _DECORATOR.sub("", text)
        text = _MACRO.sub(lambda found: self._macro(found, at), text)
        if _SIGNS.search(text):
            self._tell(at, "has braces of a template, of which one is left out; read it again")
            text = _SIGNS.sub("", text)
        return "".join(char for char in text if char.isprintable() or char == "\n").strip()

    def _macro(self, found: re.Match[str], at: Node) -> str:
        name = (found[1] or found[2] or "").strip().lower()
        if name in {"char", "bot"}:
            return self.char
        if name == "user":
            self._tell(at, f"has {{{{user}}}}, which becomes '{USER}': who asks is not known here")
            return USER
        if name == "original":
            self._tell(at, "has {{original}}, which is left out: the prompt stands around it")
            return ""
        if name.startswith(_UNSEEN):
            self._tell(at, "has a comment in braces, which is left out")
            return ""
        self._tell(at, "has a macro of chat programs, which stays as plain text; say it in words")
        return f"({(found[1] or '').strip()})"

    def _tell(self, at: Node, what: str) -> None:
        if f"{at.path}{what}" not in self._told:
            self._told.add(f"{at.path}{what}")
            self.taking.note(at, what)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one says and what the other answers."""

    user: str
    assistant: str


_START = re.compile(r"^\s*<START>\s*$", re.IGNORECASE | re.MULTILINE)
_SPEAKER = re.compile(
    r"^\s*(\{\{user\}\}|\{\{char\}\}|<user>|<bot>|[^:\n]{1,60}):[ \t]*", re.IGNORECASE
)


def example_turns(text: str, names: tuple[str, ...]) -> tuple[list[Turn], bool]:
    """The turns of example conversations, and whether all of the text is in them.

    Args:
        text: As the card has it, with its macros.
        names: What the character is called.
    """
    turns: list[Turn] = []
    is_whole = True
    for talk in _START.split(text):
        said = list(_said(talk, names))
        pairs = list(zip(said[::2], said[1::2], strict=False))
        fits = all(user[0] and not answer[0] for user, answer in pairs) and len(said) % 2 == 0
        if fits and all(each[1] for each in said):
            turns += [Turn(user[1], answer[1]) for user, answer in pairs]
        else:
            is_whole = is_whole and not talk.strip()
    return turns, is_whole


def _said(talk: str, names: tuple[str, ...]) -> Iterator[tuple[bool, str]]:
    """Whether it is the user who speaks, and what is said; lines without a speaker go on."""
    speaker: bool | None = None
    lines: list[str] = []
    for line in talk.strip().split("\n"):
        found = _SPEAKER.match(line)
        name = found[1].strip().lower() if found else ""
        is_char = name in {"{{char}}", "<bot>", *(each.lower() for each in names)}
        if found and (is_char or name in {"{{user}}", "<user>"}):
            if speaker is not None or lines:
                yield bool(speaker), "\n".join(lines).strip()
            speaker, lines = not is_char, [line[found.end() :]]
        else:
            lines.append(line)
    if speaker is not None or any(lines):
        yield bool(speaker), "\n".join(lines).strip() if speaker is not None else ""
