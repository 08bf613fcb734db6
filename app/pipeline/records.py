"""Records for those who ask for them: which they may see, and how they are written."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime

import orjson

from app.domain.conversation import Json
from app.domain.decision import Outcome
from app.domain.errors import RequestError
from app.domain.protocols import Caller
from app.domain.record import Status
from app.ledger.ledger import Ledger
from app.ledger.records import Record, RecordFilter, RecordPage

NOTHING_SAID: Mapping[str, Json] = {}
_NAMES = (
    "request_id",
    "persona",
    "variant",
    "audience",
    "catalog",
    "shadow_of",
    "rule",
    "detector",
    "session",
    "subject",
    "cursor",
)
"""Filters whose values are names, taken as they are."""
_FILTERS = frozenset({*_NAMES, "outcome", "status", "since", "until", "limit"})


async def found(ledger: Ledger, query: Mapping[str, str], caller: Caller) -> RecordPage:
    """A page of the records that a key may read.

    Raises:
        RequestError: The query makes no sense.
    """
    return await ledger.records(record_filter(query, caller.tenant, caller.personas))


async def found_one(ledger: Ledger, request_id: str, caller: Caller) -> Record | None:
    """One record, if there is one that a key may read."""
    record = await ledger.record(request_id, tenant=caller.tenant)
    if record is None or (caller.personas is not None and record.persona not in caller.personas):
        return None
    return record


def record_filter(
    query: Mapping[str, str], tenant: str | None, personas: frozenset[str] | None = None
) -> RecordFilter:
    """Read a filter from text.

    Args:
        query: By name.
        tenant: Whose records.
        personas: Of which personas; none is all of them.

    Raises:
        RequestError: A name or value makes no sense; values are not echoed.
    """
    for name in query:
        if name not in _FILTERS:
            known = ", ".join(sorted(_FILTERS))
            raise RequestError(f"there is no such filter; there are {known}", code="invalid_query")
    try:
        return RecordFilter(
            tenant=tenant,
            personas=personas,
            outcome=Outcome(query["outcome"]) if "outcome" in query else None,
            status=Status(query["status"]) if "status" in query else None,
            since=_time(query.get("since")),
            until=_time(query.get("until")),
            limit=int(query.get("limit", "50")),
            **{name: query[name] for name in _NAMES if name in query},
        )
    except ValueError:
        raise RequestError(
            "outcome, status, since, until or limit: not a value that it can have; times are "
            "ISO 8601 with a zone, limit is a number",
            code="invalid_query",
        ) from None


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time needs its zone")
    return time


def record_json(record: Record, said: Mapping[str, Json] = NOTHING_SAID) -> Json:
    """A record as JSON values, with what people said of its exchange."""
    return orjson.loads(orjson.dumps({**_fields(record), **said}))


def written(record: Record, said: Mapping[str, Json] = NOTHING_SAID) -> Json:
    """A record as JSON that is written already: one may have thousands of findings."""
    return orjson.Fragment(orjson.dumps({**_fields(record), **said}))


def _fields(record: Record) -> dict[str, Json]:
    return {each.name: getattr(record, each.name) for each in fields(record)}
