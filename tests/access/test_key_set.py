"""Key sets: how long keys are believed, how often they are fetched, and what cannot be had."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm

from app.access.key_set import (
    KeySet,
    KeysUnavailableError,
    keys_from_file,
    keys_from_url,
    read_keys,
)
from app.domain.errors import AccessError, AccessProblem
from tests.access.claiming import ED, FixedClock, Provider, jwk, key_set


def keys(provider: Provider, clock: FixedClock) -> KeySet:
    """A key set with round numbers."""
    return KeySet(provider.fetch, clock, fresh_s=600, kept_s=3600, floor_s=30)


async def problem(found: KeySet, kid: str = "EdDSA") -> AccessProblem | None:
    """Why a key cannot be found; nothing where it can."""
    try:
        await found.find(kid, "EdDSA")
    except AccessError as exc:
        return exc.problem
    return None


async def test_keys_are_fetched_once_and_again_when_they_are_old() -> None:
    """Every request would ask the provider, or a key that was withdrawn would sign for ever."""
    provider, clock = Provider(), FixedClock()
    found = keys(provider, clock)
    for _ in range(5):
        assert await problem(found) is None
    assert provider.asked == 1
    clock.move(599)
    assert await problem(found) is None
    assert provider.asked == 1
    provider.data = key_set(jwk(ED, "new"))
    clock.move(2)
    assert await problem(found) is AccessProblem.CLAIM
    assert provider.asked == 2


async def test_an_unknown_id_fetches_but_not_for_ever() -> None:
    """A new key would not count, or anybody could make the gateway ask without end."""
    provider, clock = Provider(), FixedClock()
    found = keys(provider, clock)
    assert await problem(found) is None
    clock.move(31)
    provider.data = key_set(jwk(ED, "EdDSA"), jwk(ed25519.Ed25519PrivateKey.generate(), "new"))
    assert await problem(found, "new") is None
    for at in range(100):
        assert await problem(found, f"made up {at}") is AccessProblem.CLAIM
    assert provider.asked == 2
    clock.move(30)
    await asyncio.gather(*(problem(found, f"made up {at}") for at in range(100)))
    assert provider.asked == 3


async def test_an_outage_keeps_what_is_known_for_a_while_and_then_fails_closed() -> None:
    """An outage would lock everybody out at once, or let a withdrawn key sign for days."""
    provider, clock = Provider(), FixedClock()
    found = keys(provider, clock)
    assert await problem(found) is None
    provider.data = None
    clock.move(3599)
    assert await problem(found) is None
    assert await problem(found, "unknown") is AccessProblem.UNAVAILABLE
    clock.move(31)
    assert await problem(found) is AccessProblem.UNAVAILABLE
    provider.data = key_set()
    clock.move(31)
    assert await problem(found) is None


async def test_keys_that_never_came_are_an_outage() -> None:
    """A claim that nobody could check would count, or be called wrong."""
    for data in (None, b"", b"no JSON", b"[]", b"{}", b'{"keys": {}}'):
        found = keys(Provider(data), FixedClock())
        assert await problem(found) is AccessProblem.UNAVAILABLE


@settings(deadline=None, max_examples=100)
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["keys", "kty", "kid", "crv", "x", "alg"]), inner)
        ),
        max_leaves=8,
    ).map(orjson.dumps)
)
def test_any_document_is_a_key_set_or_none(data: bytes) -> None:
    """What a provider sends could crash the gateway."""
    with suppress(KeysUnavailableError):
        assert isinstance(read_keys(data), dict)


async def test_a_file_is_read_again(tmp_path: Path) -> None:
    """Keys could not be changed without a restart."""
    path = tmp_path / "jwks.json"
    fetch = keys_from_file(path)
    with pytest.raises(KeysUnavailableError):
        await fetch()
    path.write_bytes(key_set())
    assert await fetch() == key_set()


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A server with a key set, and with what is none."""

    async def good(_: web.Request) -> web.Response:
        return web.Response(body=key_set(), content_type="application/json")

    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPFound("/good")

    async def long(_: web.Request) -> web.Response:
        return web.Response(body=b" " * 300_000 + key_set())

    over = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    app = web.Application()
    for name, handler in (("good", good), ("elsewhere", elsewhere), ("long", long)):
        app.router.add_get(f"/{name}", handler)
    app.router.add_get("/never", never)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        over.set()
        await runner.cleanup()


async def test_a_url_gives_keys_or_an_outage(address: str) -> None:
    """A redirect, an error page or an endless answer would be taken for keys."""
    async with aiohttp.ClientSession() as session:
        assert await keys_from_url(session, f"{address}/good")() == key_set()
        for bad in ("elsewhere", "long", "missing"):
            with pytest.raises(KeysUnavailableError):
                await keys_from_url(session, f"{address}/{bad}")()
        with pytest.raises(KeysUnavailableError):
            await keys_from_url(session, f"{address}/never", timeout_s=0.05)()
        with pytest.raises(KeysUnavailableError):
            await keys_from_url(session, "http://127.0.0.1:9/nobody")()


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(OKPAlgorithm.to_jwk(ED, as_dict=True), id="with its private half"),
        pytest.param({"alg": "RS256"}, id="for another algorithm"),
        pytest.param({"use": "enc"}, id="for encryption"),
        pytest.param({"kid": 7}, id="without a name"),
        pytest.param({"crv": "Ed448"}, id="of another curve"),
        pytest.param({"kty": "oct", "k": "AAAA"}, id="a shared secret"),
    ],
)
def test_keys_that_must_not_sign_claims_are_left_out(more: dict[str, object]) -> None:
    """A key that others know, or that was made for something else, would sign claims."""
    assert set(read_keys(key_set(jwk(ED, "one")))) == {("one", "EdDSA")}
    wrong = {**jwk(ED, "one"), **more}
    wrong.pop("key_ops", None)
    assert read_keys(key_set(wrong)) == {}
