"""Draws texts from lines that were written for training."""

import random
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.guardrails.rows import AUTHORED, Row

FOLDER = Path(__file__).parent / "authored"

Slots = Mapping[str, str]
Say = Callable[[str], str]

_CHOICE = re.compile(r"\{(@\w+|[^{}]*\|[^{}]*)\}")
_NAME = re.compile(r"(?<!\w)@(\w+)")


class Words:
    """Draws from lines of ``{a|b}``, where ``{@name}`` and ``@name`` are one of a slot."""

    def __init__(self, slots: Slots, seed: int) -> None:
        self._slots = slots
        self.chance = random.Random(seed)  # noqa: S311  # the same texts every time

    def say(self, line: str) -> str:
        """One text of a line."""
        while match := _CHOICE.search(line):
            name = match[1]
            options = name if "|" in name else self._slots[name[1:]]
            picked = self.chance.choice(options.split("|"))
            line = line[: match.start()] + picked + line[match.end() :]
        line = _NAME.sub(self._named, line.replace("\\n", "\n"))
        return line.replace("¦", "|").strip()

    def one(self, choices: str) -> str:
        """One of ``a|b``, in which choices may stand."""
        return self.say("{" + choices + "}") if "|" in choices else self.say(choices)

    def _named(self, found: re.Match[str]) -> str:
        options = self._slots.get(found[1])
        return found[0] if options is None else self.chance.choice(options.split("|"))


def lines_of(name: str) -> dict[str, Any]:
    """What a file of lines has."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))


def written(text: str, task: str, lang: str = "en", **teaches: Any) -> Row:  # noqa: ANN401  # fields
    """A text that was written for training."""
    return Row(text, AUTHORED, task, lang, **teaches)
