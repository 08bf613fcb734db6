"""Work that would keep the event loop from others is done beside it, in threads.

Threads share Python's lock, so this makes nothing faster: it lets the loop have its turn in between
(``banneton serve`` says how often). Two threads are enough for that, and more of them would only
make the loop wait for more turns of others; the second one is there so that a short piece of work
need not wait until a long one is done.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import TypeVar

LONG = 3_000
"""More effort than this is not made on the loop. One is what a look at a code point of English
prose costs, about a third of a microsecond."""

_DIGIT = 60
"""For each digit on top: a telephone number may take a millisecond."""
_OTHER_SCRIPTS = 3
"""Times as much: such texts are folded too, and a letter may be a digit in disguise."""
_TEXT = 300
"""For each text, however short."""
_STEP = 30
"""For each piece of work, however little."""
_DIGITS = b"0123456789"

T = TypeVar("T")


def effort(text: str) -> int:
    """About how much work a look at a text is, never far too little."""
    letters = len(text) if text.isascii() else _OTHER_SCRIPTS * len(text)
    if letters > LONG:
        return letters
    without = text.encode("ascii", "replace").translate(None, _DIGITS)
    return letters + _DIGIT * (len(text) - len(without))


def is_long(texts: Iterable[str]) -> bool:
    """Whether a look at these texts has no place on the loop."""
    left = LONG
    for text in texts:
        left -= _TEXT + effort(text)
        if left < 0:
            return True
    return False


async def done(work: Callable[[], T], *, aside: bool) -> T:
    """What the work gives, done here and now or beside the loop.

    Whoever is cancelled meanwhile waits until it is done all the same, unless it has not begun:
    what the work changes is still the caller's, who must not go on while a thread changes it.
    """
    if not aside:
        return work()
    job = _threads().submit(work)
    waiting = asyncio.wrap_future(job)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        if not job.cancel():
            while not waiting.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([waiting])
        raise


class Pace:
    """Does one piece of work after the other, and gives others on the loop their turn in between.

    What follows in one go is no more than what one piece may be.
    """

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = LONG

    def is_over(self, effort: int) -> bool:
        """Whether others are to have their turn before so much more is done; else it counts."""
        self._left -= _STEP + effort
        if self._left >= 0:
            return False
        self._left = LONG
        return True

    async def done(self, work: Callable[[], T], effort: int) -> T:
        """What the work gives; ``effort`` is about how much it is."""
        if effort > LONG:
            self._left = LONG
            return await done(work, aside=True)
        if self.is_over(effort):
            await asyncio.sleep(0)
        return work()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="aside")
