"""The sandbox: templates come from the catalog, and see the context and nothing else."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import FunctionLoader, StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import TemplateModule
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from typing_extensions import override

from app.compose.filters import (
    STEPS,
    allowed_filters,
    allowed_tests,
    bounded_range,
    join_texts,
    printable,
)
from app.compose.provenance import SourcedText, file_text, joined, printed_text
from app.compose.state import STEP_WORK, TemplateMistakeError, current_state
from app.compose.untrusted import Untrusted
from app.compose.views import View
from app.domain.catalog import Prompt
from app.domain.prompt import LineSource

_LOOP = frozenset(
    ("index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0",
     "previtem", "nextitem", "cycle", "changed")
)  # fmt: skip


class PromptContext(Context):
    """The names of one rendering; notices when a value that the request gave is asked for."""

    @override
    def resolve_or_missing(self, key: str) -> Any:
        if key in current_state().by_value:
            current_state().note_dependence()
        return super().resolve_or_missing(key)


class _SourcingCodeGenerator(CodeGenerator):
    """Makes templates yield ``SourcedText``, as ``jinja2.nativetypes`` makes them yield objects."""

    environment: "PromptEnvironment"

    @override
    def _output_child_to_const(
        self, node: nodes.Expr, frame: Frame, _finalize_info: CodeGenerator._FinalizeInfo
    ) -> str:
        const = node.as_const(frame.eval_ctx)
        file = self.filename or ""
        if isinstance(node, nodes.TemplateData):
            return file_text(str(const), file, first_line=node.lineno)
        return printed_text(printable(const), LineSource(file, node.lineno))

    @override
    def _output_const_repr(self, group: Iterable[Any]) -> str:
        self.environment.constants.append(joined(group))
        return f"environment.constants[{len(self.environment.constants) - 1}]"

    @override
    def _output_child_pre(
        self, node: nodes.Expr, frame: Frame, _finalize_info: CodeGenerator._FinalizeInfo
    ) -> None:
        self._begin_print(node.lineno)

    @override
    def _output_child_post(
        self, node: nodes.Expr, frame: Frame, _finalize_info: CodeGenerator._FinalizeInfo
    ) -> None:
        self.write(")")

    @override
    def start_write(self, frame: Frame, node: nodes.Node | None = None) -> None:
        super().start_write(frame, node)
        self._begin_print(node.lineno if node else 0)

    @override
    def end_write(self, frame: Frame) -> None:
        self.write(")")
        super().end_write(frame)

    def _begin_print(self, line: int) -> None:
        self.environment.places.append(LineSource(self.filename or "", line))
        self.write(f"environment.printed({len(self.environment.places) - 1}, ")

    @override
    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.join_texts((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Renders prompts. Objects have no attributes here but those that are named below."""

    code_generator_class = _SourcingCodeGenerator
    context_class = PromptContext
    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)
    join_texts = staticmethod(join_texts)

    def __init__(self, prompts: Iterable[Prompt]) -> None:
        """Serve these prompts to one another, by their path below ``prompts/``."""
        self.prompts: Mapping[str, Prompt] = {_name(prompt): prompt for prompt in prompts}
        self.constants: list[SourcedText] = []
        """Texts that compiled templates yield."""
        self.places: list[LineSource] = []
        """Where compiled templates print."""
        super().__init__(
            loader=FunctionLoader(self._source),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        self.filters = dict(allowed_filters())
        self.tests = dict(allowed_tests())
        self.globals = {"range": bounded_range, "namespace": Namespace}

    def _source(self, name: str) -> tuple[str, str | None, Callable[[], bool] | None] | None:
        prompt = self.prompts.get(name)
        return None if prompt is None else (prompt.text, prompt.file, None)

    @override
    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        escape = tree.find(nodes.ScopedEvalContextModifier)
        if escape is not None:  # it would escape the fences themselves
            raise TemplateSyntaxError(
                "there is no 'autoescape' here",
                escape.lineno,
                name,
                filename,
            )
        for loop in tree.find_all(nodes.For):
            counted = nodes.Filter(loop.iter, STEPS, [], [], None, None, lineno=loop.lineno)
            counted.set_environment(self)
            loop.iter = counted
        return tree

    def printed(self, place: int, value: object) -> SourcedText:
        """What an expression prints, with the value's source or else the template's own."""
        if isinstance(value, SourcedText):
            return value
        if isinstance(value, Untrusted):
            return SourcedText(value.runs)
        return printed_text(printable(value), self.places[place])

    @override
    def concat(self, pieces: Iterable[SourcedText]) -> SourcedText | Untrusted:  # type: ignore[override]  # Jinja joins plain texts
        """What a macro or a block printed, for the template to go on with."""
        text = joined(pieces)
        current_state().spend(len(text))
        return Untrusted(text.runs) if any(run.slot for run in text.runs) else text

    @override
    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        if isinstance(obj, TemplateModule) and not attribute.startswith("_"):
            exported = vars(obj)
            if attribute in exported:
                return exported[attribute]
            raise TemplateMistakeError(
                f"the imported template has no '{attribute}'; define it there"
            )
        if isinstance(obj, Namespace) and not attribute.startswith("_"):
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    @override
    def getitem(self, obj: Any, argument: Any) -> Any:
        match obj:
            case View():
                return obj.read(argument)
            case Untrusted():
                return obj.refuse()
            case Undefined():
                return str(obj)  # raises, and names what is missing
            case dict() if argument in obj:
                return obj[argument]
            case dict():
                raise TemplateMistakeError(
                    "the mapping has no such key; ask `{% if … in … %}` first"
                )
            case str() | tuple() | list() if isinstance(argument, int):
                return obj[argument]
            case None:
                raise TemplateMistakeError(
                    f"there is nothing here to read '{argument}' from; ask `{{% if … %}}` first"
                )
            case _:
                raise TemplateMistakeError(
                    "only fields that the context offers can be read; use a filter"
                )

    @override
    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        for operand in (left, right):
            if isinstance(operand, Untrusted):
                operand.refuse()
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return join_texts((left, right))
        if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
            raise TemplateMistakeError(f"'{operator}' is for numbers; join texts with '~'")
        if operator == "**":
            raise TemplateMistakeError("'**' is not for templates; write the number itself")
        result = super().call_binop(context, operator, left, right)
        if abs(result) > 2**53:
            raise TemplateMistakeError(
                "the number grows beyond what a prompt can need; write the text itself"
            )
        return result

    @override
    def is_safe_callable(self, obj: Any) -> bool:
        if isinstance(obj, (Macro, LoopContext)) or obj in (bounded_range, Namespace):
            return True
        return isinstance(getattr(obj, "__self__", None), LoopContext)

    @override
    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        current_state().spend(STEP_WORK)
        if not self.is_safe_callable(obj):
            raise TemplateMistakeError("only macros, range and namespace can be called")
        return super().call(context, obj, *args, **kwargs)

    def template(self, prompt: Prompt) -> Template:
        """The prompt, compiled."""
        return self.get_template(_name(prompt))


def environment_for(prompts: Mapping[str, Prompt]) -> PromptEnvironment:
    """The environment of these prompts: made once for each content of them."""
    return _environment(frozenset(prompts.values()))


@lru_cache(maxsize=4)
def _environment(prompts: frozenset[Prompt]) -> PromptEnvironment:
    return PromptEnvironment(sorted(prompts, key=lambda prompt: prompt.file))


def _name(prompt: Prompt) -> str:
    """As another template includes it."""
    return prompt.file.removeprefix("prompts/")
