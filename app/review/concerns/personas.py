"""What a persona is, may be asked and says: key by key, on the values after inheritance."""

from collections.abc import Callable, Iterator, Mapping

from app.domain.persona import (
    Authority,
    Behaviour,
    ChoicesBound,
    EffortBound,
    FloatBound,
    IntBound,
    Persona,
    Variable,
)
from app.domain.policy import Action
from app.review.change import Change, Effect, way
from app.review.concerns.values import in_words, plain
from app.review.concerns.variants import changes_of_rollout, changes_of_variants

_WORDS = frozenset({"description", "owner"})
"""For people who read the file; nothing is served differently."""
_LONGEST = 60


def changes_of_persona(before: Persona, after: Persona) -> Iterator[Change]:
    """All that is different about a persona, but for what its policy does."""
    for key in Persona.model_fields:
        ours, theirs = getattr(after, key), getattr(before, key)
        if ours == theirs or key == "id":
            continue
        special = _CONCERNS.get(key)
        found = list(special(after, before)) if special else []
        if found:
            yield from found
        else:
            effect = Effect.COSMETIC if key in _WORDS else Effect.CHANGED
            yield Change(effect, key, _in_words(key, ours, theirs), keys=(key,))


def _in_words(key: str, ours: object, theirs: object) -> str:
    if isinstance(ours, str | int | float | bool) and isinstance(theirs, str | int | float | bool):
        said = f"'{key}' is '{ours}' instead of '{theirs}'"
        if len(said) <= _LONGEST * 2:
            return said
    parts = in_words(plain(theirs), plain(ours))
    return f"'{key}' changes: {parts}" if parts else f"'{key}' changes"


def _choice(strict: str, loose: str, key: str) -> Callable[[Persona, Persona], Iterator[Change]]:
    """A key with two values, of which one lets more through."""

    def changes(after: Persona, before: Persona) -> Iterator[Change]:
        ours, theirs = getattr(after, key), getattr(before, key)
        effect = {loose: Effect.WEAKER, strict: Effect.STRICTER}[ours]
        yield Change(effect, key, f"'{key}' is '{ours}' instead of '{theirs}'", keys=(key,))

    return changes


def _behaviours(after: Persona, before: Persona) -> Iterator[Change]:
    ours, theirs = ({each.id: each for each in p.behaviours} for p in (after, before))
    for name, behaviour in theirs.items():
        if name not in ours:
            effect = Effect.WEAKER if behaviour.verify else Effect.CHANGED
            yield _of_behaviours(effect, f"the behaviour '{name}' is gone")
    for index, (name, behaviour) in enumerate(ours.items()):
        keys = ("behaviours", f"behaviours[{index}]")
        if name not in theirs:
            effect = Effect.STRICTER if behaviour.verify else Effect.CHANGED
            yield _of_behaviours(effect, f"the behaviour '{name}' is new", keys[1])
        elif theirs[name] != behaviour:
            for effect, what in _of_behaviour(behaviour, theirs[name]):
                yield _of_behaviours(effect, f"the behaviour '{name}' {what}", keys[1])


def _of_behaviours(effect: Effect, what: str, key: str = "behaviours") -> Change:
    return Change(effect, "behaviours", what, keys=(key,))


def _of_behaviour(ours: Behaviour, theirs: Behaviour) -> Iterator[tuple[Effect, str]]:
    for key in type(ours).model_fields:
        now, was = getattr(ours, key), getattr(theirs, key)
        if now == was:
            continue
        effect: Effect | None = Effect.CHANGED
        parts = in_words(plain(was), plain(now))
        what = f"has another '{key}'" + (f": {parts}" if parts else "")
        if key == "on_fail":
            effect, what = way(Action(now), Action(was)), f"does '{now}' instead of '{was}'"
        elif key == "authority":
            ranks = list(Authority)
            lower = ranks.index(now) > ranks.index(was)
            effect = Effect.WEAKER if lower else Effect.STRICTER
            what = f"has the authority of '{now}' instead of '{was}'"
        elif key == "verify" and (now is None or was is None):
            effect = Effect.WEAKER if now is None else Effect.STRICTER
            what = "is no longer measured" if now is None else "is now measured"
        if effect is not None:
            yield effect, what


def _sampling(after: Persona, before: Persona) -> Iterator[Change]:
    for name in type(after.sampling).model_fields:
        ours, theirs = getattr(after.sampling, name), getattr(before.sampling, name)
        if ours != theirs:
            effect = _way_of_bounds(_range(ours), _range(theirs))
            what = f"'{name}' may be {_bound_in_words(ours)} instead of {_bound_in_words(theirs)}"
            yield Change(effect, "sampling", what, keys=("sampling", name))


Bound = FloatBound | IntBound | EffortBound | ChoicesBound


def _range(bound: Bound) -> tuple[float, float] | None:
    """What a request may choose from; none where nothing."""
    if isinstance(bound, EffortBound):
        return None if bound.max is None else (0, bound.max.tokens)
    if isinstance(bound, ChoicesBound):
        return 1, bound.max
    if bound.min is None and bound.max is None:
        return None
    low = float("-inf") if bound.min is None else bound.min
    return low, float("inf") if bound.max is None else bound.max


def _way_of_bounds(ours: tuple[float, float] | None, theirs: tuple[float, float] | None) -> Effect:
    if ours == theirs:
        return Effect.CHANGED
    if theirs is None or (ours and (ours[0] < theirs[0] or ours[1] > theirs[1])):
        return Effect.WEAKER
    return Effect.STRICTER


def _bound_in_words(bound: Bound) -> str:
    if isinstance(bound, EffortBound):
        default = bound.default or "the provider's choice"
        return default if bound.max is None else f"{default}, chosen up to {bound.max}"
    if isinstance(bound, ChoicesBound):
        return "one" if bound.max == 1 else f"one, or up to {bound.max} as the request wishes"
    default = "the provider's choice" if bound.default is None else f"{bound.default:g}"
    if bound.min is None and bound.max is None:
        return default
    low = "" if bound.min is None else f" from {bound.min:g}"
    high = "" if bound.max is None else f" up to {bound.max:g}"
    return f"{default}, or{low}{high} as the request wishes"


def _variables(after: Persona, before: Persona) -> Iterator[Change]:
    for name in dict.fromkeys((*before.variables, *after.variables)):
        ours, theirs = after.variables.get(name), before.variables.get(name)
        if ours == theirs:
            continue
        keys = ("variables", name)
        if ours is None or theirs is None:
            what = f"the variable '{name}' is {'gone' if ours is None else 'new'}"
            effect = Effect.WEAKER if ours and ours.trusted else Effect.CHANGED
            yield Change(effect, "variables", what, keys=keys)
        else:
            yield Change(
                _way_of_trust(ours, theirs),
                "variables",
                f"the variable '{name}' changes: " + in_words(plain(theirs), plain(ours)),
                keys=keys,
            )


def _way_of_trust(ours: Variable, theirs: Variable) -> Effect:
    if ours.trusted is theirs.trusted:
        return Effect.CHANGED
    return Effect.WEAKER if ours.trusted else Effect.STRICTER


_CONCERNS: Mapping[str, Callable[[Persona, Persona], Iterator[Change]]] = {
    "behaviours": _behaviours,
    "sampling": _sampling,
    "variables": _variables,
    "variants": changes_of_variants,
    "rollout": changes_of_rollout,
    "passthrough": _choice("refuse", "allow", "passthrough"),
    "system_messages": _choice("refuse", "below", "system_messages"),
}
"""Keys of which more can be said than that they changed."""
