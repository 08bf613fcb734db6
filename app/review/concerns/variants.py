"""Who is answered by which variant: shares, shadows, and the rollout of one."""

from collections.abc import Iterator

from app.catalog.rollouts import rollouts_of
from app.domain.catalog import Catalog
from app.domain.persona import Persona, Rollout, Variant
from app.review.change import Change, Effect


def changes_of_variants(after: Persona, before: Persona) -> Iterator[Change]:
    """What is different about variants, but for what they set."""
    ours, theirs = ({each.id: each for each in p.variants} for p in (after, before))
    for name in dict.fromkeys((*theirs, *ours)):
        now, was = ours.get(name), theirs.get(name)
        if now is not None and was is not None:
            for what in _of_variant(now, was):
                yield _change(f"the variant '{name}' {what}")
        elif now is not None:
            yield _change(f"the variant '{name}' is new and {_part(now)}")
        else:
            yield _change(f"the variant '{name}' is gone")


def _of_variant(now: Variant, was: Variant) -> Iterator[str]:
    if (now.shadow, now.percent) != (was.shadow, was.percent):
        yield f"{_part(now)} (before: {_part(was)})"
    if now.set != was.set:
        yield "sets something else"


def _part(variant: Variant) -> str:
    """What a variant does, in words."""
    if variant.shadow:
        return f"runs beside {variant.percent:g} % of sessions, for nobody to see"
    if not variant.percent:
        return "answers where a request names it, or by a rollout"
    return f"answers {variant.percent:g} % of sessions"


def _change(what: str) -> Change:
    return Change(Effect.CHANGED, "variants", what, keys=("variants",))


def changes_of_rollout(after: Persona, before: Persona) -> Iterator[Change]:
    """What is different about the rollout. A gate that lets through more is weaker."""
    ours, theirs = after.rollout, before.rollout
    if ours is None or theirs is None:
        if ours is not None:
            steps = ", ".join(f"{step:g}" for step in ours.steps)
            what = f"'{ours.variant}' is rolled out to {steps} % of sessions"
            yield Change(Effect.CHANGED, "rollout", what, keys=("rollout",))
        elif theirs is not None:
            what = f"'{theirs.variant}' is no longer rolled out"
            yield Change(Effect.CHANGED, "rollout", what, keys=("rollout",))
        return
    for key in ("variant", "steps", "hold", "min_samples", "settle"):
        now, was = getattr(ours, key), getattr(theirs, key)
        if now != was:
            yield _plan(f"'{key}' of the rollout is {_in_words(now)} instead of {_in_words(was)}")
    yield from _of_gates(ours, theirs)


def begins_anew(old: Catalog, new: Catalog) -> Iterator[tuple[str, Change]]:
    """Rollouts that begin at their first step again, by persona: what they compare changes."""
    before = rollouts_of(old)
    for name, planned in rollouts_of(new).items():
        if name in before and before[name].id != planned.id:
            what = f"the rollout of '{planned.plan.variant}' begins anew, at its first step"
            yield name, _plan(what)


def _of_gates(ours: Rollout, theirs: Rollout) -> Iterator[Change]:
    now = {each.metric: each.no_worse_by for each in ours.gates}
    was = {each.metric: each.no_worse_by for each in theirs.gates}
    for metric in dict.fromkeys((*was, *now)):
        if metric not in now:
            yield _way(f"the gate on {metric} is gone", is_weaker=True)
        elif metric not in was:
            yield _way(f"a gate on {metric} is new", is_weaker=False)
        elif now[metric] != was[metric]:
            said = f"{now[metric]:g} worse instead of {was[metric]:g}"
            what = f"the gate on {metric} lets the variant be {said}"
            yield _way(what, is_weaker=now[metric] > was[metric])
    if ours.error_rate != theirs.error_rate:
        what = f"the gates may err {ours.error_rate:g} of the time instead of {theirs.error_rate:g}"
        yield _way(what, is_weaker=ours.error_rate > theirs.error_rate)


def _way(what: str, *, is_weaker: bool) -> Change:
    effect = Effect.WEAKER if is_weaker else Effect.STRICTER
    return Change(effect, "rollout", what, keys=("rollout", "gates"))


def _plan(what: str) -> Change:
    return Change(Effect.CHANGED, "rollout", what, keys=("rollout",))


def _in_words(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{each:g}" for each in value)
    return str(value)
