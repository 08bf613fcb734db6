"""How each composed system prompt reads before and after, and what that does to its cost."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from app.compose.compose import ComposedPrompt
from app.domain.catalog import Target
from app.domain.errors import BannetonError
from app.domain.persona import Scalar, Variable
from app.domain.prompt import LineSource, SystemPrompt
from app.domain.tokens import estimate_tokens
from app.pipeline.loaded import Loaded


@dataclass(frozen=True, slots=True)
class CacheChange:
    """What a change does to the start of a prompt that providers keep. Tokens are estimates."""

    first_line: int
    """Of the prompt as it is now, from 1: up to it nothing is different."""
    stable_before: int
    """Tokens at the start that were the same in every request."""
    stable_after: int
    kept: int
    """Tokens of those that stay as they were: a provider finds them in its cache again."""
    dynamic: LineSource | None
    """What says the first thing that a request decides; none where every request gets the same."""

    @property
    def lost(self) -> int:
        """Tokens that were in caches and have to be read anew, once for each cache."""
        return self.stable_before - self.kept

    @property
    def shrinks_by(self) -> int:
        """Tokens that no cache can serve any more, in every request; less than 0 for a gain."""
        return self.stable_before - self.stable_after


@dataclass(frozen=True, slots=True)
class PromptChange:
    """A system prompt that reads differently."""

    persona: str
    """Its id, with its variant where there is one."""
    scenarios: tuple[str, ...]
    """In which it changes so; an empty name is that of no scenario."""
    before: str
    after: str
    tokens_before: int
    tokens_after: int
    cache: CacheChange
    target: Target
    """The first model that the persona's route names: whose price it has."""

    @property
    def diff(self) -> tuple[str, ...]:
        """As a unified diff, without line ends."""
        return _diff(self.before, self.after)


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
        target = served.route.all_targets[0]
        yield from _of_persona(name, before.served[key].prompt, served.prompt, target)


def _of_persona(
    name: str, before: ComposedPrompt, after: ComposedPrompt, target: Target
) -> Iterator[PromptChange]:
    found: dict[tuple[str, ...], PromptChange] = {}
    shared = [each for each in after.persona.scenarios if each in before.persona.scenarios]
    for scenario in (None, *shared):
        was, now = _composed(before, scenario), _composed(after, scenario)
        if was is None or now is None or was.text == now.text:
            continue
        # Where two scenarios change alike, one of them is enough to read.
        diff = _diff(was.text, now.text)
        changed = tuple(line for line in diff[2:] if line.startswith(("+", "-")))
        if known := found.get(changed):
            found[changed] = replace(known, scenarios=(*known.scenarios, scenario or ""))
        else:
            found[changed] = PromptChange(
                persona=name,
                scenarios=(scenario or "",),
                before=was.text,
                after=now.text,
                tokens_before=was.tokens,
                tokens_after=now.tokens,
                cache=cache_change(was, now),
                target=target,
            )
    yield from found.values()


def cache_change(before: SystemPrompt, after: SystemPrompt) -> CacheChange:
    """What is left of a provider's cache of the start of a prompt."""
    pairs = enumerate(zip(before.text, after.text, strict=False))
    shorter = min(len(before.text), len(after.text))
    same = next((index for index, (was, now) in pairs if was != now), shorter)
    kept = min(same, before.cacheable_chars, after.cacheable_chars)
    at = after.text.count("\n", 0, after.cacheable_chars)
    is_dynamic = after.cacheable_chars < len(after.text)
    return CacheChange(
        first_line=after.text.count("\n", 0, same) + 1,
        stable_before=estimate_tokens(before.text[: before.cacheable_chars]),
        stable_after=estimate_tokens(after.text[: after.cacheable_chars]),
        kept=estimate_tokens(after.text[:kept]),
        dynamic=after.provenance[at] if is_dynamic else None,
    )


def _diff(before: str, after: str) -> tuple[str, ...]:
    lines = before.split("\n"), after.split("\n")
    return tuple(difflib.unified_diff(*lines, "before", "after", lineterm=""))


def _composed(prompt: ComposedPrompt, scenario: str | None) -> SystemPrompt | None:
    """The prompt; none where it cannot be composed with stand-ins."""
    values = stand_ins(prompt.persona.variables)
    try:
        return prompt.compose(scenario, values)
    except BannetonError:
        return None


def stand_ins(variables: Mapping[str, Variable]) -> dict[str, Scalar]:
    """Values for variables that a request would have to give."""
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
