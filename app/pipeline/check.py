"""Run a policy on texts without a model."""

from collections.abc import Sequence
from functools import partial

from app.domain.clock import Clock
from app.domain.conversation import Segment
from app.domain.protocols import Outside, PseudonymScope
from app.guardrails.aside import done, is_long
from app.guardrails.context import NO_CONTEXT, Context
from app.guardrails.evaluate import inspect_segments
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter
from app.pipeline.answer import Findings
from app.pipeline.gateway import CheckResult


async def check_segments(  # noqa: PLR0913  # what a check depends on, and nothing else
    plan: PolicyPlan,
    audience: str,
    segments: Sequence[Segment],
    *,
    clock: Clock,
    pseudonym_key: bytes,
    catalog: str,
    scope: PseudonymScope,
    context: Context = NO_CONTEXT,
    outside: Outside | None = None,
    asks_anyway: bool = False,
) -> CheckResult:
    """What a policy makes of these texts. Nothing is recorded and no pseudonym is kept.

    Without ``outside``, detectors that ask outside are unchecked.
    """
    started_s = clock.monotonic()
    inspection = await inspect_segments(
        plan,
        audience,
        segments,
        minter=Minter(pseudonym_key, scope),
        now=clock.now(),
        context=context,
        outside=outside,
        asks_anyway=asks_anyway,
    )
    flat = Findings()
    aside = is_long(segment.text for segment in segments)
    await done(partial(flat.add, inspection.trace, inspection.decisions), aside=aside)
    return CheckResult(
        outcome=inspection.outcome,
        texts={} if inspection.stop is not None else inspection.texts,
        scores=inspection.scores,
        findings=tuple(flat.findings),
        applied=tuple(flat.applied),
        unchecked=tuple(flat.unchecked),
        policy=plan.policy.id,
        audience=audience,
        catalog=catalog,
        latency_ms=round((clock.monotonic() - started_s) * 1000, 3),
    )
