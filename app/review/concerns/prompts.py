"""How each composed system prompt reads before and after."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.compose.compose import ComposedPrompt
from app.domain.errors import BannetonError
from app.domain.persona import Scalar, Variable
from app.pipeline.loaded import Loaded


@dataclass(frozen=True, slots=True)
class PromptChange:
    """A system prompt that reads differently."""

    persona: str
    """Its id, with its variant where there is one."""
    scenarios: tuple[str, ...]
    """In which it changes so; an empty name is that of no scenario."""
    diff: tuple[str, ...]
    """As a unified diff, without line ends."""
    tokens_before: int
    tokens_after: int


def changes_of_prompts(before: Loaded, after: Loaded) -> Iterator[PromptChange]:
    """Prompts of personas that both have, in every scenario that both have.

    Variables without a default are given the same stand-in on both sides.
    """
    for key, served in sorted(
        after.served.items(), key=lambda item: (item[0][0], item[0][1] or "")
    ):
        if key not in before.served:
            continue
        name = ":".join(filter(None, key))
        yield from _of_persona(name, before.served[key].prompt, served.prompt)


def _of_persona(name: str, before: ComposedPrompt, after: ComposedPrompt) -> Iterator[PromptChange]:
    found: dict[tuple[str, ...], PromptChange] = {}
    shared = [each for each in after.persona.scenarios if each in before.persona.scenarios]
    for scenario in (None, *shared):
        was, now = _text(before, scenario), _text(after, scenario)
        if was is None or now is None or was[0] == now[0]:
            continue
        lines = difflib.unified_diff(
            was[0].split("\n"), now[0].split("\n"), "before", "after", lineterm=""
        )
        # Where two scenarios change alike, one of them is enough to read.
        diff = tuple(lines)
        changed = tuple(line for line in diff[2:] if line.startswith(("+", "-")))
        known = found.get(changed)
        scenarios = (*known.scenarios, scenario or "") if known else (scenario or "",)
        shown = known.diff if known else diff
        found[changed] = PromptChange(name, scenarios, shown, was[1], now[1])
    yield from found.values()


def _text(prompt: ComposedPrompt, scenario: str | None) -> tuple[str, int] | None:
    """The prompt and its tokens; none where it cannot be composed with stand-ins."""
    values = _stand_ins(prompt.persona.variables)
    try:
        composed = prompt.compose(scenario, values)
    except BannetonError:
        return None
    return composed.text, composed.tokens


def _stand_ins(variables: Mapping[str, Variable]) -> dict[str, Scalar]:
    return {
        name: _stand_in(name, variable)
        for name, variable in variables.items()
        if variable.default is None
    }


def _stand_in(name: str, variable: Variable) -> Scalar:
    if variable.enum:
        return variable.enum[0]
    match variable.type:
        case "string":
            return name[: variable.max_length]
        case "boolean":
            return True
        case "integer" | "number":
            least = variable.min if variable.min is not None else min(1.0, variable.max or 1.0)
            return int(least) if variable.type == "integer" else least
