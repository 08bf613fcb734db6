"""A persona's prompt in one scenario: rendered at load, and again only where values decide."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping

from jinja2 import Template

from app.compose.provenance import Run, value_text
from app.compose.render import Rendering, render
from app.compose.state import Condition, RenderState
from app.compose.untrusted import Untrusted
from app.compose.views import PersonaSources, variable_names
from app.domain.errors import ContentError, Problem
from app.domain.persona import Persona, Scalar, Variable

_MAX_CONDITIONS = 64
_MAX_KEPT = 64
"""Renderings kept of a prompt whose text depends on values."""


class ScenarioPrompt:
    """The renderings of one scenario, by what they depend on.

    A text can depend on a request in two ways: on the answers to conditions on untrusted values,
    and on the values of trusted variables. Where it depends on neither there is one rendering,
    made at load.
    """

    def __init__(
        self, template: Template, persona: Persona, names: Mapping[str, object], at: PersonaSources
    ) -> None:
        """Render every way that the template can take, so that a mistake shows at load.

        Args:
            template: The persona's prompt.
            persona: With its variant's changes.
            names: The context but for variables.
            at: Where the persona's values stand.

        Raises:
            ContentError: The template does what it may not, or what cannot be done.
        """
        self._template = template
        self._persona = persona
        self._names = names
        self._at = at
        self._trusted = tuple(n for n, each in persona.variables.items() if each.trusted)
        self._kept: OrderedDict[tuple[object, ...], Rendering] = OrderedDict()
        self._conditions: dict[Condition, None] = {}
        for sample in _samples(persona.variables):
            self._explore(sample)

    def rendering(self, values: Mapping[str, Scalar]) -> Rendering:
        """The rendering for these values."""
        key = (
            *[condition.holds(values) for condition in self._conditions],
            *[values[name] for name in self._trusted],
        )
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        state = RenderState(lambda condition: condition.holds(values), self._by_value)
        made = self._render(values, state)
        if state.asked.keys() <= self._conditions.keys():  # else the key does not say it all
            self._kept[key] = made
            if len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)
        return made

    @property
    def _by_value(self) -> frozenset[str]:
        return frozenset((*self._trusted, "variables")) if self._trusted else frozenset()

    def _render(self, values: Mapping[str, Scalar], state: RenderState) -> Rendering:
        shown = {
            name: self._shown(name, variable, values)
            for name, variable in self._persona.variables.items()
        }
        names = {**self._names, **variable_names(self._persona, shown, self._at)}
        return render(self._template, names, state, self._persona.prompt)

    def _shown(self, name: str, variable: Variable, values: Mapping[str, Scalar]) -> object:
        """What the template holds for a variable."""
        source = self._at.line(f"variables.{name}")
        if not variable.trusted:
            slot = Run("", source, is_value=True, slot=name)
            is_number = variable.type in ("integer", "number")
            return Untrusted((slot,), variable=name, is_number=is_number)
        value = values[name]
        return value_text(value, source) if isinstance(value, str) else value

    def _explore(self, sample: Mapping[str, Scalar]) -> None:
        """Render with each condition once true and once false.

        That is every branch, though not every combination of branches: one that fails only in
        combination is found by the request that takes it.
        """
        pending: list[Mapping[Condition, bool]] = [{}]
        while pending:
            assumed = pending.pop()
            state = RenderState(_answers(assumed), self._by_value)
            made = self._render(sample, state)
            path: dict[Condition, bool] = {}
            for condition, answer in state.asked.items():
                if condition not in self._conditions:
                    self._conditions[condition] = None
                    pending.append({**path, condition: not answer})
                path[condition] = answer
            if len(self._conditions) > _MAX_CONDITIONS:
                what = f"asks more than {_MAX_CONDITIONS} questions about variables; ask fewer"
                raise ContentError([Problem(self._template.filename or "", 0, 0, "", what)])
            if not self._conditions and not self._trusted:
                self._kept[()] = made


def _answers(assumed: Mapping[Condition, bool]) -> Callable[[Condition], bool]:
    """What is assumed, and yes to all else."""
    return lambda condition: assumed.get(condition, True)


def _samples(variables: Mapping[str, Variable]) -> Iterator[Mapping[str, Scalar]]:
    """Values to render with at load: of trusted variables each choice there is, one at a time."""
    choices = {name: _choices(each) for name, each in variables.items() if each.trusted}
    first = {name: values[0] for name, values in choices.items()}
    yield first
    for name, values in choices.items():
        for value in values[1:]:
            yield {**first, name: value}


def _choices(variable: Variable) -> tuple[Scalar, ...]:
    if variable.enum:
        return variable.enum
    if variable.default is not None:
        return (variable.default,)
    match variable.type:
        case "string":
            return ("sample"[: variable.max_length],)
        case "boolean":
            return (True, False)
        case "integer" | "number":
            return (1 if variable.min is None else int(variable.min),)
