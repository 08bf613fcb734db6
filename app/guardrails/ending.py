"""The end of an answer: detectors look at its texts as a whole."""

import asyncio
from collections.abc import Iterable, Sequence

from app.domain.protocols import Outside
from app.guardrails.answer import Text
from app.guardrails.channel import Channel
from app.guardrails.cut import Halt
from app.guardrails.decide import Stop, first_stop
from app.guardrails.evaluate import LONG
from app.guardrails.passage import Passage
from app.guardrails.seen import ask_all, in_original


def first_halt(texts: Sequence[Text], *, at_exit: bool = False) -> tuple[Halt, Text] | None:
    """The text that has to stop, and where; policy's decisions come before outages.

    Args:
        texts: That have ended.
        at_exit: Look at what leaves, with its values, not at what the model wrote.
    """
    halts: dict[Stop, tuple[Halt, Text]] = {}
    for text in texts:
        channel = text.exit if at_exit else text.channel
        halt = None if channel is None else channel.would_halt()
        if halt is not None:
            halts[halt.stop] = (halt, text)
    first = first_stop(halts)
    return None if first is None else halts[first]


async def end_all(channels: Iterable[Channel | None]) -> None:
    """Let local detectors look at texts as a whole; at long ones in a thread."""
    for channel in channels:
        if channel is not None:
            if len(channel.text) > LONG:
                await asyncio.to_thread(channel.end)
            else:
                channel.end()


async def close_all(texts: Sequence[Text]) -> None:
    """Put values back in what is left of texts; in long ones in a thread."""
    for text in texts:
        if len(text.channel.text) > LONG:
            await asyncio.to_thread(text.close)
        else:
            text.close()


async def ask(texts: Sequence[Text], outside: Outside | None) -> set[str]:
    """Wait for the detectors that take long: first those here, then those outside.

    Those here are shown the text as it came, those outside what would be passed on, with its
    pseudonyms. Where a text has to stop, only that one is looked at. Gives the paths that were.
    """
    asked: set[str] = set()
    if not any(text.channel.plan.awaited for text in texts):
        return asked
    halted = first_halt(texts)
    channels = [text.channel for text in ([halted[1]] if halted is not None else texts)]
    for plan in {id(channel.plan): channel.plan for channel in channels}.values():
        if not plan.awaited:
            continue
        here = {channel.path: channel for channel in channels if channel.plan is plan}
        asked.update(here)
        whole = {path: channel.passage() for path, channel in here.items()}
        for path, seen in (await ask_all(plan.slow, whole)).items():
            here[path].add(seen)
        passing = {path: channel.passing() for path, channel in here.items()}
        rewritten = {
            path: Passage(text.text, context=here[path].context) for path, text in passing.items()
        }
        for path, seen in (await ask_all(plan.remote, rewritten, outside)).items():
            here[path].add(in_original(seen, passing[path]))
    return asked
