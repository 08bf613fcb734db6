"""Sampling inside the bounds that the persona allows."""

from dataclasses import replace

from app.domain.conversation import Reasoning, Sampling, SamplingField
from app.domain.errors import RequestError
from app.domain.persona import ChoicesBound, EffortBound, FloatBound, IntBound, SamplingBounds


def bounded(wished: Sampling, bounds: SamplingBounds) -> Sampling:
    """What the request asks for where the persona lets it choose, the persona's values otherwise.

    Raises:
        RequestError: The request asks for more or less than the persona allows.
    """
    tokens = _choose("max_tokens", wished.max_tokens, bounds.max_tokens)
    wishes: tuple[tuple[SamplingField, float | None], ...] = (
        ("temperature", wished.temperature),
        ("top_p", wished.top_p),
    )
    return replace(
        wished,
        yields=wished.yields | {name for name, wish in wishes if wish is None},
        temperature=_choose("temperature", wished.temperature, bounds.temperature),
        top_p=_choose("top_p", wished.top_p, bounds.top_p),
        max_tokens=None if tokens is None else int(tokens),
        reasoning=_reasoning(wished.reasoning, bounds.reasoning),
        choices=_choices(wished.choices, bounds.choices),
    )


def _choices(wished: int, bound: ChoicesBound) -> int:
    if wished > bound.max:
        what = f"n: this persona allows at most {bound.max} (sampling.choices.max in its file)"
        raise RequestError(what, param="n", code="out_of_bounds")
    return wished


def _reasoning(wished: Reasoning | None, bound: EffortBound) -> Reasoning | None:
    default = None if bound.default is None else Reasoning(bound.default)
    if wished is None or wished == default:
        return default
    if bound.max is None:
        if default is None:
            return wished
        raise RequestError(
            f"reasoning: leave it out; this persona fixes it at {bound.default}", param="reasoning"
        )
    if wished.tokens > bound.max.tokens:
        raise RequestError(
            f"reasoning: this persona allows at most {bound.max} ({bound.max.tokens} tokens)",
            param="reasoning",
            code="out_of_bounds",
        )
    return wished


def _choose(name: str, wished: float | None, bound: FloatBound | IntBound) -> float | None:
    if wished is None or wished == bound.default:
        return bound.default
    if bound.min is None and bound.max is None:
        if bound.default is None:
            return wished
        raise RequestError(
            f"{name}: leave it out; this persona fixes it at {bound.default}", param=name
        )
    low = bound.min if bound.min is not None else 0
    if wished < low or (bound.max is not None and wished > bound.max):
        upper = "any number" if bound.max is None else bound.max
        raise RequestError(
            f"{name}: this persona allows {low} to {upper}", param=name, code="out_of_bounds"
        )
    return wished
