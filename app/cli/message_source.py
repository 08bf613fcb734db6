"""Finds the messages that the code can say, by reading it: no list is kept by hand.

A message is an argument of a known call, such as ``RequestError(...)`` or ``node.problem(...)``.
What it is made of is followed through names, branches and functions of ours that make texts; what
is only known at run time becomes ``…``. A function that hands one of its parameters on as a message
is such a call itself, wherever it is called.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

UNKNOWN = "…"
_MOST = 24
"""Ways in which one message may read; past that its parts are shown as unknown."""
_DEEPEST = 6

SPOKEN: Mapping[str, int] = {
    "Problem": 4,
    "Weakness": 2,
    **dict.fromkeys(
        (
            "FieldRefusedError",
            "AccessError",
            "BackendError",
            "Failure",
            "_BrokeOffError",
            "file_problem",
            "_problem_after",
        ),
        1,
    ),
    **dict.fromkeys(("problem", "key_problem", "BadParameter", "Refused", "ValueError"), 0),
}
"""Calls that say something, and which argument it is. Every other error says its first."""
_HANDED = {"what", "message", "reason", "why", "said"}
"""What a parameter is called that a function hands on as a message, or as part of one."""
_SILENT = {"RuntimeError", "TypeError", "KeyError", "JSONDecodeError", "NotImplementedError"}
"""Errors that show a defect, not something that a user did."""
_Env = Mapping[str, list[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Said:
    """One message, as far as it stands in the code."""

    module: str
    """Such as ``access/keys``."""
    call: str
    text: str


@dataclass(slots=True)
class _Module:
    name: str
    tree: ast.Module
    functions: dict[str, Function] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name here, to the module and the name there."""


def messages(package: Path) -> list[Said]:
    """Every message that the code under a folder can say, in order of modules and lines."""
    code = _Code({name: module for name, module in _modules(package)})
    code.find_speakers()
    return list(dict.fromkeys(code.said()))


def _modules(package: Path) -> Iterator[tuple[str, _Module]]:
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).with_suffix("").as_posix().removesuffix("/__init__")
        module = _Module(name, ast.parse(path.read_text("utf-8")))
        for node in ast.walk(module.tree):
            if isinstance(node, Function):
                module.functions.setdefault(node.name, node)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app."):
                there = (node.module or "").removeprefix("app.").replace(".", "/")
                for each in node.names:
                    module.imported[each.asname or each.name] = (there, each.name)
        for node in module.tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=key)], value=value):
                    module.constants[key] = value
                case ast.AnnAssign(target=ast.Name(id=key), value=ast.expr() as value):
                    module.constants[key] = value
                case _:
                    pass
        yield name, module


class _Code:
    """All modules, and which of their functions hand messages on."""

    def __init__(self, modules: Mapping[str, _Module]) -> None:
        self.modules = modules
        self.speakers: dict[tuple[str, str], list[ast.Call]] = {}
        """Module and function, to the calls in it that say what one of its parameters holds."""

    def find_speakers(self) -> None:
        """Look until no function more is found that hands a message on."""
        before = -1
        while before != len(self.speakers):
            before = len(self.speakers)
            for module in self.modules.values():
                for function in module.functions.values():
                    if made := [
                        call
                        for call in ast.walk(function)
                        if isinstance(call, ast.Call) and self._hands_on(module, function, call)
                    ]:
                        self.speakers[module.name, function.name] = made

    def _hands_on(self, module: _Module, function: Function, call: ast.Call) -> bool:
        own = _HANDED & set(_parameters(function))
        return any(
            isinstance(each, ast.Name) and each.id in own
            for spoken in self._spoken(module, call)
            for each in ast.walk(spoken)
        )

    def _spoken(self, module: _Module, call: ast.Call) -> list[ast.expr]:
        """Which arguments of a call are said; none where it says nothing."""
        if self._speaker(module, call):
            return [*call.args, *(word.value for word in call.keywords)]
        at = _place(call)
        if at is None:
            return []
        if at < len(call.args) and not any(isinstance(arg, ast.Starred) for arg in call.args):
            return [call.args[at]]
        return [word.value for word in call.keywords if word.arg in _HANDED]

    def _speaker(self, module: _Module, call: ast.Call) -> tuple[str, str] | None:
        if not isinstance(call.func, ast.Name | ast.Attribute):
            return None
        name = _name(call)
        if isinstance(call.func, ast.Attribute):
            is_own = isinstance(call.func.value, ast.Name) and call.func.value.id in {"self", "cls"}
            found = (module.name, name)
            return found if is_own and found in self.speakers else None
        found = module.imported.get(name, (module.name, name))
        return found if found in self.speakers else None

    def said(self) -> Iterator[Said]:
        """Every message."""
        for module in self.modules.values():
            for function, call in _calls(module.tree):
                handed = self.speakers.get((module.name, function.name), []) if function else []
                if call in handed:
                    continue
                for text in self._texts_of(module, function, call, {}):
                    if text.strip(f"{UNKNOWN} :;,.()'\n"):
                        yield Said(module.name, _name(call), text.strip())

    def _texts_of(
        self, module: _Module, function: Function | None, call: ast.Call, env: "_Env"
    ) -> list[str]:
        """What a call says."""
        speaker = self._speaker(module, call)
        if speaker is None:
            return _united(
                self.texts(module, function, each, env) for each in self._spoken(module, call)
            )
        there = self.modules[speaker[0]]
        callee = there.functions[speaker[1]]
        given = dict(zip(_parameters(callee), call.args, strict=False))
        given |= {word.arg: word.value for word in call.keywords if word.arg}
        bound = {
            name: self.texts(module, function, value, env)
            for name, value in given.items()
            if name in _HANDED
        }
        return _united(
            self._texts_of(there, callee, each, bound) for each in self.speakers[speaker]
        )

    def texts(  # noqa: PLR0913  # what an expression means depends on where it stands
        self,
        module: _Module,
        function: Function | None,
        node: ast.expr,
        env: "_Env",
        deep: int = 0,
    ) -> list[str]:
        """The ways in which an expression may read."""
        if deep > _DEEPEST:
            return [UNKNOWN]

        def of(part: ast.expr) -> list[str]:
            return self.texts(module, function, part, env, deep + 1)

        match node:
            case ast.Constant(value=str() as text):
                return [text]
            case ast.Constant(value=None):
                return [""]
            case ast.JoinedStr(values=parts):
                return _joined([of(part) for part in parts])
            case ast.FormattedValue(value=ast.Call() | ast.Name() | ast.IfExp() as value):
                return of(value)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return _joined([of(left), of(right)])
            case ast.BoolOp(values=values):
                return _united(of(value) for value in values)
            case ast.IfExp(body=body, orelse=other):
                return _united([of(body), of(other)])
            case ast.NamedExpr(value=value):
                return of(value)
            case ast.Dict(values=values):
                return _united(of(value) for value in values if value is not None)
            case ast.Subscript(value=value, slice=ast.Constant(value=int() as at)):
                return _united(
                    self.texts(where, inside, row.elts[at], {}, deep + 1)
                    for where, inside, row in self._rows(module, function, value)
                    if at < len(row.elts)
                )
            case ast.Subscript(value=ast.Name(id=name)) if name in module.constants:
                return of(module.constants[name])
            case ast.Name(id=name):
                return self._named(module, function, name, env, deep)
            case ast.Call():
                return self._called(module, function, node, env, deep)
            case _:
                return [UNKNOWN]

    def _named(
        self, module: _Module, function: Function | None, name: str, env: "_Env", deep: int
    ) -> list[str]:
        if name in env:
            return env[name]
        assigned = _assigned(function, name) if function else []
        if assigned:
            ways = [self.texts(module, function, each, env, deep + 1) for each in assigned]
            for before, more in _added(function, name, assigned) if function else ():
                added = self.texts(module, function, more, env, deep + 1)
                ways.append(_joined([ways[before], added]))
            return _united(ways)
        if name in module.constants and isinstance(
            module.constants[name], ast.Constant | ast.JoinedStr | ast.BinOp | ast.Dict
        ):
            return self.texts(module, None, module.constants[name], {}, deep + 1)
        if name in module.imported:
            there, real = module.imported[name]
            other = self.modules.get(there)
            if other and real in other.constants:
                return self.texts(other, None, other.constants[real], {}, deep + 1)
        return [UNKNOWN]

    def _called(
        self, module: _Module, function: Function | None, call: ast.Call, env: "_Env", deep: int
    ) -> list[str]:
        """What functions of ours give that make texts; of others nothing is known."""
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr="get") if name in module.constants:
                default = call.args[1:2]
                return _united(
                    self.texts(module, function, each, env, deep + 1)
                    for each in (module.constants[name], *default)
                )
            case ast.Attribute(value=ast.Constant() | ast.Name() as filled, attr="format"):
                made = self.texts(module, function, filled, env, deep + 1)
                return [text.replace("{}", UNKNOWN) for text in made]
            case ast.Name(id=name):
                there, real = module.imported.get(name, (module.name, name))
                other = self.modules.get(there)
                maker = other.functions.get(real) if other else None
                if other is None or maker is None or not _is_text(maker):
                    return [UNKNOWN]
                return _united(
                    self.texts(other, maker, each.value, {}, deep + 1)
                    for each in ast.walk(maker)
                    if isinstance(each, ast.Return) and each.value is not None
                )
            case _:
                return [UNKNOWN]

    def _rows(
        self, module: _Module, function: Function | None, node: ast.expr
    ) -> Iterator[tuple[_Module, Function | None, ast.Tuple]]:
        """Tuples that a table holds or a function gives, one after another."""
        match node:
            case ast.Subscript(value=ast.Name(id=name)) if name in module.constants:
                table = module.constants[name]
                rows = table.values if isinstance(table, ast.Dict) else []
                yield from ((module, None, row) for row in rows if isinstance(row, ast.Tuple))
            case ast.Call(func=ast.Name(id=name)):
                there, real = module.imported.get(name, (module.name, name))
                other = self.modules.get(there)
                maker = other.functions.get(real) if other else None
                for each in ast.walk(maker) if maker else ():
                    given = each.value if isinstance(each, ast.Yield | ast.Return) else None
                    if other and isinstance(given, ast.Tuple):
                        yield other, maker, given
            case _:
                pass


def _calls(
    tree: ast.AST, inside: Function | None = None
) -> Iterator[tuple[Function | None, ast.Call]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            yield inside, node
        yield from _calls(node, node if isinstance(node, Function) else inside)


def _place(call: ast.Call) -> int | None:
    """Which argument a known call says."""
    name = _name(call)
    if name in SPOKEN:
        return SPOKEN[name]
    if name == "echo":
        return 0 if any(word.arg == "err" for word in call.keywords) else None
    return 0 if name.endswith("Error") and name not in _SILENT else None


def _parameters(function: Function) -> list[str]:
    """Names of parameters, without the object itself."""
    plain = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args)]
    plain = plain[1:] if plain[:1] in (["self"], ["cls"]) else plain
    return [*plain, *(arg.arg for arg in function.args.kwonlyargs)]


def _name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _is_text(function: Function) -> bool:
    said = function.returns
    return isinstance(said, ast.Name) and said.id == "str"


def _assigned(function: Function, name: str) -> list[ast.expr]:
    """What a name is set to within a function."""
    found: list[ast.expr] = []
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[target], value=value):
                found += _part(target, value, name)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                found += _part(target, value, name)
            case ast.NamedExpr(target=target, value=value):
                found += _part(target, value, name)
            case ast.For(target=ast.Tuple() as target, iter=value):
                found += _part(target, value, name)
            case ast.comprehension(target=ast.Tuple() as target, iter=value):
                found += _part(target, value, name)
            case _:
                pass
    return found


def _part(target: ast.expr, value: ast.expr, name: str) -> list[ast.expr]:
    """What of a value a name stands for, if it stands for any of it."""
    match target:
        case ast.Name(id=key) if key == name:
            return [value]
        case ast.Tuple(elts=targets):
            return [
                ast.Subscript(value=value, slice=ast.Constant(value=at))
                for at, each in enumerate(targets)
                if isinstance(each, ast.Name) and each.id == name
            ]
        case _:
            return []


def _added(function: Function, name: str, assigned: list[ast.expr]) -> list[tuple[int, ast.expr]]:
    """What is added to a name within a function, each with which of its values it is added to."""
    found: list[tuple[int, ast.expr]] = []
    for node in ast.walk(function):
        if not isinstance(node, ast.AugAssign) or not isinstance(node.target, ast.Name):
            continue
        above = [i for i, each in enumerate(assigned) if _line(each) < node.lineno]
        if node.target.id == name and above:
            found.append((max(above, key=lambda i: _line(assigned[i])), node.value))
    return found


def _line(node: ast.expr) -> int:
    return getattr(node, "lineno", 0)


def _joined(parts: list[list[str]]) -> list[str]:
    whole = 1
    for part in parts:
        whole *= len(part)
    if whole > _MOST:
        parts = [part if len(part) == 1 else [UNKNOWN] for part in parts]
    return list(dict.fromkeys("".join(each) for each in product(*parts)))


def _united(parts: Iterator[list[str]] | list[list[str]]) -> list[str]:
    return list(dict.fromkeys(text for part in parts for text in part)) or [UNKNOWN]
