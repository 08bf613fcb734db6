"""Persona and prompt to system prompt: all that can be is done at load, a request fills slots."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from app.compose.check import prompt_use
from app.compose.nearest import remedy
from app.compose.scenario import ScenarioPrompt
from app.compose.templates import environment_for
from app.compose.variables import declaration_problems, given_values, printed
from app.compose.variants import written_at
from app.compose.views import CONTEXT_NAMES, PersonaSources, persona_names, scenario_names
from app.domain.catalog import Catalog
from app.domain.conversation import Json
from app.domain.errors import ContentError, Problem, RequestError
from app.domain.persona import Persona
from app.domain.prompt import SystemPrompt


class ComposedPrompt:
    """A persona's system prompt, compiled; asks only for a scenario and the variables."""

    def __init__(
        self, persona: Persona, variant: str | None, scenarios: Mapping[str | None, ScenarioPrompt]
    ) -> None:
        """Hold what ``compile_prompt`` made."""
        self.persona = persona
        """With the variant's changes."""
        self.variant = variant
        self._scenarios = scenarios

    def compose(self, scenario: str | None, variables: Mapping[str, Json]) -> SystemPrompt:
        """The system prompt for one request. The same arguments give the same bytes.

        Raises:
            RequestError: The scenario or a variable is not as the persona declares it.
            ContentError: The template fails on these values of trusted variables.
        """
        chosen = self._scenarios.get(scenario)
        if chosen is None:
            raise RequestError(
                f"persona '{self.persona.id}' has no such scenario; "
                f"{remedy(scenario or '', self.persona.scenarios)}",
                param="banneton.scenario",
            )
        values = given_values(self.persona.variables, variables)
        rendering = chosen.rendering(values)
        return rendering.fill({slot: printed(values[slot]) for slot in rendering.slots})


def compile_prompt(
    persona: Persona, catalog: Catalog, *, variant: str | None = None
) -> ComposedPrompt:
    """Compile a persona's prompt, or that of one of its variants, for all of its scenarios.

    Raises:
        ContentError: The template, or what the persona brings to it, is wrong: every problem.
    """
    at = PersonaSources(f"personas/{persona.id}.yaml", catalog.sources)
    if variant is not None:
        ids = [each.id for each in persona.variants]
        if variant not in ids or (persona.id, variant) not in catalog.variants:
            what = f"there is no variant '{variant}'; {remedy(variant, ids)}"
            raise ContentError([_persona_problem(at, "variants", what)])
        changed = catalog.variants[persona.id, variant]
        at = replace(at, written_at=written_at(persona, changed, variant))
        persona = changed
    problems = list(_problems(persona, catalog, at))
    if problems:
        raise ContentError(problems)
    template = environment_for(catalog.prompts).template(catalog.prompts[persona.prompt])
    names = persona_names(persona, catalog.knowledge, at)
    scenarios: dict[str | None, ScenarioPrompt] = {}
    for scenario in (None, *persona.scenarios):
        try:
            scenarios[scenario] = ScenarioPrompt(
                template, persona, {**names, **scenario_names(persona, scenario, at)}, at
            )
        except ContentError as exc:
            problems += exc.problems
    if problems:
        raise ContentError(problems)
    return ComposedPrompt(persona, variant, scenarios)


def _problems(persona: Persona, catalog: Catalog, at: PersonaSources) -> Iterator[Problem]:
    yield from declaration_problems(persona, at)
    for index, path in enumerate(persona.knowledge):
        if path not in catalog.knowledge:
            what = f"there is no '{path}'; {remedy(path, catalog.knowledge)}"
            yield _persona_problem(at, f"knowledge[{index}]", what)
    if persona.prompt not in catalog.prompts:
        what = f"there is no prompt '{persona.prompt}'; {remedy(persona.prompt, catalog.prompts)}"
        yield _persona_problem(at, "prompt", what)
        return
    use = prompt_use(persona.prompt, catalog.prompts)
    yield from use.problems
    for name, where in use.variables.items():
        if name not in persona.variables:
            known = CONTEXT_NAMES | set(persona.variables)
            what = (
                f"'{name}' is neither offered to templates nor a variable of persona "
                f"'{persona.id}'; {remedy(name, known)}"
            )
            yield Problem(where.file, where.line, where.column, "", what)


def _persona_problem(at: PersonaSources, path: str, what: str) -> Problem:
    source = at.find(path)
    return Problem(source.file, source.line, source.column, path, what)
