"""Two revisions of a project's files: what is different in meaning, worst first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.catalog.files import CASES_SUFFIX
from app.catalog.origins import Origins, Written
from app.domain.catalog import Catalog, Route, Source, Target
from app.domain.errors import Problem
from app.pipeline.loaded import Loaded
from app.review.change import Change, Effect, Located
from app.review.concerns.deployment import Sections, changes_of_deployment
from app.review.concerns.personas import changes_of_persona
from app.review.concerns.policies import changes_of_policy
from app.review.concerns.prompts import PromptChange, changes_of_prompts
from app.review.concerns.routes import changes_of_data_use
from app.review.concerns.rules import IsAsStrict, Pair
from app.review.concerns.variants import begins_anew


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two revisions."""

    loaded: Loaded
    deployment: Sections
    """``banneton.yaml`` by section, as written, without routes."""

    @property
    def catalog(self) -> Catalog:
        """What its files mean."""
        return self.loaded.catalog


@dataclass(frozen=True, slots=True)
class Review:
    """What a change of files changes."""

    before: str
    """The digest of the catalog before."""
    after: str
    changes: tuple[Located, ...]
    """Worst first; what several policies inherit stands here once."""
    prompts: tuple[PromptChange, ...]

    def count(self, effect: Effect) -> int:
        """How many changes go this way."""
        return sum(each.change.effect is effect for each in self.changes)

    @property
    def is_weaker(self) -> bool:
        """Whether anything is weaker than before."""
        return self.count(Effect.WEAKER) > 0


def compare(
    before: Side,
    after: Side,
    *,
    is_as_strict: IsAsStrict,
    today: date,
    files: Mapping[str, bool],
    unapproved: Iterable[Problem] = (),
) -> Review:
    """Compare two revisions.

    Args:
        before: What the change is made to.
        after: With the change.
        is_as_strict: Compares what rules look for.
        today: From this day (UTC) on, waivers count.
        files: Those whose bytes differ; true for one that holds the same values.
        unapproved: Waivers that are new or changed, and that nobody approved whom the files
            named before the change.
    """
    old, new = before.catalog, after.catalog
    found: list[Located] = []
    for change, policy in _of_policies(old, new, is_as_strict, today):
        found.append(_in_policy(change, policy, old, new))
    found += _of_personas(old, new, is_as_strict, today)
    found += changes_of_routes(old, new)
    found += [
        Located(change, source=Origins(new).deployment(*change.keys).source)
        for change in changes_of_deployment(before.deployment, after.deployment)
    ]
    found += [_unapproved(problem) for problem in unapproved]
    prompts = tuple(changes_of_prompts(before.loaded, after.loaded))
    found += list(_of_files(files, found, prompts, old, new))
    order = list(Effect)
    together = _together(found)
    together.sort(key=lambda each: (order.index(each.change.effect), _where(each)))
    return Review(old.digest, new.digest, tuple(together), prompts)


def _where(located: Located) -> tuple[str, int, str]:
    source = located.source
    return (source.file, source.line, located.change.rule) if source else ("", 0, "")


def _unapproved(problem: Problem) -> Located:
    key = problem.path.rpartition(".")[2]
    what = f"a waiver is not approved, as approvals were before this change: {key} {problem.what}"
    source = Source(problem.file, problem.line, problem.column)
    return Located(Change(Effect.WEAKER, "waivers", what), source=source)


def _of_policies(
    old: Catalog, new: Catalog, is_as_strict: IsAsStrict, today: date
) -> Iterator[tuple[Change, str]]:
    for policy in dict.fromkeys((*new.policies, *old.policies)):
        if policy in new.policies and policy in old.policies:
            pair = Pair(old.policies[policy], new.policies[policy], is_as_strict, today)
            for change in changes_of_policy(pair):
                yield change, policy
        else:
            what = "is new" if policy in new.policies else "is gone"
            yield Change(Effect.CHANGED, "policies", f"the policy {what}"), policy


def _in_policy(change: Change, policy: str, old: Catalog, new: Catalog) -> Located:
    served = [name for name, persona in new.personas.items() if persona.policy == policy]
    return Located(change, (policy,), tuple(served), _source(change, policy, old, new))


def _source(change: Change, policy: str, old: Catalog, new: Catalog) -> Source:
    """Where the change is written: in the new files, or where the old ones were nearest to it."""
    if policy not in new.policies:
        return Source(f"policies/{policy}.yaml", 1, 1)
    if (written := _written(change, policy, new)) is not None:
        return written.source
    was = _written(change, policy, old)
    there = was.source.file if was else ""
    if was is not None and any(source.file == there for source in new.sources.values()):
        return Source(there, 1, 1)
    return Origins(new).policy(policy).source


def _written(change: Change, policy: str, catalog: Catalog) -> Written | None:
    origins = Origins(catalog)
    said = catalog.policies[policy]
    if change.concern == "waivers":
        keys = [(waiver.rule, waiver.audience) for waiver in said.waivers]
        if (change.rule, change.audiences[0]) not in keys:
            return None
        return origins.waiver(policy, change.rule, change.audiences[0])
    if not change.rule:
        return origins.policy(policy, *change.keys)
    if change.rule not in {rule.id for rule in said.rules}:
        return None
    return _written_of_rule(change, policy, origins)


def _written_of_rule(change: Change, policy: str, origins: Origins) -> Written:
    match change.concern:
        case "then":
            return origins.then(policy, change.rule, change.audiences[0])
        case "mode":
            return origins.acts(policy, change.rule)
        case key:
            return origins.rule(policy, change.rule, key)


def _of_personas(
    old: Catalog, new: Catalog, is_as_strict: IsAsStrict, today: date
) -> Iterator[Located]:
    origins = Origins(new)
    for name in dict.fromkeys((*new.personas, *old.personas)):
        ours, theirs = new.personas.get(name), old.personas.get(name)
        if ours is None or theirs is None:
            what = "the persona is gone" if ours is None else "the persona is new"
            source = origins.persona(name).source if ours else Source(f"personas/{name}.yaml", 1, 1)
            yield Located(Change(Effect.CHANGED, "personas", what), (), (name,), source)
            continue
        for change in changes_of_persona(theirs, ours):
            source = origins.persona(name, *change.keys).source
            yield Located(change, (), (name,), source)
        if ours.policy != theirs.policy:
            pair = Pair(old.policies[theirs.policy], new.policies[ours.policy], is_as_strict, today)
            for change in changes_of_policy(pair):
                source = origins.persona(name, "policy").source
                yield Located(change, (ours.policy,), (name,), source)
    yield from _of_variants(old, new, is_as_strict, today)
    for name, change in begins_anew(old, new):
        yield Located(change, (), (name,), origins.persona(name, *change.keys).source)


def _of_variants(
    old: Catalog, new: Catalog, is_as_strict: IsAsStrict, today: date
) -> Iterator[Located]:
    """What a variant changes otherwise than its persona does.

    One that is new, or gone, is compared with the persona itself: that is what its share of
    traffic had before, or has now.
    """
    for name, variant in dict.fromkeys((*new.variants, *old.variants)):
        if name not in old.personas or name not in new.personas:
            continue
        before, after = old.personas[name], new.personas[name]
        theirs = old.variants.get((name, variant), before)
        ours = new.variants.get((name, variant), after)
        whom = (f"{name}:{variant}",)
        source = Origins(new).persona(name, "variants").source
        known = set(changes_of_persona(before, after))
        for change in changes_of_persona(theirs, ours):
            if change not in known and change.concern not in _OF_SHARES:
                yield Located(change, (), whom, source)
        if ours.policy != theirs.policy and (theirs.policy, ours.policy) != (
            before.policy,
            after.policy,
        ):
            pair = Pair(old.policies[theirs.policy], new.policies[ours.policy], is_as_strict, today)
            for change in changes_of_policy(pair):
                yield Located(change, (ours.policy,), whom, source)


_OF_SHARES = frozenset({"variants", "rollout"})
"""Concerns of the persona that no variant has."""


def changes_of_routes(old: Catalog, new: Catalog) -> Iterator[Located]:
    """Ways to models that lead elsewhere."""
    for name in dict.fromkeys((*new.routes, *old.routes)):
        ours, theirs = new.routes.get(name), old.routes.get(name)
        if ours == theirs:
            continue
        served = tuple(key for key, each in new.personas.items() if name in each.routes.values())
        source = Origins(new).route(name).source if ours else Source("banneton.yaml", 1, 1)
        uses = list(changes_of_data_use(theirs, ours)) if ours is not None else []
        yield from (Located(change, (), served, source) for change in uses)
        if ours is None or theirs is None:
            what = f"the route '{name}' is {'gone' if ours is None else 'new'}"
        else:
            what = f"the route '{name}' leads to {_ways(ours)} instead of {_ways(theirs)}"
            if _ways(ours) == _ways(theirs):
                if not uses:  # such as the weight of one that is never drawn
                    yield Located(_COSMETIC, (), served, source)
                continue
        yield Located(Change(Effect.CHANGED, "routes", what), (), served, source)


def _ways(route: Route) -> str:
    """Where a route leads, in words."""
    shared = [_way(each, is_shared=len(route.targets) > 1) for each in route.targets]
    made = " or ".join(shared)
    if route.fallbacks:
        made += ", then " + ", then ".join(_way(each, is_shared=False) for each in route.fallbacks)
    if route.retries:
        made += f", with retries ({route.retries})"
    return made if route.deadline_ms is None else f"{made}, within {route.deadline_ms} ms"


def _way(target: Target, *, is_shared: bool) -> str:
    made = f"{target.model} on {target.backend}"
    if is_shared:
        made += f" (weight {target.weight:g})"
    when = target.when
    limits = [*when.audience, *when.persona]
    if when.max_context_tokens is not None:
        limits.append(f"up to {when.max_context_tokens} tokens")
    limits += [f"no {feature}" for feature in sorted(target.lacks)]
    return f"{made} [{', '.join(limits)}]" if limits else made


def _of_files(
    files: Mapping[str, bool],
    told: Sequence[Located],
    prompts: Sequence[PromptChange],
    old: Catalog,
    new: Catalog,
) -> Iterator[Located]:
    """Files that read differently, where nothing that was told is written in them."""
    places = {each.source.file for each in told if each.source is not None}
    for file, holds_the_same in files.items():
        if file.startswith(("prompts/", "knowledge/")):
            change = _of_text(prompts, is_same=_texts(old, file) == _texts(new, file))
        elif holds_the_same:
            change = _COSMETIC
        elif file.startswith("evals/"):
            change = Change(Effect.CHANGED, "cases", "what is run as a case, or recorded, changes")
        elif file.endswith(CASES_SUFFIX):
            change = Change(Effect.CHANGED, "cases", "the cases change")
        elif file in places or _is_told(file, told):
            continue
        else:
            change = _COSMETIC
        yield Located(change, source=Source(file, 1, 1))


_COSMETIC = Change(Effect.COSMETIC, "files", "reads differently and means the same")


def _of_text(prompts: Sequence[PromptChange], *, is_same: bool) -> Change:
    if is_same:  # but for its line ends
        return _COSMETIC
    rest = "so do composed prompts" if prompts else "no composed prompt does"
    return Change(Effect.CHANGED, "prompts", f"reads differently; {rest}")


def _texts(catalog: Catalog, file: str) -> list[str]:
    prompts = [each.text for each in catalog.prompts.values() if each.file == file]
    return [*prompts, *(text for name, text in catalog.knowledge.items() if name == file)]


def _is_told(file: str, told: Iterable[Located]) -> bool:
    """Whether something was told of a policy or persona, at a line that another file says."""
    folder, _, name = file.partition("/")
    stem = name.removesuffix(".yaml")
    names = {"policies": "policies", "personas": "personas"}.get(folder)
    return names is not None and any(stem in getattr(each, names) for each in told)


def _together(found: Iterable[Located]) -> list[Located]:
    """What several policies or personas inherit, once."""
    by_place: dict[tuple[Change, Source | None], list[Located]] = {}
    for each in found:
        by_place.setdefault((each.change, each.source), []).append(each)
    return [
        Located(
            change,
            tuple(dict.fromkeys(name for each in group for name in each.policies)),
            tuple(dict.fromkeys(name for each in group for name in each.personas)),
            source,
        )
        for (change, source), group in by_place.items()
    ]
