"""An access token that something else keeps fresh in a file."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from app.backends.http import Authorize
from app.backends.openai import bearer
from app.domain.errors import BackendError, BackendProblem

_READ_AGAIN_S = 60.0
"""Tokens are renewed some minutes before they expire, at the least."""


def token_from_file(path: Path, *, read_again_s: float = _READ_AGAIN_S) -> Authorize:
    """Requests carry the token that the file holds, as it was at most so many seconds ago."""
    token = ""
    until = 0.0

    async def authorize(url: str, body: bytes) -> Mapping[str, str]:
        del url, body
        nonlocal token, until
        now = asyncio.get_running_loop().time()
        if not token or now >= until:
            token, until = await asyncio.to_thread(_read, path), now + read_again_s
        return bearer(token)

    return authorize


def _read(path: Path) -> str:
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token or not token.isprintable():
        raise BackendError(
            BackendProblem.UNAUTHORIZED, "the file of the gateway's access token holds none"
        )
    return token
