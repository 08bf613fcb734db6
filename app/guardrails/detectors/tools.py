"""Calls of tools: which may be called, and with which arguments."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from app.domain.conversation import Json
from app.domain.errors import DetectorError
from app.domain.finding import CLEAN, Detection, Finding, Found, Unchecked
from app.domain.persona import FileModel
from app.domain.policy import Stage
from app.guardrails.arguments import Call, Check, Limit, Path
from app.guardrails.context import Context
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.fold import fold
from app.guardrails.json_text import Flaw, one_each, place_in, read_arguments
from app.guardrails.matches import spec_digest
from app.guardrails.passage import Passage

if TYPE_CHECKING:
    from app.guardrails.copied import Copies
    from app.guardrails.json_schema import Schema

_NAME = "tools"
_REVISION = "1"
_EVERY = "*"

ToolName = Annotated[str, Field(min_length=1)]


class ToolsSettings(FileModel):
    """Which tools may be called, and with which arguments; at least one of these."""

    allow: tuple[ToolName, ...] | None = None
    """Only these tools; an empty list allows none."""
    deny: tuple[ToolName, ...] = ()
    """Not these tools. Case and look-alike letters make no difference."""
    stated: bool = False
    """Only tools that the client offers, with arguments that fit the parameters it states."""
    calls: dict[ToolName, Call] = Field(default_factory=dict)
    """By tool, what may stand in its arguments; ``*`` speaks of every tool."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self == ToolsSettings.model_construct():
            raise ValueError("give at least one of allow, deny, stated and calls")
        return self


class _Rules(NamedTuple):
    """What holds for the arguments of one tool."""

    schema: "Schema | None"
    checks: Sequence[Check]


class ToolsDetector:
    """Finds calls that may not be, by their names, and then by their arguments."""

    name = _NAME
    revision = _REVISION
    scope = Scope.RESPONSE
    shapes: tuple[str, ...] | None = None
    left_context = 0

    def __init__(self, settings: ToolsSettings, rules: Mapping[str, _Rules]) -> None:
        self.spec = _spec(settings)
        self._settings = settings
        self._denied = frozenset(map(_key, settings.deny))
        self._rules = rules

    def inspect(self, passage: Passage) -> Detection:
        """Whether the name, or the arguments, may be."""
        context = passage.context
        if context.of == "arguments" or (not context.of and passage.is_json):
            return self._arguments(passage)
        return self._of_name(passage.original, context)

    def _of_name(self, name: str, context: Context) -> Detection:
        what = None
        if _key(name) in self._denied:
            what = "a tool that is denied"
        elif self._settings.allow is not None and name not in self._settings.allow:
            what = "a tool that is not allowed"
        elif self._settings.stated and all(name != tool.name for tool in context.tools):
            what = "a tool that the client does not offer"
        return CLEAN if what is None else Found((self._finding("name", 0, len(name), what),))

    def _arguments(self, passage: Passage) -> Detection:
        context = passage.context
        if not self._rules and not self._settings.stated:
            return CLEAN
        if context.tool is None:
            return Unchecked("which tool is called is not known")
        rules = [self._rules[key] for key in (_key(context.tool), _EVERY) if key in self._rules]
        try:
            schemas = [*self._stated(context), *(each.schema for each in rules if each.schema)]
        except DetectorError:
            return Unchecked("what the client states is no schema that is taken here")
        checks = [check for each in rules for check in each.checks]
        return self._look(passage, schemas, checks) if rules or schemas else CLEAN

    def _look(
        self, passage: Passage, schemas: "Sequence[Schema]", checks: Sequence[Check]
    ) -> Detection:
        text = passage.original
        value = read_arguments(text)
        if isinstance(value, Unchecked):
            return value
        if isinstance(value, Flaw):
            return Found((self._finding(value.category, 0, len(text), value.what),))
        try:
            found = [
                *self._misfits(text, value.json, schemas),
                *self._faults(text, value.json, checks),
                *self._copied(text, value.json, checks, passage.context),
            ]
        except (RecursionError, TimeoutError):
            return Unchecked("the arguments go too deep, or their schema asks for too much work")
        return Found(one_each(found)) if found else CLEAN

    def _stated(self, context: Context) -> "list[Schema]":
        from app.guardrails.json_schema import stated_schema  # noqa: PLC0415  # where it is used

        parameters = context.parameters() if self._settings.stated else None
        return [] if parameters is None else [stated_schema(parameters)]

    def _misfits(self, text: str, value: Json, schemas: "Sequence[Schema]") -> Iterator[Finding]:
        for schema in schemas:
            for misfit in schema.misfits(value, len(text)):
                what = f"does not fit: {misfit.keyword} at {misfit.where}"
                yield self._at(text, misfit.path, "misfit", what)

    def _faults(self, text: str, value: Json, checks: Sequence[Check]) -> Iterator[Finding]:
        for check in checks:
            reached = check.reached(value)
            if check.limit.required and not reached:
                yield self._at(text, (), "limit", f"{check.name}: required")
            for path, argument in reached:
                for fault in check.faults(argument):
                    yield self._at(text, path, "limit", f"{check.name}: {fault}")

    def _copied(
        self, text: str, value: Json, checks: Sequence[Check], context: Context
    ) -> Iterator[Finding]:
        marked = [
            (check, path, argument)
            for check in checks
            if check.limit.not_from_tools
            for path, argument in check.reached(value)
        ]
        if not marked or not context.documents:
            return
        copies = _copies(context)
        for check, path, argument in marked:
            if copies.has(argument):
                yield self._at(text, path, "from_tool", f"{check.name}: not_from_tools")

    def _at(self, text: str, path: Path, category: str, what: str) -> Finding:
        return self._finding(category, *place_in(text, path), what)

    def _finding(self, category: str, start: int, end: int, what: str) -> Finding:
        return Finding(_NAME, category, 1.0, "", start, end, _REVISION, what, self.spec)


def _copies(context: Context) -> "Copies":
    from app.guardrails.copied import Copies, Source  # noqa: PLC0415  # where it is used

    return Copies(Source(context.documents), Source((context.question, context.system)))


def _key(name: str) -> str:
    return fold(name).casefold().strip()


def _spec(settings: ToolsSettings) -> str:
    return spec_digest(settings.model_dump())


def _build(settings: ToolsSettings) -> ToolsDetector:
    rules: dict[str, _Rules] = {}
    for name, call in settings.calls.items():
        if _key(name) in rules:
            what = "is there already, and case does not count; take one out"
            raise DetectorError(what, path=("calls", name))
        try:
            checks = [Check(argument, limit) for argument, limit in call.arguments.items()]
            rules[_key(name)] = _Rules(_schema(call), checks)
        except DetectorError as exc:
            raise DetectorError(str(exc), path=("calls", name, *exc.path)) from None
    return ToolsDetector(settings, rules)


def _schema(call: Call) -> "Schema | None":
    if call.json_schema is None:
        return None
    from app.guardrails.json_schema import Schema  # noqa: PLC0415  # where it is used

    try:
        return Schema(call.json_schema)
    except DetectorError as exc:
        raise DetectorError(str(exc), path=("json_schema",)) from None


def _selects(settings: ToolsSettings, finding: Finding) -> bool:
    return finding.spec == _spec(settings)


def _is_as_strict(settings: ToolsSettings, other: ToolsSettings) -> bool:
    if other.allow is not None and (
        settings.allow is None or not set(settings.allow) <= set(other.allow)
    ):
        return False
    if not {_key(name) for name in settings.deny} >= {_key(name) for name in other.deny}:
        return False
    ours = {_key(name): call for name, call in settings.calls.items()}
    return settings.stated >= other.stated and all(
        _key(name) in ours and _is_call_as_strict(ours[_key(name)], call)
        for name, call in other.calls.items()
    )


def _is_call_as_strict(call: Call, other: Call) -> bool:
    return other.json_schema in (None, call.json_schema) and all(
        name in call.arguments and _is_limit_as_strict(call.arguments[name], limit)
        for name, limit in other.arguments.items()
    )


def _is_limit_as_strict(limit: Limit, other: Limit) -> bool:
    return (
        limit.required >= other.required
        and limit.not_from_tools >= other.not_from_tools
        and other.matches in (None, limit.matches)
        and _is_among(limit.one_of, other.one_of)
        and (other.min is None or (limit.min is not None and limit.min >= other.min))
        and (other.max is None or (limit.max is not None and limit.max <= other.max))
        and _is_within(limit.inside, other.inside)
        and _is_within(limit.hosts, other.hosts)
    )


def _is_among(values: Sequence[object] | None, others: Sequence[object] | None) -> bool:
    if others is None or values is None:
        return others is None
    return {(type(value), value) for value in values} <= {(type(other), other) for other in others}


def _is_within(entries: Sequence[str], others: Sequence[str]) -> bool:
    return not others or (bool(entries) and set(entries) <= set(others))


KIND = DetectorKind(
    name=_NAME,
    summary="Calls of tools that may not be called, or with arguments that may not be given.",
    settings=ToolsSettings,
    build=_build,
    selects=_selects,
    is_as_strict=_is_as_strict,
    looks_at_restored=True,
    stages=frozenset({Stage.TOOL_CALL}),
)
