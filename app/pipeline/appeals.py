"""Filing an appeal: what is asked about, rewritten by the policy before it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.errors import RequestError
from app.domain.policy import Stage
from app.ledger.appeals import AppealState
from app.ledger.ledger import Ledger
from app.ledger.records import Record
from app.pipeline.said import Reading


@dataclass(frozen=True, slots=True)
class AppealRequest:
    """What somebody says against what policy did in an exchange."""

    request_id: str
    texts: Mapping[str, str]
    """``text``: what was asked; ``comment``: why policy was wrong. Either may be missing."""


def not_found(param: str = "request_id") -> RequestError:
    """A new error each time: one that is raised again holds on to all that it passed before."""
    what = f"{param}: there is no such exchange, or this key may not speak about it"
    return RequestError(what, param=param, code="not_found")


async def file_appeal(
    ledger: Ledger, record: Record, appeal: AppealRequest, reading: Reading
) -> AppealState:
    """Keep an appeal with all texts that there are, rewritten.

    Raises:
        RequestError: There is nothing to look at, or the exchange was erased.
        DetectorError: A detector could not look, so what it would have hidden is not known.
    """
    kept = [(each.path, each.text) for each in await ledger.content(record.request_id)]
    if "text" not in appeal.texts and not kept:
        what = "appeal.text: nothing was kept of this exchange; send the text that you ask about"
        raise RequestError(what, param="appeal.text", code="invalid_value")
    inspection = await reading.look(appeal.texts, Stage.INPUT)
    texts = [*inspection.texts.items(), *kept]
    days = reading.plan.policy.keep.content_days
    state = await ledger.file_appeal(record.request_id, texts, days=days)
    if state is None:
        raise not_found()
    return state
