"""What a template sees: read-only views of a persona, whose texts know where they stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.compose.nearest import remedy
from app.compose.provenance import SourcedText, file_text, value_text
from app.compose.state import TemplateMistakeError
from app.domain.catalog import Source
from app.domain.persona import Authority, Behaviour, Identity, Persona, Voice
from app.domain.prompt import LineSource

RECORDS: Mapping[str, tuple[str, ...]] = {
    "persona": ("id", "name", "description"),
    "identity": tuple(Identity.model_fields),
    "voice": tuple(Voice.model_fields),
    "scenario": ("id", "description", "instruct"),
}
"""Names of the context with fields; ``scenario`` is none where the request names none."""

LISTS: Mapping[str, tuple[str, ...]] = {
    "behaviours": ("id", "instruct", "authority"),
    "examples": ("user", "assistant"),
    "knowledge": ("path", "text"),
    "variables": ("name", "description", "value"),
}
"""Names of the context that are lists, with the fields of their items."""

CONTEXT_NAMES = frozenset((*RECORDS, *LISTS))


class View:
    """Fields to read, by name; nothing else can be done with it."""

    __slots__ = ("_fields", "_what")

    def __init__(self, what: str, fields: Mapping[str, object]) -> None:
        """Hold fields; ``what`` names the thing in mistakes."""
        self._what = what
        self._fields = fields

    def read(self, name: object) -> object:
        """The field's value.

        Raises:
            TemplateMistakeError: There is no such field.
        """
        if isinstance(name, str) and name in self._fields:
            return self._fields[name]
        raise TemplateMistakeError(no_field(self._what, str(name), self._fields))


def no_field(what: str, name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    """Says that a thing has no such field, and which it has."""
    return f"{what} has no '{name}'; {remedy(name, known)}"


@dataclass(frozen=True, slots=True)
class PersonaSources:
    """Where a persona's values stand."""

    file: str
    sources: Mapping[tuple[str, str], Source]
    written_at: Mapping[str, str] = field(default_factory=dict)
    """For values that a variant sets: path in the changed persona to path in the file."""

    def find(self, path: str) -> Source:
        """File, line and column of a value; line 0 where they are not known."""
        key = self.written_at.get(path, path)
        return self.sources.get((self.file, key)) or Source(self.file, 0, 0)

    def text(self, value: str, path: str) -> SourcedText:
        """The value as text that knows where it stands."""
        return value_text(value, self.line(path))

    def line(self, path: str) -> LineSource:
        """The value's place, as provenance names it."""
        source = self.find(path)
        return LineSource(source.file, source.line, self.written_at.get(path, path))


def persona_names(
    persona: Persona, knowledge: Mapping[str, str], at: PersonaSources
) -> dict[str, object]:
    """The part of the context that is the same for every scenario."""
    text = at.text
    identity, voice = persona.identity, persona.voice
    return {
        "persona": View(
            "persona",
            {
                "id": text(persona.id, "id"),
                "name": text(persona.name, "name"),
                "description": text(persona.description, "description"),
            },
        ),
        "identity": View("identity", _texts(at, "identity", identity.model_dump(mode="json"))),
        "voice": View("voice", _texts(at, "voice", voice.model_dump(mode="json"))),
        "examples": tuple(
            View("an example", _texts(at, f"examples[{index}]", example.model_dump()))
            for index, example in enumerate(persona.examples)
        ),
        "knowledge": tuple(
            View(
                "a knowledge file",
                {
                    "path": text(path, f"knowledge[{index}]"),
                    "text": file_text(knowledge[path].rstrip("\n"), path, is_value=True),
                },
            )
            for index, path in enumerate(persona.knowledge)
        ),
    }


def scenario_names(persona: Persona, scenario: str | None, at: PersonaSources) -> dict[str, object]:
    """The part of the context that the scenario decides."""
    behaviours = tuple(
        View(
            "a behaviour",
            {
                "id": at.text(behaviour.id, f"behaviours[{index}].id"),
                "instruct": at.text(behaviour.instruct, f"behaviours[{index}].instruct"),
                "authority": at.text(behaviour.authority.value, f"behaviours[{index}].authority"),
            },
        )
        for index, behaviour in sorted(enumerate(persona.behaviours), key=_standing)
        if not behaviour.scenarios or scenario in behaviour.scenarios
    )
    if scenario is None:
        return {"behaviours": behaviours, "scenario": None}
    path = f"scenarios.{scenario}"
    fields = _texts(at, path, persona.scenarios[scenario].model_dump())
    fields["id"] = at.text(scenario, path)
    return {"behaviours": behaviours, "scenario": View("scenario", fields)}


def _standing(numbered: tuple[int, Behaviour]) -> int:
    """What stands highest comes first; else the persona's order."""
    return list(Authority).index(numbered[1].authority)


def variable_names(
    persona: Persona, values: Mapping[str, object], at: PersonaSources
) -> dict[str, object]:
    """Each variable by its name, and ``variables`` to loop over all of them."""
    listed = tuple(
        View(
            "a variable",
            {
                "name": at.text(name, f"variables.{name}"),
                "description": at.text(variable.description, f"variables.{name}.description"),
                "value": values[name],
            },
        )
        for name, variable in persona.variables.items()
    )
    return {**values, "variables": listed}


def _texts(at: PersonaSources, path: str, fields: Mapping[str, object]) -> dict[str, object]:
    """Fields of texts and lists of texts, as the persona's models have them."""
    return {
        name: at.text(value, f"{path}.{name}")
        if isinstance(value, str)
        else tuple(at.text(str(item), f"{path}.{name}[{i}]") for i, item in enumerate(value))
        for name, value in fields.items()
        if isinstance(value, (str, list, tuple))
    }
