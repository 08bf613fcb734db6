"""The one ``Gateway``: finds what a request needs, then runs its steps."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from app.access.admission import Admission
from app.access.audience import resolve_audience
from app.access.claims import subject_of
from app.access.keys import check_persona, check_variant
from app.domain.conversation import Conversation, Json
from app.domain.errors import FieldRefusedError, RequestError
from app.domain.feedback import Feedback, TargetKind
from app.domain.persona import Persona
from app.domain.policy import KeepContent, Policy
from app.domain.prompt import SystemPrompt
from app.domain.protocols import Caller, PseudonymScope
from app.domain.record import Assigned
from app.guardrails.aside import done
from app.guardrails.context import Context
from app.ledger.appeals import AppealState
from app.ledger.feedback import Giving
from app.ledger.ledger import Ledger
from app.ledger.records import Record
from app.pipeline.answer import ExchangeEvent
from app.pipeline.appeals import AppealRequest, file_appeal, not_found
from app.pipeline.asked import estimate_tokens_of, with_prompt
from app.pipeline.check import check_segments
from app.pipeline.exchange import Exchange
from app.pipeline.feedback import PARAMS, FeedbackRequest, heard, rewritten, spoken_of
from app.pipeline.gateway import Answered, CheckRequest, CheckResult, Readiness, RenderRequest
from app.pipeline.loaded import Loaded
from app.pipeline.numbers import Numbers
from app.pipeline.records import found, found_one, written
from app.pipeline.said import Reading
from app.pipeline.split import Chosen, Drawing
from app.pipeline.steps import Ask, Steps
from app.pipeline.turns import going_on, kept_answer
from app.pipeline.witness import Left, Trial


class Pipeline:
    """Holds the parts for the whole process; a request takes the catalog of its moment."""

    def __init__(
        self,
        steps: Steps,
        *,
        loaded: Callable[[], Loaded],
        readiness: Callable[[], Readiness],
        ledger: Ledger,
        admission: Admission,
        numbers: Numbers,
    ) -> None:
        """Put the parts together.

        Args:
            steps: What exchanges need.
            loaded: Gives the catalog that is served now.
            readiness: Whether requests can be served.
            ledger: For reading records.
            admission: Says who may ask, and for whom.
            numbers: What is counted and measured.
        """
        self._steps = steps
        self._loaded = loaded
        self._readiness = readiness
        self._ledger = ledger
        self._admission = admission
        self._drawing = Drawing(steps.pseudonym_key, steps.shares)
        self._numbers = numbers

    async def authenticate(self, authorization: str | None, claims: str | None = None) -> Caller:
        """Who asks, and what is signed about whom it is for; raises ``AccessError``."""
        return await self._admission.admit(authorization, claims)

    def personas(self, caller: Caller) -> Sequence[Persona]:
        """The personas that this key may use, ordered by id."""
        return [
            persona
            for name, persona in sorted(self._loaded().catalog.personas.items())
            if caller.personas is None or name in caller.personas
        ]

    def persona(self, persona_id: str, caller: Caller) -> Persona:
        """One persona; raises ``RequestError`` (``model_not_found``) or ``AccessError``."""
        check_persona(caller, persona_id)
        return self._loaded().find(persona_id, None).persona

    def exchange(
        self, conversation: Conversation, caller: Caller, *, trial: Trial | None = None
    ) -> AsyncGenerator[ExchangeEvent, None]:
        """Run one exchange."""
        check_persona(caller, conversation.persona)
        check_variant(caller, conversation.variant)
        loaded = self._loaded() if trial is None or trial.loaded is None else trial.loaded
        served = loaded.find(conversation.persona, conversation.variant)
        if trial is not None and conversation.continues is not None:
            raise TypeError("a trial goes on from no other exchange")
        self._admission.require_claim(caller)
        subject = subject_of(caller, conversation.subject)
        if subject != conversation.subject:
            conversation = replace(conversation, subject=subject)
        request_id = self._steps.new_id()
        if conversation.continues is not None:
            _check_keeping(conversation, served.plan.policy)
            return self._going_on(loaded, conversation, caller, request_id)
        chosen = self._drawing.choose(loaded, conversation, caller.tenant, request_id)
        ask = _ask(loaded, conversation, caller, chosen, request_id)
        if trial is not None:
            return _tried(self._steps, ask, trial)
        return Exchange(self._steps, ask).run()

    async def count(self, conversation: Conversation, caller: Caller) -> int:
        """About how many tokens the model would read; calls none and leaves no record."""
        check_persona(caller, conversation.persona)
        check_variant(caller, conversation.variant)
        served = self._loaded().find(conversation.persona, conversation.variant)
        self._admission.require_claim(caller)
        wishes = conversation.wishes
        prompt = served.prompt.compose(wishes.scenario, wishes.variables)
        return estimate_tokens_of(with_prompt(conversation, prompt))

    async def _going_on(
        self, loaded: Loaded, conversation: Conversation, caller: Caller, request_id: str
    ) -> AsyncGenerator[ExchangeEvent, None]:
        """Run an exchange after the turns that it goes on from."""
        asked, variant = await going_on(self._ledger, conversation, caller)
        chosen = self._drawing.choose_again(loaded, conversation, variant)
        ask = _ask(loaded, asked, caller, chosen, request_id)
        async with aclosing(Exchange(self._steps, ask).run()) as run:
            async for event in run:
                yield event

    async def answered(self, request_id: str, caller: Caller) -> Answered | None:
        """The answer of an exchange, where it was kept for this key."""
        record = await self._ledger.record(request_id, tenant=caller.tenant)
        if record is None or record.opening["key_id"] != caller.key_id:
            return None
        check_persona(caller, record.persona)
        return await kept_answer(self._ledger, record)

    async def delete_answered(self, request_id: str, caller: Caller) -> bool:
        """Destroy what was kept of an exchange, but for its record; false where nothing was."""
        if await self.answered(request_id, caller) is None:
            return False
        return await self._ledger.delete_content(request_id, caller.tenant, caller.key_id)

    async def check(self, request: CheckRequest, caller: Caller) -> CheckResult:
        """Run a policy on text without a model."""
        loaded = self._loaded()
        if request.persona is not None:
            check_persona(caller, request.persona)
            check_variant(caller, request.variant)
            plan = loaded.find(request.persona, request.variant).plan
        else:
            plan = loaded.plan(request.policy or "")
        self._admission.require_claim(caller)
        audience = resolve_audience(plan.policy, caller, request.audience)
        return await check_segments(
            plan,
            audience,
            request.segments,
            clock=self._steps.clock,
            pseudonym_key=self._steps.pseudonym_key,
            catalog=loaded.catalog.digest,
            scope=PseudonymScope(caller.tenant, caller.key_id, None, self._steps.new_id()),
            context=Context(system=request.system or ""),
            outside=self._steps.outside(caller.tenant, loaded.routes),
            asks_anyway=request.asks_anyway,
        )

    async def render(self, request: RenderRequest, caller: Caller) -> SystemPrompt:
        """The composed system prompt with its provenance."""
        check_persona(caller, request.persona)
        check_variant(caller, request.variant)
        served = self._loaded().find(request.persona, request.variant)
        return served.prompt.compose(request.scenario, request.variables)

    async def records(self, query: Mapping[str, str], caller: Caller) -> Json:
        """A page of records as JSON."""
        page = await found(self._ledger, query, caller)
        records = await done(lambda: [written(each) for each in page.records], aside=True)
        return {"records": records, "next": page.cursor}

    async def record(self, request_id: str, caller: Caller) -> Json | None:
        """One record as JSON, if there is one that this key may read."""
        record = await found_one(self._ledger, request_id, caller)
        if record is None:
            return None
        said = heard(await self._ledger.feedback_about(request_id))
        return await done(partial(written, record, said), aside=True)

    async def report(self, query: Mapping[str, str], caller: Caller) -> Json:
        """Product metrics of the newest traffic as JSON."""
        return await self._numbers.report(query, caller.tenant, caller.personas)

    async def appeal(self, appeal: AppealRequest, caller: Caller) -> AppealState:
        """Keep an appeal; raises ``RequestError`` or ``AccessError``."""
        record = await self._ledger.record(appeal.request_id, tenant=caller.tenant)
        if record is None:
            raise not_found()
        check_persona(caller, record.persona)
        reading = self._reading(record, f"appeal:{record.request_id}")
        return await file_appeal(self._ledger, record, appeal, reading)

    async def feedback(self, request: FeedbackRequest, caller: Caller) -> Feedback:
        """Keep what somebody says, once; raises ``RequestError`` or ``AccessError``."""
        self._admission.require_claim(caller)
        about, said = request.about, request.said
        if about.kind is TargetKind.SUBJECT:
            subject_of(caller, about.name)
        record = await spoken_of(self._ledger, about, caller.tenant)
        if record is None:
            raise not_found(PARAMS[about.kind])
        if about.kind is not TargetKind.SUBJECT:
            check_persona(caller, record.persona)
        made = Giving(
            id=self._steps.new_id(),
            at=self._steps.clock.now(),
            tenant=caller.tenant,
            key_id=caller.key_id,
            about=about,
            request_id=record.request_id,
            said=said,
            original=request.original,
            version=request.version,
            wish=request.wish,
            of_subject=caller.claim.subject if caller.claim is not None else None,
        )
        if said.texts:
            reading = self._reading(record, f"feedback:{made.id}")
            days = reading.plan.policy.keep.content_days
            made = replace(made, said=await rewritten(said, reading), text_days=days)
        kept = await self._ledger.give_feedback(made)
        if kept is None:
            raise not_found(PARAMS[about.kind])
        if kept.id == made.id:
            self._steps.metrics.feedback_given(kept)
        return kept

    def _reading(self, record: Record, scope: str) -> Reading:
        """How texts about an exchange are looked at."""
        loaded = self._loaded()
        return Reading(
            loaded.find(record.persona, None).plan,
            record.opening["audience"],
            PseudonymScope(record.tenant, "", scope),
            self._steps.clock,
            self._steps.pseudonym_key,
            self._steps.outside(record.tenant, loaded.routes),
        )

    def readiness(self) -> Readiness:
        """Whether requests can be served."""
        return self._readiness()

    def metrics(self) -> bytes:
        """Prometheus text."""
        return self._numbers.prometheus(is_current=not self._readiness().problems)


def _ask(
    loaded: Loaded, conversation: Conversation, caller: Caller, chosen: Chosen, request_id: str
) -> Ask:
    """A request with all that is decided before anything is looked at."""
    policy = chosen.served.plan.policy
    _check_keeping(conversation, policy)
    is_named = chosen.assigned is Assigned.NAMED
    return Ask(
        conversation=conversation,
        served=chosen.served,
        catalog=loaded.catalog.digest,
        caller=caller,
        audience=resolve_audience(policy, caller, conversation.wishes.audience),
        routes=loaded.routes,
        request_id=request_id,
        assigned=chosen.assigned,
        shadows=() if is_named else loaded.shadows.get(conversation.persona, ()),
    )


async def _tried(steps: Steps, ask: Ask, trial: Trial) -> AsyncGenerator[ExchangeEvent, None]:
    """Run an exchange that is watched; what the client gets is seen last."""
    ask = replace(ask, shadows=())
    if trial.route is not None:
        ask = replace(ask, served=replace(ask.served, route=trial.route))
    stopped = {target.backend for target in ask.served.route.all_targets} - set(steps.backends)
    if stopped:
        listed = ", ".join(sorted(stopped))
        what = f"route '{ask.served.route.id}': this gateway has not started its backend: {listed}"
        raise RequestError(what, param="route", code="no_route")
    witness = trial.witness
    exchange = Exchange(witness.between(steps, ask), ask, witness=witness)
    async with aclosing(exchange.run()) as events:
        async for event in events:
            witness.left.append(Left(witness.now_ms(), event))
            yield event


def _check_keeping(conversation: Conversation, policy: Policy) -> None:
    """Refuse what needs kept content where policy keeps none."""
    if policy.keep.content is KeepContent.REWRITTEN:
        return
    if conversation.keeps_turns is True:
        what = "this persona's policy keeps no content (keep.content); leave it out or say false"
        raise FieldRefusedError("store", what)
    if conversation.continues is not None:
        what = (
            "this persona's policy keeps no content (keep.content), so there is nothing to go on"
            " from; send the earlier turns in 'input'"
        )
        raise FieldRefusedError("previous_response_id", what)
