"""The bare yardstick: an ASGI app that passes bytes on through aiohttp and looks at nothing."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp

Message = MutableMapping[str, Any]
UPSTREAM = os.getenv("UPSTREAM", "http://127.0.0.1:9001/v1") + "/chat/completions"
SESSIONS: list[aiohttp.ClientSession] = []


async def app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Pass one request on."""
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.shutdown":
                for session in SESSIONS:
                    await session.close()
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    if not SESSIONS:
        SESSIONS.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = {"content-type": "application/json"}
    async with SESSIONS[0].post(UPSTREAM, data=body, headers=headers) as answer:
        kind = answer.headers["content-type"].encode()
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(b"content-type", kind)],
            }
        )
        async for data in answer.content.iter_any():
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
