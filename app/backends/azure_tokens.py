"""Access tokens of Microsoft Entra ID. Needs the extra ``banneton[azure]``."""

import asyncio
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential, get_bearer_token_provider

from app.backends.http import Authorize
from app.backends.openai import bearer
from app.domain.errors import BackendError, BackendProblem

_CLOUDS = {".azure.us": "azure.us", ".azure.cn": "azure.cn"}
"""Clouds of their own, by the ends of hosts."""
_ASK_AGAIN_S = 60.0
_COUNTS_S = 240.0
"""Azure's own package gives a token that counts for five minutes at the least."""


def token_from_chain(base_url: str) -> Authorize:
    """Requests carry a token of what Azure's own chain finds: environment, workload, machine.

    Args:
        base_url: Of the resource, which says in which of Azure's clouds it is.
    """
    host = urlsplit(base_url).hostname or ""
    cloud = next((name for end, name in _CLOUDS.items() if host.endswith(end)), "azure.com")
    scope = f"https://cognitiveservices.{cloud}/.default"
    return token_of(get_bearer_token_provider(DefaultAzureCredential(), scope))


def token_of(
    give: Callable[[], str], *, ask_again_s: float = _ASK_AGAIN_S, counts_s: float = _COUNTS_S
) -> Authorize:
    """Requests carry the token that is given, as it was at most so many seconds ago.

    Args:
        give: Remembers tokens, and renews them some minutes before their end.
        ask_again_s: How long one is used before it is asked for again.
        counts_s: How long one counts that was given, where there is no other to be had.
    """
    lock = asyncio.Lock()
    token, given_s, asked_s = "", float("-inf"), float("-inf")

    async def authorize(url: str, body: bytes) -> Mapping[str, str]:
        del url, body
        nonlocal token, given_s, asked_s
        loop = asyncio.get_running_loop()
        if loop.time() - asked_s >= ask_again_s:
            # One asks for all: a hundred requests would else renew it a hundred times.
            async with lock:
                if loop.time() - asked_s >= ask_again_s:
                    if fresh := await _given(give):
                        token, given_s = fresh, loop.time()
                    asked_s = given_s
        if loop.time() - given_s > counts_s:
            what = "the gateway's Entra ID credentials give no token"
            raise BackendError(BackendProblem.UNAUTHORIZED, what)
        return bearer(token)

    return authorize


async def _given(give: Callable[[], str]) -> str | None:
    try:
        # It asks the network, and blocks while it does.
        return await asyncio.to_thread(give)
    except (AzureError, OSError, ValueError):
        # What is raised can show the account and the answer.
        return None
