"""Access tokens are renewed before they expire, by one for all, and off the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.credentials import Credentials
from google.auth.exceptions import RefreshError
from typing_extensions import override

from app.backends.google_tokens import token_from_chain, token_of
from app.backends.http import Authorize
from app.backends.token_file import token_from_file
from app.domain.errors import BackendError, BackendProblem
from app.main import SystemClock

Json = Any


class Account(Credentials):
    """Credentials whose tokens count, and last as long as a test says."""

    def __init__(self, *lifetimes_s: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # not typed there
        self.renewed = 0
        self.threads: set[int] = set()
        self.opened = threading.Event()
        self.opened.set()
        self._lifetimes_s = [*lifetimes_s]

    @override
    def refresh(self, request: object) -> None:
        del request
        self.opened.wait(10)
        self.threads.add(threading.get_ident())
        if not self._lifetimes_s:
            raise RefreshError("very-secret")  # type: ignore[no-untyped-call]  # not typed there
        self.renewed += 1
        now = SystemClock().now().replace(tzinfo=None)
        self.token = f"token-{self.renewed}"
        self.expiry = now + timedelta(seconds=self._lifetimes_s.pop(0))


async def shown(authorize: Authorize) -> str:
    """The header that a request carries."""
    return (await authorize("https://example.org/", b"{}"))["authorization"]


async def test_one_token_serves_many_requests() -> None:
    """Each request would ask for a token of its own, and all the others wait for that."""
    account = Account(3600, 3600)
    authorize = token_of(account)
    account.opened.clear()
    asked = [asyncio.ensure_future(shown(authorize)) for _ in range(20)]
    await asyncio.sleep(0)
    account.opened.set()
    seen = await asyncio.gather(*asked)
    assert set(seen) == {"Bearer token-1"}
    assert account.renewed == 1
    assert threading.get_ident() not in account.threads


async def test_token_is_renewed_before_its_end() -> None:
    """A request that takes some minutes would end with a token that does not count."""
    account = Account(60, 3600)
    authorize = token_of(account)
    assert [await shown(authorize) for _ in range(3)] == [
        "Bearer token-1",
        "Bearer token-2",
        "Bearer token-2",
    ]


async def test_old_token_serves_while_it_counts() -> None:
    """An outage of a minute at the accounts' side would become one of the gateway."""
    authorize = token_of(Account(60))
    assert [await shown(authorize) for _ in range(2)] == ["Bearer token-1"] * 2


@pytest.mark.parametrize("lifetimes_s", [(), (0,)])
async def test_no_token_is_an_error_of_the_provider(lifetimes_s: tuple[float, ...]) -> None:
    """The gateway would fail without a word, ask without a token, or show the account."""
    authorize = token_of(Account(*lifetimes_s))
    if lifetimes_s:
        await shown(authorize)
    with pytest.raises(BackendError) as caught:
        await shown(authorize)
    assert caught.value.problem is BackendProblem.UNAUTHORIZED
    assert "very-secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@asynccontextmanager
async def accounts() -> AsyncIterator[tuple[str, list[Json]]]:
    """A server that gives tokens for what a service account has signed."""
    asked: list[Json] = []

    async def give(request: web.Request) -> web.Response:
        asked.append(dict(await request.post()))
        token = {"access_token": "fresh", "expires_in": 3600, "token_type": "Bearer"}
        return web.json_response(token)

    app = web.Application()
    app.router.add_post("/token", give)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/token", asked
    finally:
        await runner.cleanup()


async def test_account_that_the_chain_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who names a file of a service account, as Google's documents say, would not be understood."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path / "account.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(ValueError, match="no Google credentials were found"):
        token_from_chain()
    async with accounts() as (address, asked):
        account = {
            "type": "service_account",
            "project_id": "bread",
            "private_key_id": "1",
            "private_key": key.decode(),
            "client_email": "gateway@bread.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": address,
        }
        path.write_bytes(orjson.dumps(account))
        assert await shown(token_from_chain()) == "Bearer fresh"
    assert "jwt-bearer" in asked[0]["grant_type"]


async def test_token_of_a_file(tmp_path: Path) -> None:
    """A token that something else renews would be read once and then expire."""
    path = tmp_path / "token"
    path.write_text("one\n")
    patient, eager = token_from_file(path), token_from_file(path, read_again_s=0)
    assert [await shown(patient), await shown(eager)] == ["Bearer one"] * 2
    path.write_text("two\n")
    assert [await shown(patient), await shown(eager)] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("content", [None, b"", b" \n", b"a\nb", "ä".encode()])
async def test_file_without_a_token(tmp_path: Path, content: bytes | None) -> None:
    """A request would go out without a token, or with another header in it."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BackendError) as caught:
        await shown(token_from_file(path))
    assert caught.value.problem is BackendProblem.UNAUTHORIZED
