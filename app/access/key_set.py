"""Public keys of an identity provider: fetched, kept for a while, and never taken on trust."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import orjson

from app.domain.clock import Clock
from app.domain.errors import AccessError, AccessProblem

FetchKeys = Callable[[], Awaitable[bytes]]
"""Gives a JSON Web Key Set as it is now; raises ``KeysUnavailableError``."""

_MAX_BYTES = 256 * 1024
_MIN_RSA_BITS = 2048
_ALGORITHMS = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", None): "RS256"}
"""By kind and curve of a key, the one way to sign that is accepted for it."""
_log = logging.getLogger("banneton.access")


class KeysUnavailableError(Exception):
    """The key set could not be had. Says why in words of ours."""


def keys_from_url(session: aiohttp.ClientSession, url: str, *, timeout_s: float = 5) -> FetchKeys:
    """A key set behind a URL. Redirects are not followed: they could lead to anybody's keys."""

    async def fetch() -> bytes:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with session.get(url, timeout=timeout, allow_redirects=False) as answer:
                if answer.status != 200:  # noqa: PLR2004  # HTTP's own number
                    raise KeysUnavailableError(f"the key set's address answers {answer.status}")
                data = await answer.content.read(_MAX_BYTES + 1)
                while len(data) <= _MAX_BYTES and (more := await answer.content.read(_MAX_BYTES)):
                    data += more
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise KeysUnavailableError(type(exc).__name__) from None
        if len(data) > _MAX_BYTES:
            raise KeysUnavailableError(f"the key set is larger than {_MAX_BYTES} bytes")
        return data

    return fetch


def keys_from_file(path: Path) -> FetchKeys:
    """A key set in a file, read again whenever keys are fetched."""

    async def fetch() -> bytes:
        try:
            return await asyncio.to_thread(path.read_bytes)
        except OSError as exc:
            raise KeysUnavailableError(type(exc).__name__) from None

    return fetch


def read_keys(data: bytes) -> dict[tuple[str, str], jwt.PyJWK]:
    """The keys of a set that may sign claims, by id and algorithm.

    Left out is what RFC 7517 wants left out (kinds that are not known), and what must not be there:
    keys without an id, too short ones, those meant for encryption, and secret ones.

    Raises:
        KeysUnavailableError: It is no key set.
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise KeysUnavailableError("what came is no JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise KeysUnavailableError("what came is no key set")
    keys: dict[tuple[str, str], jwt.PyJWK] = {}
    for entry in listed:
        if isinstance(entry, dict) and (read := _read_key(entry)) is not None:
            kid, key = read
            keys.setdefault((kid, key.algorithm_name), key)
    return keys


def _read_key(entry: Mapping[str, Any]) -> tuple[str, jwt.PyJWK] | None:
    kid, kind = entry.get("kid"), entry.get("kty")
    algorithm = _ALGORITHMS.get((str(kind), entry.get("crv") if kind != "RSA" else None))
    is_for_us = (
        isinstance(kid, str)
        and algorithm is not None
        and entry.get("alg", algorithm) == algorithm
        and entry.get("use", "sig") == "sig"
        and not {"d", "k"} & set(entry)
    )
    if not is_for_us:
        return None
    try:
        key = jwt.PyJWK(dict(entry), algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if kind == "RSA" and key.key.key_size < _MIN_RSA_BITS:
        return None
    return str(kid), key


class KeySet:
    """Finds a key by its id. Bounds how long keys are believed, and how often they are fetched."""

    def __init__(
        self,
        fetch: FetchKeys,
        clock: Clock,
        *,
        fresh_s: float = 600,
        kept_s: float = 3600,
        floor_s: float = 30,
    ) -> None:
        """Fetch nothing yet.

        Args:
            fetch: Where keys come from.
            clock: For their age.
            fresh_s: From this age on they are fetched again when one is needed, so that a key
                that was withdrawn stops.
            kept_s: So old they may become where fetching fails.
            floor_s: No two attempts are closer, so that unknown ids cannot make us ask for ever.
        """
        self._fetch = fetch
        self._clock = clock
        self._fresh_s = fresh_s
        self._kept_s = kept_s
        self._floor_s = floor_s
        self._keys: Mapping[tuple[str, str], jwt.PyJWK] = {}
        self._fetched_s: float | None = None
        self._tried_s: float | None = None
        self._has_failed = False
        self._lock = asyncio.Lock()

    async def find(self, kid: str, algorithm: str) -> jwt.PyJWK:
        """The key of this id for this algorithm.

        Raises:
            AccessError: ``claim`` where there is none, ``unavailable`` where that cannot be told.
        """
        key = self._keys.get((kid, algorithm))
        if key is not None and self._age_s() < self._fresh_s:
            return key
        await self.refresh()
        key = self._keys.get((kid, algorithm))
        if key is not None and self._age_s() < self._kept_s:
            return key
        if self._has_failed:
            what = "The keys that claims are checked with cannot be had; try again later."
            raise AccessError(AccessProblem.UNAVAILABLE, what)
        raise AccessError(
            AccessProblem.CLAIM, "The claim is signed by a key that is not known; send a new one."
        )

    async def refresh(self) -> None:
        """Fetch the keys, unless that was just tried. What fails is logged, and keeps the old."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._tried_s is not None and now - self._tried_s < self._floor_s:
                return
            self._tried_s = now
            try:
                self._keys = read_keys(await self._fetch())
            except KeysUnavailableError as exc:
                self._has_failed = True
                _log.warning("keys for claims could not be fetched: %s", exc)
                return
            self._has_failed = False
            self._fetched_s = self._clock.monotonic()

    def _age_s(self) -> float:
        if self._fetched_s is None:
            return float("inf")
        return self._clock.monotonic() - self._fetched_s
