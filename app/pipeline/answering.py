"""The model's answer as policy and behaviours let it through, in as many attempts as it takes."""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace

from app.domain.conversation import Conversation
from app.domain.decision import Decision, Outcome, StageTrace, Trace
from app.domain.events import Finish, FinishReason, StreamEvent
from app.domain.persona import Behaviour
from app.domain.policy import Stage
from app.domain.protocols import Outside
from app.guardrails.aside import done
from app.guardrails.context import Context
from app.guardrails.release import OutputGuard
from app.pipeline.conduct import Measuring, asked_again


class Answering:
    """One answer. Where behaviours could stop it or have it made again, nothing leaves before that.

    Streaming or not, first attempt or later one, these are the same lines.
    """

    def __init__(
        self,
        new_guard: Callable[[], OutputGuard],
        ask: Callable[[Conversation], AsyncGenerator[StreamEvent, None]],
        measuring: Measuring,
    ) -> None:
        """Hold what every attempt needs.

        Args:
            new_guard: Makes a guard for one attempt.
            ask: Gives the model's events but for usage.
            measuring: Measures behaviours.
        """
        self.stop: Outcome | None = None
        """Why nothing more of the answer leaves."""
        self.finish: FinishReason | None = None
        self._new_guard = new_guard
        self._ask = ask
        self._measuring = measuring
        self._guard = new_guard()
        self._earlier: list[tuple[StageTrace, Decision]] = []
        self._attempts = 0
        self._held: list[StreamEvent] = []
        self._ends: list[Finish] = []
        self._appends = ""
        self._is_dropped = False

    async def run(
        self, asked: Conversation, context: Context, outside: Outside
    ) -> AsyncGenerator[StreamEvent, None]:
        """What leaves of the answer; where it stops, ``stop`` says so and no ``Finish`` comes.

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
            retries = await self._measure(context, outside)
            if not retries:
                break
            again = asked_again(asked, retries)
            await self._begin_again()
        for event in self._rest():
            yield event

    async def _attempt(self, asked: Conversation) -> AsyncGenerator[StreamEvent, None]:
        """What may leave of one attempt before it has been measured; the rest is held."""
        self._is_dropped = self._measuring.holds
        async with aclosing(self._ask(asked)) as stream:
            async for event in stream:
                if isinstance(event, Finish):
                    self.finish = event.reason
                    released = await self._guard.finish(event)
                else:
                    released = await self._guard.take(event)
                for out in released:
                    if isinstance(out, Finish):
                        self._ends.append(out)
                    elif self._measuring.holds:
                        self._held.append(out)
                    else:
                        yield out
                if self._guard.stop is not None:
                    return

    async def _measure(self, context: Context, outside: Outside) -> Sequence[Behaviour]:
        """What the model has to be told before it answers again; nothing where it is not."""
        if self._guard.stop is not None:
            self.stop = self._guard.stop.outcome
            return ()
        if not self._measuring.measures:
            return ()
        texts = {number: choice.answer for number, choice in self._guard.choices.items()}
        of_answer = replace(context, stage=Stage.OUTPUT)
        resolved = await self._measuring.measure(texts, of_answer, outside)
        self.stop = resolved.stop
        self._appends = "".join(resolved.appends)
        return resolved.retries

    def _rest(self) -> Iterator[StreamEvent]:
        """What was held, and the ends of the choices.

        Nothing of an answer that stopped, also where policy stopped it: the part before that was
        to be measured and was not.
        """
        if self.stop is not None:
            return
        self._is_dropped = False
        yield from self._held
        for end in self._ends:
            yield from self._guard.choices[end.choice].append(self._appends)
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
        return () if self._is_dropped else self._guard.content

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
        self._guard = await done(self._new_guard, aside=True)
