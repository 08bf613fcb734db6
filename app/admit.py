"""Part of ``main``: who is let in, put together from settings and the ledger's keys."""

from contextlib import AsyncExitStack
from ipaddress import ip_address

import aiohttp

from app.access.admission import Admission
from app.access.claims import ClaimReader, Expected
from app.access.key_set import KeySet, keys_from_file, keys_from_url
from app.access.keys import Authenticator
from app.domain.clock import Clock
from app.domain.errors import ContentError, Problem
from app.domain.protocols import KeyStore
from app.settings.admission import Access, Claims


async def admission_for(
    access: Access, store: KeyStore, clock: Clock, *, host: str, stack: AsyncExitStack
) -> Admission:
    """Who is let in.

    Args:
        access: What the deployment says.
        store: The ledger's keys.
        clock: For the age of keys and claims.
        host: Where the gateway listens; without keys it must be a loopback address.
        stack: Closes what is opened here.

    Raises:
        ContentError: There are no keys, and other machines could ask.
    """
    authenticator = Authenticator(store, clock)
    has_keys, is_local = await authenticator.has_keys(), is_loopback(host)
    if not has_keys and not is_local:
        what = f"would listen on {host} without a key; make one: banneton keys create --name NAME"
        raise ContentError([Problem("banneton.yaml", 0, 0, "server.host", what)])
    claims = None if access.claims is None else await _claims(access.claims, clock, stack)
    return Admission(authenticator, claims, is_open_without_keys=is_local)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def _claims(wanted: Claims, clock: Clock, stack: AsyncExitStack) -> ClaimReader:
    """Who reads signed claims."""
    if wanted.jwks_file is not None:
        fetch = keys_from_file(wanted.jwks_file)
    else:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        )
        fetch = keys_from_url(session, wanted.jwks_url or "")
    keys = KeySet(fetch, clock)
    await keys.refresh()
    expected = Expected(
        issuer=wanted.issuer,
        recipient=wanted.aud,
        audience=wanted.audience_claim,
        subject=wanted.subject_claim,
        tenant=wanted.tenant_claim,
        is_required=wanted.required,
    )
    return ClaimReader(expected, keys, clock)
