"""Filing an appeal: what is asked about, rewritten by the policy before it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.clock import Clock
from app.domain.conversation import Segment
from app.domain.errors import DetectorError, RequestError
from app.domain.policy import Stage
from app.domain.protocols import Outside, PseudonymScope
from app.guardrails.evaluate import inspect_segments
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter
from app.ledger.appeals import AppealState
from app.ledger.ledger import Ledger
from app.ledger.records import Record


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody says of an exchange. So far: an appeal against what policy did."""

    request_id: str
    texts: Mapping[str, str]
    """``text``: what was asked; ``comment``: why policy was wrong. Either may be missing."""


def not_found() -> RequestError:
    """A new error each time: one that is raised again holds on to all that it passed before."""
    what = "request_id: there is no such exchange, or this key may not speak about it"
    return RequestError(what, param="request_id", code="not_found")


async def file_appeal(  # noqa: PLR0913  # what filing depends on, and nothing else
    ledger: Ledger,
    plan: PolicyPlan,
    record: Record,
    feedback: Feedback,
    *,
    clock: Clock,
    key: bytes,
    outside: Outside,
) -> AppealState:
    """Keep an appeal with all texts that there are, rewritten.

    Args:
        ledger: Where the record is.
        plan: Of the policy that rewrites what is kept.
        record: Of the exchange.
        feedback: What is said of it.
        clock: What time it is.
        key: For pseudonyms, which nobody resolves.
        outside: What the policy's detectors ask through.

    Raises:
        RequestError: There is nothing to look at, or the exchange was erased.
        DetectorError: A detector could not look, so what it would have hidden is not known.
    """
    policy = plan.policy
    kept = [(each.path, each.text) for each in await ledger.content(record.request_id)]
    if "text" not in feedback.texts and not kept:
        what = "appeal.text: nothing was kept of this exchange; send the text that you ask about"
        raise RequestError(what, param="appeal.text", code="invalid_value")
    audience = record.opening["audience"]
    inspection = await inspect_segments(
        plan,
        audience if audience in policy.audiences else policy.audiences[0],
        [Segment(path, text, Stage.INPUT) for path, text in feedback.texts.items()],
        minter=Minter(key, PseudonymScope(record.tenant, "", f"appeal:{record.request_id}")),
        now=clock.now(),
        outside=outside,
    )
    if any(trace.unchecked for trace in inspection.trace):
        raise DetectorError("a detector could not look at the appeal")
    texts = [*inspection.texts.items(), *kept]
    state = await ledger.file_appeal(record.request_id, texts, days=policy.keep.content_days)
    if state is None:
        raise not_found()
    return state
