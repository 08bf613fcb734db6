"""The end of an answer: detectors look at its texts as a whole."""

import asyncio
from collections.abc import Sequence

from app.domain.protocols import Outside
from app.guardrails.answer import Text
from app.guardrails.cut import Halt
from app.guardrails.decide import first_stop
from app.guardrails.evaluate import LONG
from app.guardrails.passage import Passage
from app.guardrails.seen import ask_all, in_original
from app.guardrails.stage_plan import StagePlan


def first_halt(texts: Sequence[Text]) -> tuple[Halt, Text] | None:
    """The text that has to stop, and where; policy's decisions come before outages."""
    halts = {halt.stop: (halt, text) for text in texts if (halt := text.channel.would_halt())}
    first = first_stop(halts)
    return None if first is None else halts[first]


async def end_all(texts: Sequence[Text]) -> None:
    """Let local detectors look at texts as a whole; at long ones in a thread."""
    for text in texts:
        if len(text.channel.text) > LONG:
            await asyncio.to_thread(text.channel.end)
        else:
            text.channel.end()


async def ask(
    plans: Sequence[StagePlan], texts: Sequence[Text], outside: Outside | None
) -> set[str]:
    """Wait for the detectors that take long: first those here, then those outside.

    Those here are shown the text as it came, those outside what would be passed on. Where a text
    has to stop, only that one is looked at. Gives the paths that were.
    """
    asked: set[str] = set()
    plans = [plan for plan in plans if plan.awaited]
    if not plans:
        return asked
    halted = first_halt(texts)
    channels = [text.channel for text in ([halted[1]] if halted is not None else texts)]
    for plan in plans:
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
