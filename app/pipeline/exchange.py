"""The order of the steps: guard in, compose, record, backend, guard out, record."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial

from app.backends.routing import Asker, Way, targets_for
from app.domain.catalog import Target
from app.domain.conduct import Measured
from app.domain.conversation import Conversation, Sampling, Segment
from app.domain.decision import Decision, Outcome, Trace, severest
from app.domain.errors import BackendError, ImageRefusedError
from app.domain.events import Finish, FinishReason, StreamEvent, Usage
from app.domain.policy import KeepContent
from app.domain.prompt import SystemPrompt
from app.domain.protocols import Original
from app.domain.record import Closing, Opening, Status, Timings
from app.guardrails.aside import done
from app.guardrails.context import Context
from app.guardrails.decide import outcome_of
from app.guardrails.evaluate import Inspection, inspect_segments
from app.guardrails.pseudonyms import Minter
from app.guardrails.release import OutputGuard
from app.guardrails.share import draw_of
from app.pipeline.answer import Closed, ExchangeEvent, Findings, Opened, Summary
from app.pipeline.answering import Answering, Halted
from app.pipeline.asked import estimate_tokens_of, with_prompt
from app.pipeline.beside import asks_beside
from app.pipeline.conduct import Measuring, refuse_overriding
from app.pipeline.counting import count, count_shadow
from app.pipeline.holding import Holding
from app.pipeline.media import check_media, refuse_moved, seen_of
from app.pipeline.ready import Given, Ready
from app.pipeline.replies import stopped_by
from app.pipeline.sampling import bounded
from app.pipeline.segments import is_extensive, refuse_too_many, segments, with_texts
from app.pipeline.shadows import Beside
from app.pipeline.steps import Ask, Steps
from app.pipeline.turns import Answer, to_keep
from app.pipeline.witness import Witness


class Exchange:
    """One exchange on its way, from the request that was read to the record that is closed."""

    def __init__(
        self,
        steps: Steps,
        ask: Ask,
        *,
        given: Given | None = None,
        witness: Witness | None = None,
    ) -> None:
        """Hold what it needs.

        Args:
            steps: The parts of the process.
            ask: The request.
            given: Of a shadow: what came of guarding the same input before.
            witness: Is told what happens inside; none where nobody watches.
        """
        self._steps, self._ask, self._given, self._witness = steps, ask, given, witness
        self._unit = ask.scope.session if ask.scope.session is not None else ask.shown_id
        self._draw = self._drawn(self._unit)
        self._route = ask.served.route_to(ask.conversation.wanted)
        self._targets: Sequence[Target] = self._route.targets
        self._way = Way(self._route, (), steps.backends, steps.clock)
        self._started_s = steps.clock.monotonic()
        self._input_ms = 0.0
        self._first_token_ms: float | None = None
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None
        self._outcome = Outcome.ALLOW
        self._findings = Findings()
        self._answering: Answering | None = None
        self._turns: Answer | None = None
        """Set where others may go on from this exchange."""
        self._reply: str | None = None
        self._measuring = Measuring(
            ask.served.behaviours if ask.conversation.wanted.is_turn else (),
            ask.conversation.wishes.scenario,
            self._drawn(f"measured:{ask.shown_id}") if ask.served.behaviours else 0.0,
        )
        self._outside = steps.outside(ask.caller.tenant, ask.routes)
        self._holding = Holding(steps.clock)

    async def run(self) -> AsyncGenerator[ExchangeEvent, None]:
        """All of it. Closing the generator early closes the record as cancelled.

        Raises:
            RequestError: Before the first event: the request is not one that the persona takes.
            BackendError: The model's side failed; the record says so.
            LedgerError: A record could not be kept.
        """
        ready = await self._guard_input()
        await self._open(ready)
        status, error = Status.CANCELLED, None
        try:
            yield self._opened()
            if ready.inspection.stop is not None:
                self._usage = Usage(0, 0)  # nothing was asked, nothing is billed
                for choice in range(ready.asked.sampling.choices):
                    for event in self._stopped(choice, ready.inspection.stop.outcome):
                        yield event
                yield self._usage
            else:
                async with aclosing(self._answer(ready)) as answer:
                    async for event in answer:
                        yield event
            status = Status.COMPLETED
        except Exception as exc:
            status, error = Status.FAILED, self._failed(exc)
            raise
        finally:
            # Shielded: a client that leaves must not leave the record open.
            await asyncio.shield(self._close(status, error))
        if self._ask.shadows and self._steps.shadows is not None:
            given = Given(ready.inspection, ready.minter)
            for ask in asks_beside(self._steps, self._steps.shadows, self._ask, ready):
                run = partial(_run_shadow, self._steps, ask, given)
                self._steps.shadows.offer(Beside(ask.served, run))
        yield Closed(self._summary(status))

    async def _guard_input(self) -> Ready:
        """Look at what the client sent, and compose the prompt from what may be passed on."""
        ask, steps = self._ask, self._steps
        sampling = bounded(ask.conversation.sampling, ask.served.persona.sampling)
        aside = is_extensive(ask.conversation)
        if self._given is not None:
            prompt = await done(partial(ask.prompt, ask.conversation), aside=aside)
            inspection, minter = self._given.inspection, self._given.minter
            return await done(
                partial(self._ready, inspection, minter, sampling, prompt), aside=aside
            )
        texts, raw = await done(self._read, aside=aside)
        minter = await self._minter()
        inspection = await inspect_segments(
            ask.served.plan,
            ask.audience,
            texts,
            minter=minter,
            now=steps.clock.now(),
            history=steps.history,
            context=Context(system=raw.text, tools=ask.conversation.tools),
            outside=self._outside,
            draw=self._draw,
        )
        return await done(partial(self._ready, inspection, minter, sampling, raw), aside=aside)

    def _drawn(self, unit: str) -> float:
        return draw_of(self._steps.pseudonym_key, self._ask.caller.tenant, unit)

    def _read(self) -> tuple[tuple[Segment, ...], SystemPrompt]:
        """What there is to look at, and a prompt of raw variables, only to be compared with."""
        ask, steps = self._ask, self._steps
        check_media(ask.conversation, ask.served.plan.policy, ask.audience)
        raw = ask.prompt(ask.conversation)
        texts = segments(ask.conversation)
        refuse_too_many(ask.conversation, texts, steps.max_messages, steps.max_text_chars)
        refuse_overriding(ask.conversation, ask.served.persona.behaviours)
        return texts, raw

    def _ready(
        self, inspection: Inspection, minter: Minter, sampling: Sampling, prompt: SystemPrompt
    ) -> Ready:
        """The request as the model gets it, with the prompt of what may be passed on."""
        conversation = self._ask.conversation
        if inspection.is_rewritten:
            conversation = with_texts(conversation, inspection.texts)
            prompt = self._ask.prompt(conversation)
        self._note(inspection.trace, inspection.decisions, inspection.outcome)
        self._input_ms = self._elapsed_ms()
        asked = with_prompt(conversation, prompt, sampling)
        if inspection.stop is None:
            refuse_moved(self._ask.conversation, conversation)
            self._choose(asked)
        return Ready(inspection, minter, prompt, conversation, asked)

    def _choose(self, asked: Conversation) -> None:
        """Settle which models are asked; a request that none takes is refused here."""
        ask, route = self._ask, self._route
        tokens = 0
        if any(each.when.max_context_tokens is not None for each in route.all_targets):
            tokens = estimate_tokens_of(asked)
        draw = self._drawn(f"{route.id}:{self._unit}") if len(route.targets) > 1 else 0.0
        asker = Asker(ask.served.persona.id, ask.audience, draw)
        self._targets = targets_for(route, asker, asked, tokens, self._steps.backends)
        self._way = Way(route, self._targets, self._steps.backends, self._steps.clock)

    async def _open(self, ready: Ready) -> None:
        opening = self._opening(ready)
        if self._witness is not None:
            self._witness.looked(ready, opening)
        try:
            await self._steps.ledger.open(opening)
        except asyncio.CancelledError:
            # Whether the entry is durable is not known; closing it is right either way.
            await asyncio.shield(self._close(Status.CANCELLED, None))
            raise

    def _failed(self, error: Exception) -> str:
        """The kind of a failure, for the record."""
        if isinstance(error, BackendError | ImageRefusedError):
            return error.problem.value
        return type(error).__name__

    async def _answer(self, ready: Ready) -> AsyncGenerator[ExchangeEvent, None]:
        """The model's answer as policy and behaviours let it through."""
        ask, now, context = self._ask, self._steps.clock.now(), ready.context

        def new_guard() -> OutputGuard:
            guard = OutputGuard(
                ask.served.plan,
                ask.audience,
                minter=ready.minter,
                now=now,
                steers=ready.inspection.steers,
                context=context,
                outside=self._outside,
                draw=self._draw,
                images=ask.served.plan.policy.answer_images(ask.audience),
            )
            if self._witness is not None:
                self._witness.guards.append(guard)
            return guard

        await self._keep(ready.minter)
        make = partial(Answering, new_guard, self._asked, self._measuring, self._holding)
        answering = self._answering = await done(make, aside=ready.minter.knows_many)
        async with aclosing(answering.run(ready.asked, context, self._outside)) as answer:
            async for event in answer:
                if isinstance(event, Halted):
                    for end in self._stopped(event.choice, event.outcome):
                        yield end
                    if self._reply is None:
                        break  # an error stands for all choices
                    continue
                if self._turns is not None:
                    self._turns.add(event)
                yield event
        if self._usage is not None:
            yield self._usage

    async def _asked(self, asked: Conversation) -> AsyncGenerator[StreamEvent, None]:
        """The events of one attempt at an answer, but for its usage, which is summed up."""
        async with aclosing(self._way.stream(asked)) as stream:
            async for event in stream:
                if self._first_token_ms is None:
                    self._first_token_ms = self._elapsed_ms()
                if isinstance(event, Usage):
                    self._usage = event if self._usage is None else self._usage + event
                else:
                    yield event

    async def _keep(self, minter: Minter) -> None:
        """Keep what was minted: the record says by now whose session it is."""
        if self._ask.scope.session is not None and minter.minted and self._given is None:
            await self._steps.vault.save(self._ask.scope, minter.minted)

    def _stopped(self, choice: int, outcome: Outcome) -> tuple[ExchangeEvent, ...]:
        """The end of a choice that policy stopped."""
        outcome = severest(self._outcome, outcome)
        self._finish = FinishReason.CONTENT_FILTER
        stop = stopped_by(self._ask.served.persona, outcome, self._ask.conversation, choice)
        self._reply = None if stop.is_error else stop.reply
        return stop, Finish(FinishReason.CONTENT_FILTER, choice)

    async def _minter(self) -> Minter:
        ask = self._ask
        known: Mapping[str, Original] = {}
        if ask.conversation.wishes.session is not None:
            known = await self._steps.vault.load(ask.scope)
        return Minter(self._steps.pseudonym_key, ask.scope, known)

    def _elapsed_ms(self) -> float:
        return (self._steps.clock.monotonic() - self._started_s) * 1000

    def _note(self, trace: Trace, decisions: tuple[Decision, ...], outcome: Outcome) -> None:
        self._findings.add(trace, decisions)
        self._outcome = severest(self._outcome, outcome)

    def _opened(self) -> Opened:
        ask = self._ask
        return Opened(
            ask.request_id, ask.served.persona.id, ask.served.variant, ask.catalog, self._outcome
        )

    def _opening(self, ready: Ready) -> Opening:
        ask, inspection = self._ask, ready.inspection
        served, caller, policy = ask.served, ask.caller, ask.served.plan.policy
        keeps = policy.keep.content is KeepContent.REWRITTEN and inspection.stop is None
        if keeps and ask.shadow_of is None:
            self._turns = Answer()
        return Opening(
            request_id=ask.request_id,
            at=self._steps.clock.now(),
            tenant=caller.tenant,
            key_id=caller.key_id,
            subject=ask.conversation.subject,
            session=ask.conversation.wishes.session,
            consent=ask.conversation.wishes.consent,
            dialect=ask.conversation.dialect,
            persona=served.persona.id,
            variant=served.variant,
            assigned=ask.assigned,
            shadow_of=ask.shadow_of,
            audience=ask.audience,
            policy=policy.id,
            catalog=ask.catalog,
            prompt=ready.prompt.digest,
            route=self._route.id,
            backend=self._targets[0].backend,
            model=self._targets[0].model,
            is_stream=ask.conversation.is_stream,
            trace=inspection.trace,
            decisions=inspection.decisions,
            outcome=inspection.outcome,
            content=tuple(inspection.texts.items()),
            content_days=policy.keep.content_days,
            findings_days=policy.keep.findings_days,
            keeps_content=keeps,
            continues=ask.conversation.continues,
            media=seen_of(ready.asked),
            turns=() if self._turns is None else to_keep(ready.asked),
            is_left_open=ask.conversation.keeps_turns is not False,
            surrogates=ready.minter.surrogates if keeps else {},
        )

    async def _close(self, status: Status, error: str | None) -> None:
        answering = self._answering
        trace: Trace = ()
        decisions: tuple[Decision, ...] = ()
        if answering is not None:
            trace, decisions = await answering.conclude()
            self._finish = self._finish or answering.finish
            self._note(trace, decisions, outcome_of(decisions))
            self._outcome = severest(self._outcome, self._measuring.outcome)
        closing = Closing(
            request_id=self._ask.request_id,
            at=self._steps.clock.now(),
            status=status,
            outcome=self._outcome,
            trace=trace,
            decisions=decisions,
            finish=self._finish.value if self._finish is not None else None,
            error=error,
            usage=self._usage,
            attempts=tuple(self._way.attempts),
            detector_usage=self._outside.usage,
            timings=Timings(self._input_ms, self._first_token_ms, self._elapsed_ms()),
            held=self._holding.held if answering is not None else None,
            behaviours=self._measured,
            content=answering.content if answering is not None else (),
            turns=() if self._turns is None else self._turns.to_keep(self._finish, self._reply),
        )
        if self._witness is not None:
            self._witness.closing = closing
        await self._steps.ledger.close(closing)
        metrics, opened = self._steps.metrics, self._opened()
        if self._ask.shadow_of is None:
            is_stream = self._ask.conversation.is_stream
            count(metrics, opened, closing, self._findings.unchecked, is_stream=is_stream)
        else:
            count_shadow(metrics, opened, closing, self._tokens)
            if self._steps.shadows is not None:
                self._steps.shadows.spend(self._tokens)
        self._answering = None  # it knows this exchange: a ring waits long for a search for garbage

    @property
    def _tokens(self) -> int:
        """What models counted so far, for the answer and for detectors."""
        used = [each for each in (self._usage, self._outside.usage) if each is not None]
        return sum(each.input_tokens + each.output_tokens for each in used)

    def _summary(self, status: Status) -> Summary:
        ask = self._ask
        return Summary(
            request_id=ask.request_id,
            persona=ask.served.persona.id,
            variant=ask.served.variant,
            catalog=ask.catalog,
            outcome=self._outcome,
            status=status,
            applied=tuple(self._findings.applied),
            findings=tuple(self._findings.findings),
            unchecked=tuple(self._findings.unchecked),
            behaviours=self._measured,
        )

    @property
    def _measured(self) -> tuple[Measured, ...]:
        return self._measuring.results("there is no whole answer")


async def _run_shadow(steps: Steps, ask: Ask, given: Given) -> None:
    """Run a shadow to its end."""
    async with aclosing(Exchange(steps, ask, given=given).run()) as events:
        async for _ in events:
            pass
