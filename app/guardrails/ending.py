"""The end of an answer: detectors look at its texts as a whole, and what they said is told."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

from app.domain.decision import DetectorRef, StageTrace
from app.domain.policy import Stage
from app.domain.protocols import Outside
from app.guardrails.answer import Text
from app.guardrails.aside import done
from app.guardrails.channel import Channel
from app.guardrails.cut import Halt
from app.guardrails.decide import Stop, first_stop
from app.guardrails.known import PSEUDONYM
from app.guardrails.matches import in_order
from app.guardrails.passage import Passage
from app.guardrails.rewrite import Rewritten
from app.guardrails.seen import Seen, ask_all, in_original
from app.guardrails.stage_plan import StagePlan


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


async def ask(texts: Sequence[Text], outside: Outside | None, *, aside: bool) -> set[str]:
    """Wait for the detectors that take long: first those here, then those outside.

    Those here are shown the text as it came, those outside what would be passed on, with its
    pseudonyms. Where a text has to stop, only that one is looked at. Gives the paths that were.
    ``aside`` says where the rest of the work is done.
    """
    asked: set[str] = set()
    if not any(text.channel.plan.awaited for text in texts):
        return asked
    halted = await done(partial(first_halt, texts), aside=aside)
    channels = [text.channel for text in ([halted[1]] if halted is not None else texts)]
    for plan in {id(channel.plan): channel.plan for channel in channels}.values():
        if not plan.awaited:
            continue
        here = {channel.path: channel for channel in channels if channel.plan is plan}
        asked.update(here)
        whole = {path: channel.passage() for path, channel in here.items()}
        said = await ask_all(plan.slow, whole)
        await done(partial(_add, here, said), aside=aside)
        if plan.remote:
            passing = await done(partial(_passing, here), aside=aside)
            passages = {
                path: Passage(text.text, context=here[path].context)
                for path, text in passing.items()
            }
            said = await ask_all(plan.remote, passages, outside)
            said = {path: in_original(seen, passing[path]) for path, seen in said.items()}
            await done(partial(_add, here, said), aside=aside)
    return asked


def _add(channels: Mapping[str, Channel], said: Mapping[str, Seen]) -> None:
    for path, seen in said.items():
        channels[path].add(seen)


def _passing(channels: Mapping[str, Channel]) -> dict[str, Rewritten]:
    return {path: channel.passing() for path, channel in channels.items()}


def who_looked(
    plan: StagePlan, channels: Sequence[Channel], asked: Collection[str]
) -> tuple[DetectorRef, ...]:
    """Who looked at all that came; ``asked`` are the paths that were shown outside."""
    if not all(channel.has_ended for channel in channels):
        return tuple(run.ref for run in plan.span_runs + plan.sentence_runs)
    if all(channel.path in asked for channel in channels):
        return (*plan.ran, PSEUDONYM)
    return (*plan.ran_at_once, PSEUDONYM)


def stage_traces(
    plans: Mapping[Stage, StagePlan], texts: Sequence[Text], asked: Collection[str], draw: float
) -> Iterator[StageTrace]:
    """What was said of an answer's texts, by stage.

    Args:
        plans: By stage.
        texts: Of all choices.
        asked: The paths of those that were shown outside.
        draw: Of the answer.
    """
    for stage, plan in plans.items():
        here = [text for text in texts if text.channel.plan.stage is stage]
        if not here:
            continue
        seen = [text.seen for text in here]
        yield StageTrace(
            stage=stage,
            ran=who_looked(plan, [text.channel for text in here], asked),
            findings=tuple(finding for each in seen for finding in in_order(each.findings)),
            unchecked=tuple(run for each in seen for run in each.unchecked),
            draw=draw,
        )
