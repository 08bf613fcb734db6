"""Routes as ``banneton.yaml`` writes them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated

from pydantic import Field

from app.catalog.document import Node
from app.catalog.persona_file import ReadPersona
from app.catalog.policy_file import ReadPolicy
from app.catalog.wording import read_as, unknown
from app.domain.catalog import Feature, Route, Target, When
from app.domain.data_use import DataUse
from app.domain.errors import Problem
from app.domain.persona import FileModel

_MAX_RETRIES = 5
_NEEDS: Mapping[str, frozenset[Feature]] = {
    "route": frozenset(),
    "embeddings.route": frozenset({Feature.EMBEDDINGS}),
    "images.route": frozenset({Feature.PICTURES}),
}
"""What a target must not lack, by where a persona names its route."""


class WhenFile(FileModel):
    """Which requests a target takes; what is left out takes all."""

    audience: tuple[str, ...] = ()
    """Only requests served under one of these audiences."""
    persona: tuple[str, ...] = ()
    """Only requests to one of these personas."""
    max_context_tokens: Annotated[int, Field(ge=1)] | None = None
    """Only requests whose system prompt and texts take at most so many tokens, as estimated."""


class TargetFile(FileModel):
    """One model on one backend."""

    backend: Annotated[str, Field(min_length=1)]
    """A backend's id in this file."""
    model: Annotated[str, Field(min_length=1)]
    """The model's name, as the backend knows it."""
    when: WhenFile = WhenFile()
    """Which requests it takes; left out, all."""
    lacks: tuple[Feature, ...] = ()
    """What it cannot do: it takes no request that needs one of these."""


class WeightedFile(TargetFile):
    """One model on one backend, with its share of requests."""

    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1
    """Its share among the targets that take a request; a session stays with what it drew."""


class _Chain(FileModel):
    fallbacks: tuple[TargetFile, ...] = ()
    """Asked in this order where the model fails before it has said anything."""
    retries: Annotated[int, Field(ge=0, le=_MAX_RETRIES)] = 0
    """How often a model that fails for a moment is asked again before the next one is."""
    deadline_ms: Annotated[int, Field(ge=1, le=3_600_000)] | None = None
    """From the first call to the first event of an answer, over all models and retries; left out,
    each backend's timeouts alone count."""
    provider_may: frozenset[DataUse] = frozenset()
    """What providers may do with what they are sent, beyond answering it. Left out, nothing: every
    request carries the provider's own switches against it, where it has any."""


class RouteFile(_Chain):
    """A named way to one model."""

    backend: Annotated[str, Field(min_length=1)]
    """A backend's id in this file."""
    model: Annotated[str, Field(min_length=1)]
    """The model's name, as the backend knows it."""


class SharedRouteFile(_Chain):
    """A named way to one of several models."""

    targets: Annotated[tuple[WeightedFile, ...], Field(min_length=1)]
    """One is drawn, by weight, of those that take the request."""


def read_route(name: str, node: Node) -> Route:
    """A route.

    Raises:
        ContentError: Every mistake with its line and column.
    """
    if node.child("targets") is None:
        one = read_as(RouteFile, node)
        return _route(name, (Target(one.backend, one.model),), one)
    shared = read_as(SharedRouteFile, node)
    return _route(name, tuple(_target(each, each.weight) for each in shared.targets), shared)


def _route(name: str, targets: tuple[Target, ...], chain: _Chain) -> Route:
    fallbacks = tuple(_target(each) for each in chain.fallbacks)
    return Route(name, targets, fallbacks, chain.retries, chain.deadline_ms, chain.provider_may)


def _target(written: TargetFile, weight: float = 1) -> Target:
    when = When(written.when.audience, written.when.persona, written.when.max_context_tokens)
    return Target(written.backend, written.model, weight, when, frozenset(written.lacks))


def _written(route: Route, node: Node) -> Iterator[tuple[Target, Node]]:
    for key, targets in (("targets", route.targets), ("fallbacks", route.fallbacks)):
        for index, target in enumerate(targets):
            is_short = key == "targets" and node.child("targets") is None
            yield target, node if is_short else node.nearest(key, index)


def check_route(
    route: Route,
    node: Node,
    *,
    backends: Collection[str],
    personas: Collection[str],
    audiences: Collection[str],
) -> Iterator[Problem]:
    """What is wrong with one route."""
    for target, place in _written(route, node):
        for key, values, known in (
            ("backend", (target.backend,), backends),
            ("audience", target.when.audience, audiences),
            ("persona", target.when.persona, personas),
        ):
            for index, value in enumerate(values):
                if value not in known:
                    where = (key,) if key == "backend" else ("when", key, index)
                    yield place.nearest(*where).problem(unknown(key, value, known))


def check_prices(
    prices: Mapping[str, Node], routes: Iterable[Route], backends: Collection[str]
) -> Iterator[Problem]:
    """Prices of what is not there. A model that no route asks any more may keep its price."""
    asked = {(each.backend, each.model) for route in routes for each in route.all_targets}
    for backend, models in prices.items():
        if backend not in backends:
            yield models.key_problem(unknown("backend", backend, backends))
            continue
        bare = {name for of, name in asked if of == backend} - models.entries.keys()
        for model, price in models.entries.items():
            if (backend, model) not in asked and (close := get_close_matches(model, bare, n=1)):
                what = f"is the price of a model that no route asks; did you mean '{close[0]}'?"
                yield price.key_problem(what)


def check_ways(
    read: ReadPersona, routes: Mapping[str, Route], policies: Mapping[str, ReadPolicy]
) -> Iterator[Problem]:
    """Audiences of a persona that its routes lead nowhere, however short the request is."""
    persona = read.persona
    policy = policies.get(persona.policy)
    if policy is None:
        return
    for place, name in persona.routes.items():
        node, route, needs = read.tree.nearest(*place.split(".")), routes.get(name), _NEEDS[place]
        able = [each for each in route.all_targets if not each.lacks & needs] if route else []
        if route is not None and not able:
            what = f"has no target that can do what this needs: {', '.join(needs)}"
            yield node.problem(f"is '{name}', which {what}")
        for audience in policy.policy.audiences if able else ():
            if not any(target.when.takes(persona.id, audience) for target in able):
                what = "has no target that takes this persona's requests for the audience"
                yield node.problem(f"is '{name}', which {what} '{audience}'")
