"""The release gate: the model's events go in, and what is safe comes out.

Every text of every choice is a channel of its own: the answer, the model's refusal, its reasoning
block by block, the name and the arguments of each tool call, the texts of annotations. Where one of
them has to stop, none of its choice gives anything more; other choices go on.

Reasoning that a provider signed is passed on as it was or not at all, because whoever checks the
signature would refuse anything else. Whether a block is signed is known when it ends: with its
signature, or where the choice goes on to something else. So where a rule could change reasoning,
each block is held until then.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import assert_never

from app.domain.decision import Decision, Outcome, Trace
from app.domain.errors import DetectorError
from app.domain.events import (
    Annotation,
    Embedding,
    Finish,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    TokenDelta,
    ToolCallDelta,
    Usage,
)
from app.domain.policy import MediaBounds, Stage
from app.domain.protocols import Outside
from app.guardrails.answer import Choice, Delta, Text
from app.guardrails.aside import Pace, done, is_long
from app.guardrails.context import NO_CONTEXT, Context
from app.guardrails.decide import Stop, decision, outcome_of, rulings
from app.guardrails.ending import ask, first_halt, stage_traces
from app.guardrails.images import Images
from app.guardrails.known import KnownPseudonyms
from app.guardrails.opener import Opener
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter
from app.guardrails.tokens import Tokens


class OutputGuard:
    """Guards one answer. Let it take every event; at each choice's end await ``finish``."""

    def __init__(  # noqa: PLR0913  # what guarding an answer depends on, and nothing else
        self,
        plan: PolicyPlan,
        audience: str,
        *,
        minter: Minter,
        now: datetime,
        steers: Sequence[str] = (),
        context: Context = NO_CONTEXT,
        outside: Outside | None = None,
        draw: float = 0.0,
        images: MediaBounds | None = None,
    ) -> None:
        """Begin an answer.

        Args:
            plan: Of the persona's policy.
            audience: Under which the request is served.
            minter: Holds what the client's texts were given pseudonyms for. Those are restored;
                what the model brings up by itself and a rule gives a pseudonym keeps that.
            now: Decides which waivers hold, for the whole answer.
            steers: What the input's rules add at the end of the answer.
            context: What the answer belongs to.
            outside: What detectors ask outside through; without it those are unchecked.
            draw: Decides which rules act that act for a share of traffic; 0 makes all of them act.
            images: Which may leave.
        """
        self.stops: dict[int, Stop] = {}
        """Why each choice stopped that did."""
        self._plans = {
            stage: plan.at(stage, audience, now, draw) for stage in (Stage.OUTPUT, Stage.TOOL_CALL)
        }
        self._known = KnownPseudonyms(minter.known)
        self._opener = Opener(self._plans, plan.policy.restore, self._known, minter.name, context)
        self._steers = tuple(steers)
        self._outside = outside
        self._draw = draw
        self._pace = Pace()
        self.choices: dict[int, Choice] = {}
        self._asked: set[str] = set()
        self._images = Images(images)
        output = self._plans[Stage.OUTPUT]
        self._holds_reasoning = bool(
            output.span_shapes or output.sentence_runs or output.holds_all or self._known
        )

    async def take(self, event: StreamEvent) -> list[StreamEvent]:
        """As ``feed``, beside the event loop where that would keep others from it."""
        if isinstance(event, (Usage, Finish, ImageDelta, Embedding)):
            return self.feed(event)
        choice = self.choices.get(event.choice) or Choice(event.choice)
        return await self._pace.done(partial(self.feed, event), choice.effort(event))

    def feed(self, event: StreamEvent) -> list[StreamEvent]:
        """Take an event; give those that may leave now.

        Of a choice that has stopped nothing comes any more.

        Raises:
            ImageRefusedError: An image that policy does not let out.
        """
        if isinstance(event, Usage | Embedding):  # numbers: there is nothing to read
            return [event]
        if isinstance(event, Finish):
            raise TypeError("await finish() at the end of a choice")
        if self.stops and event.choice in self.stops:
            return []
        choice = self._choice(event.choice)
        if choice.has_finished:
            raise DetectorError("an event came after the end of its choice")
        if choice.block is None or isinstance(event, ReasoningDelta):
            return self._take(choice, event)
        events = self._end_block(choice)
        return events if choice.number in self.stops else events + self._take(choice, event)

    def _take(self, choice: Choice, event: Delta | Annotation | ImageDelta) -> list[StreamEvent]:
        match event:
            case TextDelta():
                text = choice.texts.get("text")
                if text is None:
                    text = self._open(choice, "text", TextDelta("", event.choice))
                    text.tokens = Tokens() if isinstance(event, TokenDelta) else None
                if text.tokens is not None:
                    text.tokens.read(event)
                return self._more(choice, text, event.text)
            case RefusalDelta():
                like = RefusalDelta("", event.choice)
                return self._more(choice, self._open(choice, "refusal", like), event.text)
            case ReasoningDelta():
                return self._reasoning(choice, event)
            case ToolCallDelta():
                return self._tool_call(choice, event)
            case Annotation():
                return self._annotation(choice, event)
            case ImageDelta():
                return self._image(choice, event)
            case _:
                assert_never(event)

    async def finish(self, event: Finish) -> list[StreamEvent]:
        """End a choice: run what judges it whole, and give what is left, ``event`` last.

        Where a rule stops the choice, ``stops`` says so, and ``event`` is not given.
        """
        choice = self._choice(event.choice)
        if choice.number in self.stops or choice.has_finished:
            return []
        aside = is_long(text.channel.text for text in choice.texts.values())
        events, texts = await done(partial(self._end, choice), aside=aside)
        self._asked.update(await ask(texts, self._outside, aside=aside))
        return events + await done(partial(self._last, choice, texts, event), aside=aside)

    async def conclude(self) -> tuple[Trace, tuple[Decision, ...]]:
        """The trace, also where the answer did not come to its end, and what policy makes of it.

        Call it in any case.
        """
        open_ = [choice for choice in self.choices.values() if not choice.has_finished]
        aside = is_long(text.channel.text for choice in open_ for text in choice.texts.values())
        return await done(self._conclude, aside=aside)

    @property
    def trace(self) -> Trace:
        """What detectors said of the answer as far as it came."""
        texts = [text for choice in self.choices.values() for text in choice.texts.values()]
        return tuple(stage_traces(self._plans, texts, self._asked, self._draw))

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What policy makes of the trace."""
        return self._decisions(self.trace)

    @property
    def outcome(self) -> Outcome:
        """The severest thing that policy did about the answer."""
        return outcome_of(self.decisions)

    @property
    def content(self) -> tuple[tuple[str, str], ...]:
        """Path and text of all that was released, before pseudonyms were restored.

        Of an image, what it is and a digest: the gateway keeps none.
        """
        return tuple(said for choice in self.choices.values() for said in choice.content())

    def _end(self, choice: Choice) -> tuple[list[StreamEvent], list[Text]]:
        """Let detectors that answer at once look at the texts of a choice as a whole."""
        events = self._end_block(choice)
        choice.has_finished = True
        self._open_arguments(choice)
        texts = list(choice.texts.values())
        for text in texts:
            text.channel.end()
        return events, texts

    def _last(self, choice: Choice, texts: Sequence[Text], event: Finish) -> list[StreamEvent]:
        """What is left of a choice once all have looked."""
        events = self._leave(choice, texts)
        if choice.number not in self.stops:
            events += [*choice.untold(), *self._steered(choice), event]
        for text in texts:
            text.conclude()
        return events

    def _conclude(self) -> tuple[Trace, tuple[Decision, ...]]:
        for text in [text for choice in self.choices.values() for text in choice.texts.values()]:
            text.conclude()
        trace = self.trace
        return trace, self._decisions(trace)

    def _decisions(self, trace: Trace) -> tuple[Decision, ...]:
        return tuple(decision(each, rulings(self._plans[each.stage], each)) for each in trace)

    def _choice(self, number: int) -> Choice:
        choice = self.choices.get(number)
        if choice is None:
            choice = self.choices[number] = Choice(number)
        return choice

    def _open(self, choice: Choice, of: str, like: Delta | None, *, is_held: bool = False) -> Text:
        """The text of that name, begun where there is none yet."""
        text = choice.texts.get(of)
        if text is None:
            text = choice.texts[of] = self._opener.text(choice, of, like, is_held=is_held)
        return text

    def _more(self, choice: Choice, text: Text, more: str) -> list[StreamEvent]:
        """More of a text that is released as it becomes certain."""
        released = text.channel.feed(more)
        if not released and text.channel.halt is None and not text.images:
            return []
        shown = text.more(released)
        if text.halt is None:
            return text.events(shown)
        if text.channel.halt is not None:
            text.close()
            if text.exit is not None:
                text.exit.end()
            shown += text.rest()
        self.stops[choice.number] = text.halt.stop
        return text.events(shown)

    def _opaque(self, choice: Choice, event: ReasoningDelta) -> list[StreamEvent]:
        """What shows nothing, or comes late for a block: it leaves as it is, in its turn."""
        events = self._end_block(choice)
        if choice.number in self.stops:
            return events
        if not self._plans[Stage.OUTPUT].holds_all:
            return [*events, event] if choice.takes(event) else events
        block = self._open(choice, f"reasoning[{choice.blocks}]", event, is_held=True)
        block.signed = event.signed
        choice.blocks += 1
        return events

    def _reasoning(self, choice: Choice, event: ReasoningDelta) -> list[StreamEvent]:
        is_late = choice.block is None and event.signed is not None and not event.text
        if event.is_redacted or is_late:
            return self._opaque(choice, event)
        if choice.block is None:
            choice.block = self._open(
                choice,
                f"reasoning[{choice.blocks}]",
                ReasoningDelta("", choice.number),
                is_held=self._holds_reasoning,
            )
            choice.blocks += 1
        if self._holds_reasoning:
            choice.block.channel.feed(event.text)
            choice.block.signed = event.signed
            return [] if event.signed is None else self._end_block(choice)
        events = self._more(choice, choice.block, event.text)
        if event.signed is None:
            return events
        choice.block = None
        return [*events, ReasoningDelta("", choice.number, event.signed)]

    def _end_block(self, choice: Choice) -> list[StreamEvent]:
        """The block of reasoning is whole: look at it, and give it unless that has to wait."""
        block, choice.block = choice.block, None
        if block is None or not self._holds_reasoning or self._plans[Stage.OUTPUT].holds_all:
            return []
        block.channel.end()
        return self._out(choice, block)

    def _tool_call(self, choice: Choice, event: ToolCallDelta) -> list[StreamEvent]:
        call = f"tool_calls[{event.index}]"
        holds = self._plans[Stage.TOOL_CALL].holds_all
        events: list[StreamEvent] = []
        if event.name is not None:
            opening = replace(event, arguments="", name="")
            name = self._open(choice, f"{call}.name", opening, is_held=True)
            name.channel.feed(event.name)
            if not holds:
                name.channel.end()
                events += self._out(choice, name)
        if choice.number in self.stops:
            return events
        if not (event.arguments or (event.signed and event.name is None)):
            return events
        like = ToolCallDelta(event.index, choice=choice.number)
        arguments = self._open(choice, f"{call}.arguments", like)
        events += self._more(choice, arguments, event.arguments)
        if event.signed is not None and event.name is None:
            if holds:
                arguments.signed = event.signed
            else:
                events.append(replace(like, signed=event.signed))
        return events

    def _open_arguments(self, choice: Choice) -> None:
        """A call without arguments gives none, and rules may want some."""
        for of in [of for of in choice.texts if of.endswith("].name")]:
            name = choice.texts[of]
            if isinstance(name.like, ToolCallDelta):
                like = ToolCallDelta(name.like.index, choice=choice.number)
                self._open(choice, f"tool_calls[{like.index}].arguments", like)

    def _annotation(self, choice: Choice, event: Annotation) -> list[StreamEvent]:
        """Held to the end, when the places in the text that it names are known."""
        number = len(choice.annotations)
        choice.annotations.append(event)
        for of, text in (("url", event.url), ("title", event.title)):
            held = self._open(choice, f"annotations[{number}].{of}", None, is_held=True)
            held.channel.feed(text)
        return []

    def _image(self, choice: Choice, event: ImageDelta) -> list[StreamEvent]:
        """Leaves as a code point would that stands at its place in the text."""
        self._images.admit(event)
        text = self._open(choice, "text", TextDelta("", choice.number))
        text.images.append((text.channel.length, event))
        return [] if text.channel.holds else text.events("")

    def _leave(self, choice: Choice, texts: Sequence[Text]) -> list[StreamEvent]:
        """What is left of a choice that has ended; where one text stops, only that one's."""
        halted = first_halt(texts)
        if halted is not None:
            texts = [halted[1]]
        for text in texts:
            text.close()
            if text.exit is not None:
                text.exit.end()
        halted = first_halt(texts, at_exit=True) or halted
        if halted is not None:
            texts = [halted[1]]
        events = [event for text in texts for event in self._out(choice, text)]
        if choice.number not in self.stops:
            events += choice.annotated()
        return events

    def _out(self, choice: Choice, text: Text) -> list[StreamEvent]:
        """What is left of one text that has ended."""
        text.close()
        if text.exit is not None:
            text.exit.end()
        shown = text.rest()
        if text.halt is not None:
            self.stops[choice.number] = text.halt.stop
        if isinstance(text.like, ReasoningDelta):
            return self._reasoning_out(choice, text, text.like, shown)
        events = text.events(shown)
        if isinstance(text.like, ToolCallDelta) and text.signed is not None and text.halt is None:
            events.append(replace(text.like, signed=text.signed))
        return events

    def _reasoning_out(
        self, choice: Choice, block: Text, like: ReasoningDelta, shown: str
    ) -> list[StreamEvent]:
        if like.signed is not None:
            return [like] if choice.takes(like) else []
        choice.is_block_intact = shown == block.channel.text
        if block.signed is None:
            return block.events(shown)
        if not choice.is_block_intact:
            block.is_withheld = True
            return []
        return [replace(like, text=shown, signed=block.signed)]

    def _steered(self, choice: Choice) -> list[StreamEvent]:
        """What rules add at the end of the answer's text, each once."""
        text = choice.texts.get("text")
        if text is None or not text.channel.text:
            return []
        wanted = {append for other in choice.texts.values() for append in other.steers()}
        rules = [rule for plan in self._plans.values() for rule in plan.rules]
        listed = [*self._steers, *(rule.append for rule in rules if rule.append in wanted)]
        return choice.append("".join(dict.fromkeys(listed)))
