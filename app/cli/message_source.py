"""Finds the messages that the code can say, by reading it: no list is kept by hand.

A message is an argument of a known call, such as ``RequestError(...)`` or ``node.problem(...)``. A
function that hands one of its parameters on as a message is such a call itself.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.cli.message_code import UNKNOWN, Function, Module, Scope, Texts, read_modules, united

_SAYS: Mapping[str, int] = {
    "Problem": 4,
    "Weakness": 2,
    **dict.fromkeys(("FieldRefusedError", "AccessError", "BackendError", "_BrokeOffError"), 1),
    **dict.fromkeys(("Failure", "file_problem", "_problem_after"), 1),
    **dict.fromkeys(("problem", "key_problem", "BadParameter", "Refused"), 0),
}
"""Calls that say something, and which argument it is. Every other error says its first."""
_HANDED = {"what", "message", "reason", "why", "said"}
"""What a parameter is called that a function hands on as a message, or as part of one."""
_SILENT = {"RuntimeError", "TypeError", "KeyError", "JSONDecodeError", "NotImplementedError"}
"""Errors that show a defect, not something that a user did."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message, as far as it stands in the code."""

    module: str
    """Such as ``access/keys``."""
    kind: str
    """The call that says it, such as ``RequestError``."""
    text: str


def messages(package: Path) -> list[Said]:
    """Every message that the code under a folder can say, in order of modules and lines."""
    code = _Code(read_modules(package))
    code.find_speakers()
    return list(dict.fromkeys(code.said()))


class _Code:
    """All modules, and which of their functions hand messages on."""

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self._modules = modules
        self._texts = Texts(modules)
        self._speakers: dict[tuple[str, str], list[ast.Call]] = {}
        """Module and function, to the calls in it that say what one of its parameters holds."""

    def find_speakers(self) -> None:
        """Look until no function more is found that hands a message on."""
        before = -1
        while before != len(self._speakers):
            before = len(self._speakers)
            for module in self._modules.values():
                for function in module.functions.values():
                    if _HANDED.isdisjoint(_parameters(function)):
                        continue
                    calls = (each for each in ast.walk(function) if isinstance(each, ast.Call))
                    if made := [call for call in calls if self._hands_on(module, function, call)]:
                        self._speakers[module.name, function.name] = made

    def _hands_on(self, module: Module, function: Function, call: ast.Call) -> bool:
        own = _HANDED & set(_parameters(function))
        return any(
            isinstance(each, ast.Name) and each.id in own
            for spoken in self._spoken(module, call)
            for each in ast.walk(spoken)
        )

    def _spoken(self, module: Module, call: ast.Call) -> list[ast.expr]:
        """Which arguments of a call are said; none where it says nothing."""
        if self._speaker(module, call):
            return [*call.args, *(word.value for word in call.keywords)]
        at = _place(call)
        if at is None:
            return []
        if at < len(call.args) and not any(isinstance(arg, ast.Starred) for arg in call.args):
            return [call.args[at]]
        return [word.value for word in call.keywords if word.arg in _HANDED]

    def _speaker(self, module: Module, call: ast.Call) -> tuple[str, str] | None:
        match call.func:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                found = (module.name, name)
            case ast.Name(id=name):
                found = module.place_of(name)
            case _:
                return None
        return found if found in self._speakers else None

    def said(self) -> Iterator[Said]:
        """Every message."""
        for module in self._modules.values():
            for function, call in _calls(module.tree):
                if function and call in self._speakers.get((module.name, function.name), ()):
                    continue
                for text in self._texts_of(call, Scope(module, function)):
                    if text.strip(f"{UNKNOWN} :;,.()'\n"):
                        yield Said(module.name, self._kind(module, call), text.strip())

    def _texts_of(self, call: ast.Call, scope: Scope) -> list[str]:
        """What a call says."""
        speaker = self._speaker(scope.module, call)
        if speaker is None:
            spoken = self._spoken(scope.module, call)
            return united(self._texts.of(each, scope) for each in spoken)
        there = self._modules[speaker[0]]
        callee = there.functions[speaker[1]]
        given = dict(zip(_parameters(callee), call.args, strict=False))
        given |= {word.arg: word.value for word in call.keywords if word.arg}
        bound = {
            name: self._texts.of(value, scope) for name, value in given.items() if name in _HANDED
        }
        inside = Scope(there, callee, bound)
        return united(self._texts_of(each, inside) for each in self._speakers[speaker])

    def _kind(self, module: Module, call: ast.Call) -> str:
        speaker = self._speaker(module, call)
        if speaker is None:
            return _name(call)
        return self._kind(self._modules[speaker[0]], self._speakers[speaker][0])


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
    if name in _SAYS:
        return _SAYS[name]
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
