"""One exchange: its timeline, whether its record is as it was written, and how it would end now."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import orjson
from starlette.responses import Response

from app.catalog.origins import Origins
from app.console import formats
from app.console.visit import Need, Page, Visit
from app.domain.catalog import Source
from app.domain.conversation import Json
from app.domain.errors import LedgerError, RequestError
from app.domain.events import Usage
from app.ledger.chained import Chained, Fit
from app.ledger.recorded import recorded_of
from app.ledger.records import Record, RecordFilter
from app.ledger.verify import Intact
from app.pipeline.feedback import heard
from app.pipeline.loaded import Loaded
from app.pipeline.records import found_one, record_json
from app.review.replayed import Reason
from app.review.rulebook import rulebook
from app.review.today import Today, decide_today

_MOST_SHADOWS = 20


@dataclass(frozen=True, slots=True)
class Part:
    """What was seen and decided at one stage."""

    stage: str
    looked: Sequence[tuple[str, int]]
    """Each detector that ran, and with how many settings."""
    findings: Sequence[Json] | None
    """None where they have expired."""
    applied: Sequence[Json]
    unchecked: Sequence[Json]


async def show(visit: Visit) -> Response:
    """The exchange as a timeline."""
    record = await _asked(visit)
    ledger, loaded = visit.behind.ledger, visit.behind.loaded()
    chained = await ledger.chained(record.request_id)
    said = heard(await ledger.feedback_about(record.request_id))
    caller = visit.caller
    shadows = await ledger.records(
        RecordFilter(
            caller.tenant,
            personas=caller.personas,
            shadow_of=record.request_id,
            since=record.opened_at,
            limit=_MOST_SHADOWS,
        )
    )
    opening, closing = record.opening, record.closing
    kept = await ledger.content(record.request_id)
    return visit.page(
        "record.html.j2",
        record=record,
        opening=opening,
        closing=closing,
        chained=chained,
        said=said,
        shadows=shadows.records,
        has_text=bool(kept),
        inputs=parts_of(opening),
        outputs=parts_of(closing) if closing is not None else (),
        places=_places(loaded, record),
        is_served_now=opening["catalog"] == loaded.catalog.digest,
        cost=_cost(visit, closing),
        today=await asyncio.to_thread(_today, record, loaded),
        formats=formats,
        **_verified(visit, chained),
    )


async def as_json(visit: Visit) -> Response:
    """The record as a file, as the API gives it."""
    record = await _asked(visit)
    said = heard(await visit.behind.ledger.feedback_about(record.request_id))
    body = orjson.dumps(record_json(record, said), option=orjson.OPT_INDENT_2)
    name = f'attachment; filename="record-{record.request_id}.json"'
    return Response(body, media_type="application/json", headers={"content-disposition": name})


async def kept_text(visit: Visit) -> Response:
    """The text that policy keeps of it, as the model saw it and gave it."""
    record = await _asked(visit)
    texts = await visit.behind.ledger.content(record.request_id)
    return visit.page("record_text.html.j2", texts=texts)


async def verify(visit: Visit) -> Response:
    """Have the chain verified from its beginning, and say how far that has come."""
    record = await _asked(visit)
    visit.behind.checks.begin(record.opening["writer"])
    return await _step(visit, record)


async def verification(visit: Visit) -> Response:
    """Verify some more of the chain, where that has begun."""
    record = await _asked(visit)
    if visit.behind.checks.of(record.opening["writer"]) is None:
        chained = await visit.behind.ledger.chained(record.request_id)
        return _verification(visit, record, chained)
    return await _step(visit, record)


async def _step(visit: Visit, record: Record) -> Response:
    await visit.behind.checks.step(record.opening["writer"])
    return _verification(visit, record, await visit.behind.ledger.chained(record.request_id))


def _verification(visit: Visit, record: Record, chained: Chained) -> Response:
    return visit.page(
        "record_verified.html.j2",
        record=record,
        chained=chained,
        formats=formats,
        **_verified(visit, chained),
    )


async def _asked(visit: Visit) -> Record:
    """The record that the address names, if this key may see it.

    Raises:
        RequestError: There is none.
    """
    request_id = visit.path_params["request_id"]
    record = await found_one(visit.behind.ledger, request_id, visit.caller)
    if record is None:
        raise RequestError("There is no such record, or this key may not see it.", code="not_found")
    return record


def parts_of(entry: Json) -> Sequence[Part]:
    """What was seen and decided, stage by stage. Decisions stay when what was seen expires."""
    traces, decisions = entry["trace"], entry["decisions"]
    return [
        Part(
            (trace or decision)["stage"],
            list(Counter(each["detector"] for each in trace["ran"]).items()) if trace else (),
            trace["findings"] if trace else None if traces is None else (),
            decision["applied"] if decision else (),
            decision["unchecked"] if decision else (),
        )
        for trace, decision in zip_longest(traces or (), decisions)
    ]


def _places(loaded: Loaded, record: Record) -> Mapping[str, Source]:
    """Where each rule that was applied stands in the files that are served now."""
    policy = loaded.catalog.policies.get(record.opening["policy"])
    if policy is None:
        return {}
    origins = Origins(loaded.catalog)
    entries = [record.opening, *([record.closing] if record.closing is not None else [])]
    applied = {
        line["rule"]
        for entry in entries
        for decision in entry["decisions"]
        for line in decision["applied"]
    }
    return {
        rule.id: origins.rule(policy.id, rule.id).source
        for rule in policy.rules
        if rule.id in applied
    }


def _cost(visit: Visit, closing: Json) -> float | None:
    """What the answer cost; none where nobody said what its model costs, or two models answered."""
    if closing is None or closing["usage"] is None:
        return None
    answered = {
        (each["backend"], each["model"]) for each in closing["attempts"] if not each["problem"]
    }
    prices = [visit.behind.overviews.prices.get(each) for each in answered]
    price = prices[0] if len(prices) == 1 else None
    return None if price is None else price.cost(Usage(**closing["usage"]))


def _today(record: Record, loaded: Loaded) -> Today | Reason | None:
    """How it would end now; none where the record cannot be read as one."""
    try:
        return decide_today(recorded_of(record), rulebook(loaded))
    except LedgerError:
        return None


def _verified(visit: Visit, chained: Chained) -> Mapping[str, Any]:
    """What is known of the chain: of the neighbours now, of all of it where it was verified."""
    writer = chained.places[0].writer if chained.places else ""
    checked = visit.behind.checks.of(writer)
    last = max((place.seq for place in chained.places if place.writer == writer), default=0)
    return {
        "checked": checked,
        "is_intact": checked is not None and isinstance(checked.found, Intact),
        "is_covered": checked is not None and last <= checked.of,
        "fits": all(place.fit in {Fit.FITS, Fit.NEWEST} for place in chained.places),
    }


_ONE = "/records/{request_id}"
PAGES = (
    Page(_ONE, show, needs=Need.RECORDS, nav="records"),
    Page(f"{_ONE}/record.json", as_json, needs=Need.RECORDS),
    Page(f"{_ONE}/text", kept_text, needs=Need.RECORDS),
    Page(f"{_ONE}/verification", verification, needs=Need.RECORDS),
    Page(f"{_ONE}/verification", verify, method="POST", needs=Need.RECORDS),
)
