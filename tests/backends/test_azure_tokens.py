"""Entra ID's tokens are renewed before they expire, by one for all, and off the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from azure.core.exceptions import ClientAuthenticationError

from app.backends.azure_tokens import token_from_chain, token_of
from app.backends.http import Authorize
from app.domain.errors import BackendError, BackendProblem
from app.main import SystemClock

Json = Any


@dataclass
class Account:
    """Gives so many tokens, one after the other, and then none."""

    tokens: int
    threads: list[int] = field(default_factory=list)
    opened: threading.Event = field(default_factory=threading.Event)

    def give(self) -> str:
        """The next token."""
        self.opened.wait(10)
        self.threads.append(threading.get_ident())
        if len(self.threads) > self.tokens:
            raise ClientAuthenticationError("very-secret")
        return f"token-{len(self.threads)}"


def account(tokens: int) -> Account:
    """One that answers at once."""
    made = Account(tokens)
    made.opened.set()
    return made


async def shown(authorize: Authorize) -> str:
    """The header that a request carries."""
    return (await authorize("https://example.org/", b"{}"))["authorization"]


async def test_one_token_serves_many_requests() -> None:
    """Each request would ask for a token of its own, and all the others wait for that."""
    asked = account(2)
    authorize = token_of(asked.give)
    asked.opened.clear()
    waiting = [asyncio.ensure_future(shown(authorize)) for _ in range(20)]
    await asyncio.sleep(0)
    asked.opened.set()
    assert set(await asyncio.gather(*waiting)) == {"Bearer token-1"}
    assert len(asked.threads) == 1
    assert threading.get_ident() not in asked.threads


async def test_token_is_asked_for_again() -> None:
    """A request would go out with a token that has expired."""
    authorize = token_of(account(2).give, ask_again_s=0)
    assert [await shown(authorize) for _ in range(2)] == ["Bearer token-1", "Bearer token-2"]


async def test_old_token_serves_while_it_counts() -> None:
    """An outage of a minute at Entra's side would become one of the gateway."""
    authorize = token_of(account(1).give, ask_again_s=0)
    assert [await shown(authorize) for _ in range(2)] == ["Bearer token-1"] * 2


@pytest.mark.parametrize(("tokens", "counts_s"), [(0, 240), (1, -1)])
async def test_no_token_is_an_error_of_the_provider(tokens: int, counts_s: float) -> None:
    """The gateway would ask without a token, with one that is over, or show the account."""
    authorize = token_of(account(tokens).give, counts_s=counts_s)
    with pytest.raises(BackendError) as caught:
        await shown(authorize)
    assert caught.value.problem is BackendProblem.UNAUTHORIZED
    assert "very-secret" not in str(caught.value)


@asynccontextmanager
async def identities() -> AsyncIterator[tuple[str, list[Json]]]:
    """What gives a managed identity's tokens, as Azure's App Service has it."""
    asked: list[Json] = []

    async def give(request: web.Request) -> web.Response:
        asked.append((dict(request.query), request.headers.get("x-identity-header")))
        until = str(int(SystemClock().now().timestamp()) + 3600)
        token = {"access_token": "fresh", "expires_on": until, "token_type": "Bearer"}
        return web.json_response({**token, "resource": request.query["resource"]})

    app = web.Application()
    app.router.add_get("/token", give)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/token", asked
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("base_url", "resource"),
    [
        ("https://bread.openai.azure.com", "https://cognitiveservices.azure.com"),
        ("https://bread.openai.azure.us", "https://cognitiveservices.azure.us"),
        ("https://gateway.example.org", "https://cognitiveservices.azure.com"),
    ],
)
async def test_identity_that_the_chain_finds(
    monkeypatch: pytest.MonkeyPatch, base_url: str, resource: str
) -> None:
    """Who gives the machine an identity, as Azure's documents say, would not be understood."""
    async with identities() as (address, asked):
        monkeypatch.setenv("IDENTITY_ENDPOINT", address)
        monkeypatch.setenv("IDENTITY_HEADER", "known")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        assert await shown(token_from_chain(base_url)) == "Bearer fresh"
    query, header = asked[0]
    assert (query["resource"], header) == (resource, "known")
