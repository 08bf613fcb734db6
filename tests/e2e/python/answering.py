"""The other end of ``tests.e2e.clients``: a line of JSON in, a line of JSON out."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

Json = Any
LOOKED = "a door"


class Reading(BaseModel):
    """What a product wants back."""

    clause: int
    reads: str


@dataclass(frozen=True)
class Given:
    """What a product would set."""

    url: str
    key: str
    model: str
    text: str
    retries: int
    wishes: dict[str, Json]


class Asker(Protocol):
    """A client, set on the gateway."""

    async def ask(self) -> Json:
        """A whole answer: its text, why it ended, tokens, and what it says about itself."""
        ...

    async def stream(self) -> Json:
        """The same in pieces."""
        ...

    async def tools(self) -> Json:
        """The text after the tool ``look`` ran, and what it was called with."""
        ...

    async def structured(self) -> Json:
        """A ``Reading``."""
        ...

    async def leave(self) -> None:
        """Go away after the first piece of a stream."""
        ...


def answer(askers: Mapping[str, Callable[[Given], Asker]]) -> None:
    """Do what each line says, until the input ends."""
    asyncio.run(_answer(askers))


async def _answer(askers: Mapping[str, Callable[[Given], Asker]]) -> None:
    # The loop goes on while a line is waited for, as a product's does: some connections close late.
    while line := await asyncio.to_thread(sys.stdin.readline):
        told = await _told(askers, json.loads(line))
        print(json.dumps(told), flush=True)  # noqa: T201  # what the test reads


async def _told(askers: Mapping[str, Callable[[Given], Asker]], line: Json) -> Json:
    does, make = line.pop("does"), askers[line.pop("client")]
    asker = make(Given(**line))
    try:
        return await getattr(asker, does)()
    except Exception as thrown:  # noqa: BLE001  # which one it is, the test looks at
        return {"error": _failure(thrown)}


def _failure(thrown: Exception) -> Json:
    """The error, and what it says of its cause."""
    body = getattr(thrown, "body", None) or {}
    inner = body.get("error", body) if isinstance(body, dict) else {}
    code = inner.get("code") or inner.get("details", {}).get("error_code")
    return {
        "kind": type(thrown).__name__,
        "status": getattr(thrown, "status_code", None),
        "code": code,
        "said": str(thrown),
    }
