"""What leaves the process, made of settings: backends, endpoints, and who may use them."""

import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import aiohttp

from app.backends.http import HttpBackend
from app.backends.outside import Answers, Endpoint, Reach
from app.catalog.wording import unknown
from app.domain.catalog import Catalog, Route, Source
from app.domain.clock import Clock, NewId
from app.domain.data_use import DataUse
from app.domain.errors import ContentError, Problem
from app.domain.policy import DetectSpec
from app.domain.protocols import Backend
from app.guardrails.detector import Need, Place
from app.guardrails.plan import Kinds
from app.pipeline.loaded import Loaded
from app.providers import backend_of, signers
from app.settings import ServiceEndpoint, Settings, WebhookEndpoint
from app.settings.data_uses import unforbidden

_AT_ONCE = 32
"""Requests to one endpoint's host at a time."""


async def start_backends(
    settings: Settings, root: Path, names: Collection[str], new_id: NewId, stack: AsyncExitStack
) -> dict[str, Backend]:
    """The backends of these names; others are not loaded."""
    session = await _session(stack, limit_per_host=0)
    signing = signers(settings)
    backends: dict[str, Backend] = {}
    for name in sorted(names):
        backend = backends[name] = backend_of(settings.backends[name], root, session, new_id)
        if isinstance(backend, HttpBackend):
            backend.signer = signing[name]
        stack.push_async_callback(backend.close)
    return backends


async def open_reach(
    settings: Settings,
    backends: Mapping[str, Backend],
    clock: Clock,
    new_id: NewId,
    stack: AsyncExitStack,
) -> Reach:
    """What detectors can ask."""
    return Reach(
        backends=backends,
        endpoints={name: _endpoint(each) for name, each in settings.endpoints.items()},
        session=await _session(stack, limit_per_host=_AT_ONCE),
        answers=Answers(secrets.token_bytes(32)),
        clock=clock,
        new_id=new_id,
    )


def used_backends(loaded: Loaded, kinds: Kinds) -> set[str]:
    """The backends of every route that a persona or a detector uses."""
    routes = [route for served in loaded.served.values() for route in served.routes]
    routes += detectors_routes(loaded, kinds)
    return {target.backend for route in routes for target in route.all_targets}


def detectors_routes(loaded: Loaded, kinds: Kinds) -> list[Route]:
    """The routes that detectors of policies and behaviours ask."""
    return [
        loaded.routes[need.name]
        for use in _uses(loaded.catalog)
        for need in _needs(use.detect, kinds)
        if need.place is Place.ROUTE
    ]


def unmet_needs(catalog: Catalog, settings: Settings, kinds: Kinds) -> Iterator[Problem]:
    """Detectors that ask what ``banneton.yaml`` does not name, or what takes none of theirs."""
    for use in _uses(catalog):
        for need in _needs(use.detect, kinds):
            if what := _unmet(need, catalog, settings):
                setting = f"{use.detect.detector}.{need.setting}"
                source = _source(catalog, use.file, f"{use.place}.{setting}")
                where = f"{use.said_as}.{setting}"
                yield Problem(source.file, source.line, source.column, where, what)


def _unmet(need: Need, catalog: Catalog, settings: Settings) -> str:
    """Why what a detector needs is not there; empty where it is."""
    if need.place is not Place.ROUTE:
        known = [name for name, each in settings.endpoints.items() if each.type == need.place.value]
        kind = f"endpoint of type '{need.place}'"
        return "" if need.name in known else unknown(kind, need.name, known)
    route = catalog.routes.get(need.name)
    if route is None:
        return unknown("route", need.name, list(catalog.routes))
    if any(target.when.takes("", "") for target in route.all_targets):
        return ""
    return (
        f"is '{need.name}', whose targets each want an audience or a persona: a detector asks for "
        "neither; add one without that"
    )


def unforbidden_uses(catalog: Catalog, settings: Settings) -> Iterator[Problem]:
    """Backends and services that nothing is known to hold off what no route allows them.

    They are no error: an agreement may say what a request cannot, and ``assured`` names it.
    """
    file = "banneton.yaml"
    for use in DataUse:
        for name, backend in settings.backends.items():
            routes = [
                each.id
                for each in catalog.routes.values()
                if use not in each.provider_may
                and any(target.backend == name for target in each.all_targets)
            ]
            if routes and (why := unforbidden(backend, use)):
                source = _source(catalog, file, f"backends.{name}")
                what = (
                    f"may {use} what the routes {', '.join(sorted(routes))} send: {why} Name what "
                    f"forbids it under 'assured: {{{use}: …}}', or allow it in the routes with "
                    f"'provider_may: [{use}]'"
                )
                yield Problem(source.file, source.line, source.column, f"backends.{name}", what)
        for name, endpoint in settings.endpoints.items():
            why = unforbidden(endpoint, use) if isinstance(endpoint, ServiceEndpoint) else None
            if why:
                source = _source(catalog, file, f"endpoints.{name}")
                what = (
                    f"may {use} what detectors send: {why} "
                    f"Name what forbids it under 'assured: {{{use}: …}}'"
                )
                yield Problem(source.file, source.line, source.column, f"endpoints.{name}", what)


@dataclass(frozen=True, slots=True)
class _Use:
    """Where files use a detector."""

    file: str
    place: str
    """In the merged file, as the catalog's sources name it."""
    said_as: str
    """The same for people, by ids."""
    detect: DetectSpec


def _uses(catalog: Catalog) -> Iterator[_Use]:
    for name, policy in catalog.policies.items():
        for index, rule in enumerate(policy.rules):
            place, said_as = f"rules[{index}].detect", f"rules.{rule.id}.detect"
            yield _Use(f"policies/{name}.yaml", place, said_as, rule.detect)
    personas = [*catalog.personas.items()]
    personas += [(name, persona) for (name, _), persona in catalog.variants.items()]
    for name, persona in personas:
        for index, behaviour in enumerate(persona.behaviours):
            if behaviour.verify is not None:
                detect = DetectSpec(behaviour.verify.detector, behaviour.verify.settings)
                place, said_as = f"behaviours[{index}].verify", f"behaviours.{behaviour.id}.verify"
                yield _Use(f"personas/{name}.yaml", place, said_as, detect)


def _needs(detect: DetectSpec, kinds: Kinds) -> list[Need]:
    kind = kinds[detect.detector]
    settings: Any = kind.settings.model_validate(detect.settings)
    return list(kind.needs(settings))


def _source(catalog: Catalog, file: str, path: str) -> Source:
    """Where it stands, or what it is left out of."""
    while path and (file, path) not in catalog.sources:
        path = path.rpartition(".")[0]
    return catalog.sources.get((file, path), Source(file, 0, 0))


async def _session(stack: AsyncExitStack, *, limit_per_host: int) -> aiohttp.ClientSession:
    return await stack.enter_async_context(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=limit_per_host, keepalive_timeout=60
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Detectors have deadlines of their own, and backends wait as their settings say.
            timeout=aiohttp.ClientTimeout(total=None),
        )
    )


def _endpoint(settings: WebhookEndpoint | ServiceEndpoint) -> Endpoint:
    match settings:
        case WebhookEndpoint():
            return Endpoint(settings.url, signing_key=settings.signing_key())
        case ServiceEndpoint():
            headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
            if settings.api_key is not None:
                headers["authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
            return Endpoint(settings.url, headers)
        case _:
            assert_never(settings)


def refuse_stopped_backends(loaded: Loaded, kinds: Kinds, running: Mapping[str, Backend]) -> None:
    """Refuse a reload that needs a backend which was not started; at the start none is running.

    Raises:
        ContentError: It needs one.
    """
    stopped = sorted(used_backends(loaded, kinds) - set(running))
    if running and stopped:
        what = f"is new; restart the gateway to start it ({', '.join(stopped)})"
        raise ContentError([Problem("banneton.yaml", 0, 0, "backends", what)])
