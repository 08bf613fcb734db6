"""A composed system prompt."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineSource:
    """Where one line of the prompt came from."""

    file: str
    """Of the template, or of the persona or knowledge file where the line is printed from it."""
    line: int
    key: str = ""
    """The key in a YAML file, such as ``behaviours[0].instruct``; empty for template text."""


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """What the model is told, and where each line came from."""

    text: str
    digest: str
    """``sha256:`` of the text."""
    tokens: int
    """An estimate: no tokenizer of any provider is asked."""
    provenance: tuple[LineSource, ...]
    """One for each line of ``text``."""
    prompt: str
    """The template's id."""
    cacheable_chars: int
    """How much of the start is the same for every request of this persona, variant and scenario."""


NO_PROMPT = SystemPrompt("", "", 0, (), "", 0)
"""Where none is composed: nothing but a turn of a conversation needs one."""
