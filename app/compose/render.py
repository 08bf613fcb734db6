"""One rendering of a template: fixed text, with slots that each request fills."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, cast

from jinja2 import Template, TemplateError

from app.compose.fence import CLOSING, escape, opening
from app.compose.provenance import Run, SourcedText, line_sources
from app.compose.state import RenderState
from app.domain.errors import ContentError, Problem
from app.domain.prompt import LineSource, SystemPrompt
from app.domain.tokens import token_units, tokens_of

_FAILURES = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)
"""What an expression in a template can raise."""


class _Hash(Protocol):
    def copy(self) -> Self: ...
    def update(self, _data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Rendering:
    """A prompt but for the values of its slots."""

    prompt: str
    segments: tuple[str, ...]
    """One more than there are slots, and between them; fences are part of the segments."""
    slots: tuple[str, ...]
    """The variables whose values stand between the segments."""
    provenance: tuple[LineSource, ...]
    cacheable_chars: int
    units: int
    """Token units of the segments."""
    head_hash: _Hash
    """Of the first segment, which is most of the prompt."""

    def fill(self, values: Mapping[str, str]) -> SystemPrompt:
        """The prompt with these values, as text, in its slots."""
        units = self.units
        parts: list[str] = []
        for slot, segment in zip(self.slots, self.segments[1:], strict=True):
            value = escape(values[slot])
            units += token_units(value)
            parts += (value, segment)
        tail = "".join(parts)
        digest = self.head_hash.copy()
        digest.update(tail.encode())
        return SystemPrompt(
            text=self.segments[0] + tail,
            digest=f"sha256:{digest.hexdigest()}",
            tokens=tokens_of(units),
            provenance=self.provenance,
            prompt=self.prompt,
            cacheable_chars=self.cacheable_chars,
        )


def render(
    template: Template, names: Mapping[str, object], state: RenderState, prompt: str
) -> Rendering:
    """Run the template; ``state`` holds afterwards what it asked.

    Raises:
        ContentError: The template does what it may not, or what cannot be done.
    """
    runs: list[Run] = []
    try:
        with state.active():
            for piece in template.root_render_func(template.new_context(dict(names))):
                state.spend(len(piece))
                state.chars += len(piece)
                runs.extend(cast("SourcedText", piece).runs)
        return _assemble(runs, state, prompt, template.filename or "")
    except _FAILURES as exc:
        raise ContentError([_problem(exc, template)]) from None  # a cause could quote a value


def _assemble(runs: Sequence[Run], state: RenderState, prompt: str, file: str) -> Rendering:
    segments = [""]
    for run in runs:
        if run.slot:
            segments[-1] += opening(run.slot)
            segments.append(CLOSING)
        else:
            segments[-1] += run.text
    segments[-1] = segments[-1].rstrip()
    lines = sum(segment.count("\n") for segment in segments) + 1
    stable_chars = len(segments[0])
    if state.stable_chars is not None:
        stable_chars = min(stable_chars, state.stable_chars)
    "".join(segments).encode()  # a half surrogate pair shows now, not in a request
    return Rendering(
        prompt=prompt,
        segments=tuple(segments),
        slots=tuple(run.slot for run in runs if run.slot),
        provenance=line_sources(runs, LineSource(file, 1))[:lines],
        cacheable_chars=stable_chars,
        units=sum(map(token_units, segments)),
        head_hash=hashlib.sha256(segments[0].encode()),
    )


def _problem(exc: Exception, template: Template) -> Problem:
    """The failure at the line of the innermost template that it went through."""
    line = 0
    frame = exc.__traceback__
    while frame is not None:
        through = frame.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(through, Template):
            template, line = through, through.get_corresponding_lineno(frame.tb_lineno)
        frame = frame.tb_next
    file = template.filename or ""
    return Problem(file, line, 1 if line else 0, "", _what(exc))


def _what(exc: Exception) -> str:
    match exc:
        case UnicodeError():
            return "prints half of a surrogate pair; write the character itself"
        case RecursionError():
            return "calls itself without end; let the macro stop"
        case TemplateError() | TypeError():
            return str(exc)  # these quote names and types, never values
        case _:
            return f"{type(exc).__name__} in this expression; look at what it computes"
