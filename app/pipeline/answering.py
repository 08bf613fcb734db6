"""The model's answer as policy and behaviours let it through, in as many attempts as it takes.

Policy stops one choice of several and lets the others go on. Behaviours judge all choices together:
where one does not keep to a behaviour that blocks, none leaves; a retry asks for all of them again.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from app.domain.conversation import Conversation
from app.domain.decision import Decision, Outcome, StageTrace, Trace
from app.domain.events import Embedding, Finish, FinishReason, StreamEvent, Usage
from app.domain.policy import Stage
from app.domain.protocols import Outside
from app.guardrails.aside import done
from app.guardrails.behaviours import Resolved
from app.guardrails.context import Context
from app.guardrails.release import OutputGuard
from app.pipeline.conduct import Measuring, asked_again
from app.pipeline.holding import Holding


@dataclass(frozen=True, slots=True)
class Halted:
    """Nothing more of a choice leaves, and no ``Finish`` of it comes."""

    choice: int
    outcome: Outcome
    """``block``, ``escalate``, or ``unchecked`` where an outage decided."""


_WORSE = {
    FinishReason.STOP: 0,
    FinishReason.TOOL_CALLS: 1,
    FinishReason.LENGTH: 2,
    FinishReason.CONTENT_FILTER: 3,
}
"""Of several choices, which end is told of the whole answer: the one that was least wanted."""


class Answering:
    """One answer. Where behaviours could stop it or have it made again, nothing leaves before that.

    Streaming or not, first attempt or later one, these are the same lines.
    """

    def __init__(
        self,
        new_guard: Callable[[], OutputGuard],
        ask: Callable[[Conversation], AsyncGenerator[StreamEvent, None]],
        measuring: Measuring,
        holding: Holding,
    ) -> None:
        """Hold what every attempt needs.

        Args:
            new_guard: Makes a guard for one attempt.
            ask: Gives the model's events but for usage.
            measuring: Measures behaviours.
            holding: Notes how much is held back, and how long.
        """
        self.finish: FinishReason | None = None
        """Why the model ended."""
        self._new_guard = new_guard
        self._ask = ask
        self._measuring = measuring
        self._holding = holding
        self._guard = new_guard()
        self._earlier: list[tuple[StageTrace, Decision]] = []
        self._attempts = 0
        self._held: list[StreamEvent] = []
        self._ends: list[Finish] = []
        self._halts: dict[int, Outcome] = {}
        """Of the choices that were told to have halted."""
        self._is_dropped = False

    async def run(
        self, asked: Conversation, context: Context, outside: Outside
    ) -> AsyncGenerator[StreamEvent | Halted, None]:
        """What leaves of the answer: every choice ends with a ``Finish``, or is ``Halted``.

        Args:
            asked: As the model gets it.
            context: What the answer belongs to.
            outside: What behaviours' detectors ask through.
        """
        again = asked
        while True:
            async with aclosing(self._attempt(again)) as released:
                async for event in released:
                    yield event
            resolved = await self._measure(context, outside)
            if not resolved.retries:
                break
            again = asked_again(asked, resolved.retries)
            await self._begin_again()
        for event in self._rest(resolved, asked.sampling.choices):
            yield event

    async def _attempt(self, asked: Conversation) -> AsyncGenerator[StreamEvent | Halted, None]:
        """What may leave of one attempt before it has been measured; the rest is held."""
        self._is_dropped = self._measuring.holds
        stops = self._guard.stops
        async with aclosing(self._ask(asked)) as stream:
            async for event in stream:
                if isinstance(event, Finish):
                    so_far = self.finish or event.reason
                    self.finish = max(so_far, event.reason, key=_WORSE.__getitem__)
                    released = await self._guard.finish(event)
                else:
                    released = await self._guard.take(event)
                self._note(event)
                for out in released:
                    if isinstance(out, Finish):
                        self._ends.append(out)
                    elif self._measuring.holds:
                        self._held.append(out)
                    else:
                        yield out
                if stops:
                    if len(stops) + len(self._ends) >= asked.sampling.choices:
                        break
                    for halted in self._halted():
                        yield halted
        # Those that end the answer come when the model is no longer asked.
        for halted in self._halted():
            yield halted

    def _note(self, event: StreamEvent) -> None:
        """Note how much of the event's choice is held back."""
        if isinstance(event, Usage | Embedding):
            return
        choice = self._guard.choices.get(event.choice)
        if choice is not None and event.choice not in self._guard.stops:
            came, left = choice.extent()
            self._holding.saw(event.choice, came, 0 if self._measuring.holds else left)

    def _halted(self) -> Iterator[StreamEvent | Halted]:
        """What is not told yet of choices that policy stopped; not while all is held."""
        if not self._is_dropped:
            for number, stop in self._guard.stops.items():
                yield from self._halt(number, stop.outcome)

    def _halt(self, number: int, outcome: Outcome) -> Iterator[StreamEvent | Halted]:
        if number in self._halts:
            return
        self._halts[number] = outcome
        if not self._is_dropped:
            yield from self._guard.choices[number].untold()
        yield Halted(number, outcome)

    async def _measure(self, context: Context, outside: Outside) -> Resolved:
        """What follows for an attempt from the choices that policy has let pass."""
        if not self._measuring.measures:
            return Resolved(())
        texts = {
            number: choice.answer
            for number, choice in self._guard.choices.items()
            if number not in self._guard.stops
        }
        if not texts:
            return Resolved(())
        return await self._measuring.measure(texts, replace(context, stage=Stage.OUTPUT), outside)

    def _rest(self, resolved: Resolved, choices: int) -> Iterator[StreamEvent | Halted]:
        """What was held, and the ends of the choices.

        Nothing of a choice that stopped, also where policy stopped it: the part before that was to
        be measured and was not.
        """
        for number, stop in self._guard.stops.items():
            yield from self._halt(number, stop.outcome)
        if resolved.stop is not None:
            for number in range(choices):
                yield from self._halt(number, resolved.stop)
            return
        appends = "".join(resolved.appends)
        self._is_dropped = False
        for event in self._held:
            if isinstance(event, (Usage, Embedding)) or event.choice not in self._halts:
                yield event
        for end in self._ends:
            self._holding.all_left(end.choice)
            yield from self._guard.choices[end.choice].append(appends)
            yield end

    async def conclude(self) -> tuple[Trace, tuple[Decision, ...]]:
        """Complete the trace, and say what policy made of each part of it. Call it in any case."""
        trace, decisions = await self._guard.conclude()
        earlier = self._earlier
        return (
            (*(trace for trace, _ in earlier), *trace),
            (*(decision for _, decision in earlier), *decisions),
        )

    @property
    def content(self) -> tuple[tuple[str, str], ...]:
        """Path and text of all that left, before pseudonyms were restored."""
        if self._is_dropped:
            return ()
        left = [
            choice
            for number, choice in self._guard.choices.items()
            if not (self._measuring.holds and number in self._halts)
        ]
        return tuple(each for choice in left for each in choice.content())

    async def _begin_again(self) -> None:
        """Keep what was said of this attempt, and begin another."""
        prefix = f"attempts[{self._attempts}]."
        for trace, decision in zip(*await self._guard.conclude(), strict=True):
            moved = replace(
                trace,
                findings=tuple(replace(f, path=prefix + f.path) for f in trace.findings),
                unchecked=tuple(replace(r, path=prefix + r.path) for r in trace.unchecked),
            )
            self._earlier.append((moved, replace(decision, unchecked=moved.unchecked)))
        self._attempts += 1
        self._held, self._ends, self.finish = [], [], None
        self._holding.forget()
        self._guard = await done(self._new_guard, aside=True)
