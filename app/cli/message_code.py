"""Code as a tree, and how the texts in it may read; for the page of messages."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

UNKNOWN = "…"
_MOST = 24
"""Ways in which one text may read; past that its parts are shown as unknown."""
_DEEPEST = 6
_FIXED = ast.Constant | ast.JoinedStr | ast.BinOp | ast.Dict
"""What a constant of a module may be that is a text, or a table of them."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True)
class Module:
    """One file of code."""

    name: str
    """Such as ``access/keys``."""
    tree: ast.Module
    functions: dict[str, Function] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name here, to the module and the name there."""

    def place_of(self, name: str) -> tuple[str, str]:
        """Where what this module calls so is written."""
        return self.imported.get(name, (self.name, name))


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression stands."""

    module: Module
    function: Function | None = None
    bound: Mapping[str, list[str]] = field(default_factory=dict)
    """What parameters hold, as far as it is known."""
    deep: int = 0


def read_modules(package: Path) -> dict[str, Module]:
    """All modules under a folder, by name."""
    found: dict[str, Module] = {}
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).with_suffix("").as_posix().removesuffix("/__init__")
        found[name] = _module(name, ast.parse(path.read_text("utf-8")))
    return found


def _module(name: str, tree: ast.Module) -> Module:
    module = Module(name, tree)
    for node in ast.walk(tree):
        if isinstance(node, Function):
            module.functions.setdefault(node.name, node)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app."):
            there = (node.module or "").removeprefix("app.").replace(".", "/")
            for each in node.names:
                module.imported[each.asname or each.name] = (there, each.name)
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=key)], value=value):
                module.constants[key] = value
            case ast.AnnAssign(target=ast.Name(id=key), value=ast.expr() as value):
                module.constants[key] = value
            case _:
                pass
    return module


class Texts:
    """Says how an expression may read; what is known only at run time is ``…``."""

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self._modules = modules
        self._ways: dict[type[ast.expr], Callable[[ast.expr, Scope], list[str]]] = {
            ast.Constant: self._constant,
            ast.JoinedStr: self._joined,
            ast.FormattedValue: self._formatted,
            ast.BinOp: self._sum,
            ast.BoolOp: self._either,
            ast.IfExp: self._choice,
            ast.NamedExpr: self._kept,
            ast.Dict: self._table,
            ast.Subscript: self._entry,
            ast.Name: self._named,
            ast.Call: self._called,
        }

    def of(self, node: ast.expr, scope: Scope) -> list[str]:
        """The ways in which it may read."""
        read = self._ways.get(type(node))
        if read is None or scope.deep > _DEEPEST:
            return [UNKNOWN]
        return read(node, replace(scope, deep=scope.deep + 1))

    def _all(self, nodes: Iterable[ast.expr], scope: Scope) -> list[str]:
        return united(self.of(node, scope) for node in nodes)

    def _constant(self, node: ast.expr, _: Scope) -> list[str]:
        text = node.value if isinstance(node, ast.Constant) else None
        return [text] if isinstance(text, str) else [UNKNOWN]

    def _joined(self, node: ast.expr, scope: Scope) -> list[str]:
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        return _one_after_another([self.of(part, scope) for part in parts])

    def _formatted(self, node: ast.expr, scope: Scope) -> list[str]:
        value = node.value if isinstance(node, ast.FormattedValue) else node
        # What is formatted is a value, unless a name or a function of ours makes it a text.
        return self.of(value, scope) if isinstance(value, _MADE) else [UNKNOWN]

    def _sum(self, node: ast.expr, scope: Scope) -> list[str]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return _one_after_another([self.of(node.left, scope), self.of(node.right, scope)])
        return [UNKNOWN]

    def _either(self, node: ast.expr, scope: Scope) -> list[str]:
        return self._all(node.values if isinstance(node, ast.BoolOp) else [], scope)

    def _choice(self, node: ast.expr, scope: Scope) -> list[str]:
        return self._all([node.body, node.orelse] if isinstance(node, ast.IfExp) else [], scope)

    def _kept(self, node: ast.expr, scope: Scope) -> list[str]:
        return self._all([node.value] if isinstance(node, ast.NamedExpr) else [], scope)

    def _table(self, node: ast.expr, scope: Scope) -> list[str]:
        return self._all(node.values if isinstance(node, ast.Dict) else [], scope)

    def _entry(self, node: ast.expr, scope: Scope) -> list[str]:
        match node:
            case ast.Subscript(value=value, slice=ast.Constant(value=int() as at)):
                rows = self._rows(value, scope)
                return united(
                    self.of(row.elts[at], there) for there, row in rows if at < len(row.elts)
                )
            case ast.Subscript(value=ast.Name(id=name)) if name in scope.module.constants:
                return self.of(scope.module.constants[name], scope)
            case _:
                return [UNKNOWN]

    def _named(self, node: ast.expr, scope: Scope) -> list[str]:
        name = node.id if isinstance(node, ast.Name) else ""
        if name in scope.bound:
            return scope.bound[name]
        if scope.function and (assigned := _assigned(scope.function, name)):
            ways = [self.of(each, scope) for each in assigned]
            for before, more in _added(scope.function, name, assigned):
                ways.append(_one_after_another([ways[before], self.of(more, scope)]))
            return united(ways)
        there, real = scope.module.place_of(name)
        module = self._modules.get(there)
        fixed = module.constants.get(real) if module else None
        if module is None or not isinstance(fixed, _FIXED):
            return [UNKNOWN]
        return self.of(fixed, Scope(module, deep=scope.deep))

    def _called(self, node: ast.expr, scope: Scope) -> list[str]:
        """What functions of ours give that make texts; of others nothing is known."""
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=args) if (
                name in scope.module.constants
            ):
                return self._all([scope.module.constants[name], *args[1:2]], scope)
            case ast.Call(func=ast.Attribute(value=filled, attr="format")) if isinstance(
                filled, ast.Constant | ast.Name
            ):
                return [text.replace("{}", UNKNOWN) for text in self.of(filled, scope)]
            case ast.Call(func=ast.Name(id=name)):
                module, maker = self._maker(name, scope)
                if module is None or maker is None or not _is_text(maker):
                    return [UNKNOWN]
                inside = Scope(module, maker, deep=scope.deep)
                return self._all(_given(maker, ast.Return), inside)
            case _:
                return [UNKNOWN]

    def _rows(self, node: ast.expr, scope: Scope) -> Iterator[tuple[Scope, ast.Tuple]]:
        """Tuples that a table holds or a function gives, one after another."""
        match node:
            case ast.Subscript(value=ast.Name(id=name)) if name in scope.module.constants:
                table = scope.module.constants[name]
                rows = table.values if isinstance(table, ast.Dict) else []
                inside = Scope(scope.module, deep=scope.deep)
            case ast.Call(func=ast.Name(id=name)):
                module, maker = self._maker(name, scope)
                rows = list(_given(maker, ast.Return, ast.Yield)) if maker else []
                inside = Scope(module or scope.module, maker, deep=scope.deep)
            case _:
                return
        yield from ((inside, row) for row in rows if isinstance(row, ast.Tuple))

    def _maker(self, name: str, scope: Scope) -> tuple[Module | None, Function | None]:
        there, real = scope.module.place_of(name)
        module = self._modules.get(there)
        return module, module.functions.get(real) if module else None


_MADE = ast.Call | ast.Name | ast.IfExp


def united(parts: Iterable[list[str]]) -> list[str]:
    """Every way, each once."""
    return list(dict.fromkeys(text for part in parts for text in part)) or [UNKNOWN]


def _one_after_another(parts: list[list[str]]) -> list[str]:
    whole = 1
    for part in parts:
        whole *= len(part)
    if whole > _MOST:
        parts = [part if len(part) == 1 else [UNKNOWN] for part in parts]
    return list(dict.fromkeys("".join(each) for each in product(*parts)))


def _given(function: Function, *kinds: type[ast.Return | ast.Yield]) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, kinds) and node.value is not None:
            yield node.value


def _is_text(function: Function) -> bool:
    return isinstance(function.returns, ast.Name) and function.returns.id == "str"


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
            case _:
                pass
    return found


def _part(target: ast.expr, value: ast.expr, name: str) -> list[ast.expr]:
    """What of a value a name stands for, if it stands for any of it."""
    match target:
        case ast.Name(id=key):
            return [value] if key == name else []
        case ast.Tuple(elts=targets):
            at = [
                i
                for i, each in enumerate(targets)
                if isinstance(each, ast.Name) and each.id == name
            ]
            if isinstance(value, ast.Tuple):
                return [value.elts[i] for i in at if i < len(value.elts)]
            return [ast.Subscript(value=value, slice=ast.Constant(value=i)) for i in at]
        case _:
            return []


def _added(
    function: Function, name: str, assigned: list[ast.expr]
) -> Iterator[tuple[int, ast.expr]]:
    """What is added to a name within a function, each with which of its values it is added to."""
    for node in ast.walk(function):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            above = [i for i, each in enumerate(assigned) if _line(each) < node.lineno]
            if node.target.id == name and above:
                yield max(above, key=lambda i: _line(assigned[i])), node.value


def _line(node: ast.expr) -> int:
    return getattr(node, "lineno", 0)
