"""Access tokens of Google Cloud. Needs the extra ``banneton[vertex]``."""

import asyncio
from collections.abc import Mapping

import google.auth
from google.auth.credentials import Credentials, TokenState
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.auth.transport.requests import Request

from app.backends.http import Authorize
from app.domain.errors import BackendError, BackendProblem

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def token_from_chain() -> Authorize:
    """Requests carry a token of what Google's own chain finds: a file, a login, the machine.

    Raises:
        ValueError: It finds nothing that can be used.
    """
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except DefaultCredentialsError:
        raise ValueError(
            "no Google credentials were found: set GOOGLE_APPLICATION_CREDENTIALS to a file of "
            "them, give the machine an account, or name a token_file"
        ) from None
    return token_of(credentials)


def token_of(credentials: Credentials) -> Authorize:
    """Requests carry a token of these credentials, which is renewed some minutes before its end."""
    lock = asyncio.Lock()

    async def authorize(url: str, body: bytes) -> Mapping[str, str]:
        del url, body
        if credentials.token_state is not TokenState.FRESH:
            # One asks for all: a hundred requests would else renew it a hundred times.
            async with lock:
                await _renew(credentials)
        payer = credentials.quota_project_id
        return {
            "authorization": f"Bearer {credentials.token}",
            **({} if payer is None else {"x-goog-user-project": payer}),
        }

    return authorize


async def _renew(credentials: Credentials) -> None:
    if credentials.token_state is TokenState.FRESH:
        return
    try:
        # It asks the network, and blocks while it does.
        await asyncio.to_thread(credentials.refresh, Request())
    except (GoogleAuthError, OSError):
        # What is raised can show the account and the answer. A token that is stale still counts.
        if credentials.token_state is TokenState.INVALID:
            raise BackendError(
                BackendProblem.UNAUTHORIZED, "the gateway's Google credentials could not be renewed"
            ) from None
