"""The list of records: search, filter, page by page, with every choice in the address."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from app.console import formats
from app.console.visit import Need, Page, Visit
from app.domain.conversation import Json
from app.domain.decision import Outcome
from app.domain.persona import Persona
from app.domain.record import Status
from app.ledger.records import Record
from app.pipeline.records import found

LAST: Mapping[str, timedelta] = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
_ON_A_PAGE = "50"
_RARE = frozenset(
    {
        "variant",
        "audience",
        "status",
        "rule",
        "detector",
        "session",
        "subject",
        "catalog",
        "shadow_of",
        "since",
        "until",
    }
)
"""Filters that are folded away until one of them is set."""
_SEE_OTHER = 303


@dataclass(frozen=True, slots=True)
class Row:
    """A record as the list shows it."""

    record: Record
    rules: Sequence[tuple[str, str]]
    """Each rule that was applied, with what it did, once."""
    categories: Sequence[str]
    """What detectors found, as ``pii EMAIL_ADDRESS``."""
    total_ms: float | None
    held_ms: float | None

    @property
    def is_shadow(self) -> bool:
        """Whether nobody was shown it."""
        return self.record.opening.get("shadow_of") is not None


async def show(visit: Visit) -> Response:
    """The records that the address asks for."""
    asked = {name: value.strip() for name, value in visit.query.items()}
    given = {name: value for name, value in asked.items() if value}
    if len(given) < len(asked):
        return RedirectResponse(address(given), _SEE_OTHER)
    ledger, now = visit.behind.ledger, visit.behind.clock.now()
    page = await found(ledger, {"limit": _ON_A_PAGE, **_timed(given, now)}, visit.caller)
    if given.keys() == {"request_id"} and page.records:
        return RedirectResponse(f"/console/records/{page.records[0].request_id}", _SEE_OTHER)
    chosen = {name: value for name, value in given.items() if name != "cursor"}
    is_empty = not given and not page.records
    return visit.page(
        "records.html.j2",
        rows=[row_of(each) for each in page.records],
        given=given,
        chosen=chosen,
        is_filtered=bool(chosen),
        is_folded=not chosen.keys() & _RARE,
        is_empty=is_empty,
        older=None if page.cursor is None else address({**chosen, "cursor": page.cursor}),
        newest=address(chosen) if "cursor" in given else None,
        without=[(name, value, address(_without(chosen, name))) for name, value in chosen.items()],
        searched_to=page.searched_to,
        known=known_names(visit),
        formats=formats,
    )


def address(given: Mapping[str, str]) -> str:
    """Where a list with these filters is."""
    return f"/console/records?{urlencode(given)}" if given else "/console/records"


def _without(given: Mapping[str, str], name: str) -> Mapping[str, str]:
    return {key: value for key, value in given.items() if key != name}


def _timed(given: Mapping[str, str], now: datetime) -> dict[str, str]:
    """The filters as the ledger takes them: times with a zone, and ``last`` as a time."""
    query = {name: value for name, value in given.items() if name != "last"}
    if given.get("last") in LAST and "since" not in query:
        query["since"] = (now - LAST[given["last"]]).isoformat()
    for name in ("since", "until"):
        if name in query:
            query[name] = _with_zone(query[name])
    return query


def _with_zone(text: str) -> str:
    """A time as a field of a form has it, which is one of UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text  # whoever reads it says what is wrong
    return time.replace(tzinfo=time.tzinfo or UTC).isoformat()


def known_names(visit: Visit) -> Mapping[str, Sequence[str]]:
    """What can be chosen from in each filter, by the files that are served now."""
    catalog, caller = visit.behind.loaded().catalog, visit.caller
    personas = [each.id for each in visit.behind.gateway.personas(caller)]
    served = [catalog.policies[catalog.personas[each].policy] for each in personas]
    return {
        "persona": personas,
        "variant": sorted({v for p in personas for v in _variants(catalog.personas[p])}),
        "audience": list(dict.fromkeys(name for each in served for name in each.audiences)),
        "rule": sorted({rule.id for each in served for rule in each.rules}),
        "detector": sorted({rule.detect.detector for each in served for rule in each.rules}),
        "outcome": [each.value for each in Outcome],
        "status": [each.value for each in Status],
        "last": list(LAST),
    }


def _variants(persona: Persona) -> Sequence[str]:
    return sorted(each.id for each in persona.variants)


def row_of(record: Record) -> Row:
    """What the list shows of a record."""
    closing = record.closing or {}
    entries = [record.opening, *([record.closing] if record.closing is not None else [])]
    rules = {
        (line["rule"], line["action"]): None
        for entry in entries
        for decision in entry["decisions"]
        for line in decision["applied"]
        if line["action"] != "allow"
    }
    return Row(
        record,
        list(rules),
        list(dict.fromkeys(_categories(entries))),
        closing["timings"]["total_ms"] if closing else None,
        (closing.get("held") or {}).get("longest_ms"),
    )


def _categories(entries: Sequence[Json]) -> Iterator[str]:
    for entry in entries:
        for trace in entry["trace"] or ():
            for finding in trace["findings"]:
                yield f"{finding['detector']} {finding['category']}"


PAGES = (Page("/records", show, needs=Need.RECORDS, nav="records"),)
