"""Calibration curves as shapes: what each threshold of a rule catches, and stops by mistake.

Shapes are in units of a box of ``WIDTH`` by ``HEIGHT``, y downwards, as SVG has them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from app.evals.calibrate import Calibration, Point

WIDTH, HEIGHT = 320, 160


@dataclass(frozen=True, slots=True)
class Mark:
    """Where an audience's threshold stands."""

    audiences: tuple[str, ...]
    x: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One rule over all thresholds, and what it does for each audience now."""

    rule: str
    caught: str
    """A line, as ``d`` of a path; empty where no harmful text says anything of the rule."""
    caught_band: str
    """Its 95 % interval, as ``points`` of a polygon."""
    stopped: str
    stopped_band: str
    marks: tuple[Mark, ...]
    now: tuple[Calibration, ...]
    """By audience, strictest first."""


def curves(found: Iterable[Calibration]) -> tuple[Curve, ...]:
    """One curve a rule, in the policy's order."""
    by_rule: Mapping[str, list[Calibration]] = {
        rule: list(each) for rule, each in groupby(found, key=lambda each: each.rule)
    }
    return tuple(_curve(rule, each) for rule, each in by_rule.items())


def _curve(rule: str, found: Sequence[Calibration]) -> Curve:
    points = found[0].curve
    has_harmful = points[0].caught.of > 0
    at = sorted({each.now.at for each in found})
    return Curve(
        rule,
        _line(points, lambda point: point.caught.point) if has_harmful else "",
        _band(points, lambda point: point.caught.interval) if has_harmful else "",
        _line(points, lambda point: point.false_alarms.point),
        _band(points, lambda point: point.false_alarms.interval),
        tuple(Mark(tuple(each.audience for each in found if each.now.at == x), _x(x)) for x in at),
        tuple(found),
    )


def _x(score: float) -> float:
    return round(score * WIDTH, 2)


def _y(share: float) -> float:
    return round((1 - share) * HEIGHT, 2)


def _line(points: Sequence[Point], share: Callable[[Point], float]) -> str:
    """Steps: the share of a threshold holds down to the next lower one."""
    made = [f"M0 {_y(share(points[0]))}"]
    made += [f"H{_x(point.at)}V{_y(share(after))}" for point, after in _pairs(points)]
    return "".join([*made, f"H{WIDTH}"])


def _pairs(points: Sequence[Point]) -> Iterable[tuple[Point, Point]]:
    return zip(points, [*points[1:], points[-1]], strict=True)


def _band(points: Sequence[Point], interval: Callable[[Point], tuple[float, float]]) -> str:
    low: list[str] = []
    high: list[str] = []
    before = 0.0
    for point in points:
        down, up = interval(point)
        for x in (before, point.at):
            low.append(f"{_x(x)},{_y(down)}")
            high.append(f"{_x(x)},{_y(up)}")
        before = point.at
    return " ".join([*high, *reversed(low)])
