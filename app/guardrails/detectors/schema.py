"""JSON that has to fit a JSON Schema: answers, arguments of tool calls, what tools gave."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import JsonValue

from app.domain.conversation import Json
from app.domain.errors import DetectorError
from app.domain.finding import CLEAN, Detection, Finding, Found, Unchecked
from app.domain.persona import FileModel
from app.domain.policy import Stage
from app.guardrails.context import Context
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.json_text import Flaw, Value, one_each, place_in, read_arguments, read_json
from app.guardrails.matches import spec_digest
from app.guardrails.passage import Passage

if TYPE_CHECKING:
    from app.guardrails.json_schema import Schema

_NAME = "schema"
_REVISION = "1"

Stated = Callable[[Mapping[str, Json]], "Schema"]


class SchemaSettings(FileModel):
    """What a text has to fit. Without any of it, a text only has to be JSON."""

    json_schema: dict[str, JsonValue] | None = None
    """A JSON Schema of draft 2020-12. ``$ref`` leads to places in it, patterns are RE2's."""
    stated: bool = False
    """Whether a text has to fit what the client states: an answer its ``response_format``, the
    arguments of a call the parameters of that tool. Where it states nothing, nothing is asked."""


class SchemaDetector:
    """Finds text that is no JSON, and JSON that does not fit."""

    name = _NAME
    revision = _REVISION
    scope = Scope.RESPONSE
    shapes: tuple[str, ...] | None = None
    left_context = 0

    def __init__(self, settings: SchemaSettings, ours: "Schema | None", stated: Stated) -> None:
        self.spec = _spec(settings)
        self._ours = ours
        self._stated = stated
        self._asks_client = settings.stated

    def inspect(self, passage: Passage) -> Detection:
        """Where the text does not fit; all of it where it is no JSON."""
        context = passage.context
        if not _is_asked(passage):
            return CLEAN
        schemas = [] if self._ours is None else [self._ours]
        if self._asks_client:
            stated = _stated_of(context)
            if stated is None and not schemas:
                return CLEAN
            if stated is not None:
                try:
                    schemas.append(self._stated(stated))
                except DetectorError:
                    return Unchecked("what the client states is no schema that is taken here")
        read = read_arguments if context.stage is Stage.TOOL_CALL else read_json
        return self._fit(passage.original, read(passage.original), schemas)

    def _fit(
        self, text: str, value: Value | Flaw | Unchecked, schemas: "list[Schema]"
    ) -> Detection:
        if isinstance(value, Unchecked):
            return value
        if isinstance(value, Flaw):
            return Found((self._finding(value.category, 0, len(text), value.what),))
        try:
            found = [each for schema in schemas for each in self._misfits(schema, text, value.json)]
        except RecursionError:
            return Unchecked("the schema goes too deep for this text")
        except TimeoutError:
            return Unchecked("the schema asks for too much work")
        return Found(one_each(found)) if found else CLEAN

    def _misfits(self, schema: "Schema", text: str, value: Json) -> Iterator[Finding]:
        for misfit in schema.misfits(value, len(text)):
            start, end = place_in(text, misfit.path)
            what = f"does not fit: {misfit.keyword} at {misfit.where}"
            yield self._finding("misfit", start, end, what)

    def _finding(self, category: str, start: int, end: int, what: str) -> Finding:
        return Finding(_NAME, category, 1.0, "", start, end, _REVISION, what, self.spec)


def _is_asked(passage: Passage) -> bool:
    """Whether this is a text that is to be JSON: no tool's name, no thought, no refusal."""
    context = passage.context
    if context.stage is Stage.TOOL_CALL:
        return context.of == "arguments" or (not context.of and passage.is_json)
    return context.stage is not Stage.OUTPUT or context.of in {"", "text"}


def _stated_of(context: Context) -> Mapping[str, Json] | None:
    if context.stage is Stage.OUTPUT:
        return context.answer_schema
    return context.parameters() if context.stage is Stage.TOOL_CALL else None


def _spec(settings: SchemaSettings) -> str:
    return spec_digest(settings.model_dump())


def _build(settings: SchemaSettings) -> SchemaDetector:
    from app.guardrails.json_schema import Schema, stated_schema  # noqa: PLC0415  # where it is used

    ours = None
    if settings.json_schema is not None:
        try:
            ours = Schema(settings.json_schema)
        except DetectorError as exc:
            raise DetectorError(str(exc), path=("json_schema",)) from None
    return SchemaDetector(settings, ours, stated_schema)


def _selects(settings: SchemaSettings, finding: Finding) -> bool:
    return finding.spec == _spec(settings)


def _is_as_strict(settings: SchemaSettings, other: SchemaSettings) -> bool:
    """Whether it asks for the same schemas, or for some where the other asks for none."""
    if settings == other:
        return True
    if settings.stated and settings.json_schema is None:
        return False  # where the client states nothing, it asks for nothing
    return other.json_schema in (None, settings.json_schema) and settings.stated >= other.stated


KIND = DetectorKind(
    name=_NAME,
    summary="JSON that does not fit a JSON Schema, yours or the client's.",
    settings=SchemaSettings,
    build=_build,
    selects=_selects,
    is_as_strict=_is_as_strict,
)
