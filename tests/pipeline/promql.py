"""As much of PromQL as our alerts use, on samples of two scrapes: one now, one a range ago.

The syntax is read by a parser of the whole language; what is not understood here raises.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import promql_parser as promql
from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]
Vector = Mapping[Labels, float]
Value = float | Vector

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_COUNT: Mapping[str, Callable[[float, float], float]] = {
    "-": operator.sub,
    "+": operator.add,
    "*": operator.mul,
}
_GATHER: Mapping[str, Callable[[Iterable[float]], float]] = {"min": min, "max": max, "sum": sum}
_MATCH: Mapping[str, Callable[[str, str], bool]] = {
    "Equal": operator.eq,
    "NotEqual": operator.ne,
    "Re": lambda text, pattern: re.fullmatch(pattern, text) is not None,
}


def scraped(text: str) -> Mapping[str, Vector]:
    """The samples of a scrape, by name."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


class Scrapes:
    """Evaluates expressions."""

    def __init__(self, now_s: float, scrape: str, before: str = "") -> None:
        """Take two scrapes; ranges begin at the one before."""
        self._now_s = now_s
        self._scrape, self._before = scraped(scrape), scraped(before)
        self.names: set[str] = set()
        """Of all metrics that were asked for."""

    def of(self, expression: str) -> Vector:
        """What an expression gives."""
        value = self._of(promql.parse(expression))
        assert not isinstance(value, float)
        return value

    def _of(self, node: Any) -> Value:  # noqa: ANN401, PLR0911  # one return a kind of node
        match node:
            case promql.NumberLiteral():
                return float(node.val)
            case promql.ParenExpr():
                return self._of(node.expr)
            case promql.VectorSelector():
                return self._select(node, self._scrape)
            case promql.AggregateExpr():
                by = node.modifier
                assert by is not None
                assert by.type is promql.AggModifierType.By
                return _gathered(str(node.op), by.labels, self._vector(node.expr))
            case promql.Call() if node.func.name == "time":
                return float(self._now_s)
            case promql.Call() if node.func.name == "increase":
                selector = node.args[0].vector_selector
                old = self._select(selector, self._before)
                new = self._select(selector, self._scrape)
                return {key: value - old.get(key, 0.0) for key, value in new.items()}
            case promql.BinaryExpr():
                assert node.modifier is None or node.modifier.matching is None
                return self._binary(str(node.op).strip(), self._of(node.lhs), self._of(node.rhs))
            case _:
                raise NotImplementedError(type(node).__name__)

    def _vector(self, node: Any) -> Vector:  # noqa: ANN401
        value = self._of(node)
        assert not isinstance(value, float)
        return value

    def _select(self, node: promql.VectorSelector, scrape: Mapping[str, Vector]) -> Vector:
        name = node.name or ""
        self.names.add(name)
        found = scrape.get(name, {})
        for each in node.matchers.matchers:
            holds = _MATCH[str(each.op).rpartition(".")[2]]
            found = {
                key: value
                for key, value in found.items()
                if holds(dict(key).get(each.name, ""), each.value)
            }
        return found

    def _binary(self, op: str, left: Value, right: Value) -> Value:
        if op in {"and", "or"}:
            assert not isinstance(left, float)
            assert not isinstance(right, float)
            if op == "and":
                return {key: value for key, value in left.items() if key in right}
            return {**right, **left}
        if isinstance(left, float) and isinstance(right, float):
            return _COUNT[op](left, right)
        keys = (left if not isinstance(left, float) else right).keys()  # type: ignore[union-attr]  # one of them is a vector
        pairs = {
            key: (
                left if isinstance(left, float) else left[key],
                right if isinstance(right, float) else right[key],
            )
            for key in keys
            if isinstance(right, float) or isinstance(left, float) or key in right
        }
        if op in _COMPARE:
            return {key: one for key, (one, other) in pairs.items() if _COMPARE[op](one, other)}
        return {key: _COUNT[op](one, other) for key, (one, other) in pairs.items()}


def _gathered(op: str, by: Iterable[str], vector: Vector) -> Vector:
    groups: dict[Labels, list[float]] = {}
    for key, value in vector.items():
        kept = tuple(pair for pair in key if pair[0] in by)
        groups.setdefault(kept, []).append(value)
    return {key: _GATHER[op](values) for key, values in groups.items()}
