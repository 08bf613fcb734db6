"""Records out of an export of the ledger, as ``records export`` writes it: JSON lines."""

from collections.abc import Iterable, Iterator
from typing import Any

from app.domain.errors import LedgerError
from app.ledger.entries import Kind
from app.ledger.recorded import Recorded, is_shown, recorded_from
from app.ledger.verify import body_of

_Entry = dict[str, Any]


def read_exported(lines: Iterable[bytes]) -> Iterator[Recorded]:
    """The records of an export, in the order in which they closed; open ones last, shadows never.

    Every line has the hash that stands in it; whether lines are missing is for ``verify`` to say.

    Raises:
        LedgerError: A line was changed or is not of the form, or an exchange has no opening.
    """
    opened: dict[str, _Entry] = {}
    closed: dict[str, _Entry] = {}
    seen: set[tuple[object, str]] = set()
    for entry in _entries(lines):
        kind, request_id = entry.get("kind"), str(entry.get("request_id"))
        if kind not in {Kind.OPENING.value, Kind.CLOSING.value}:
            continue
        if (kind, request_id) in seen:
            raise LedgerError("The export has two entries of one kind about an exchange.")
        seen.add((kind, request_id))
        (opened if kind == Kind.OPENING.value else closed)[request_id] = entry
        if request_id in opened and request_id in closed:
            opening, closing = opened.pop(request_id), closed.pop(request_id)
            if is_shown(opening):
                yield recorded_from(opening, closing)
    if closed:
        raise LedgerError("The export has a closing entry without its opening entry.")
    for entry in filter(is_shown, opened.values()):
        yield recorded_from(entry, None)


def _entries(lines: Iterable[bytes]) -> Iterator[_Entry]:
    """Entries with their traces, as ``records.Record`` has them."""
    last: _Entry | None = None
    for number, line in enumerate(lines, 1):
        try:
            part, body = body_of(line)
        except ValueError as exc:
            raise LedgerError(f"Line {number} of the export: {exc}.") from None
        if part == "findings":
            if last is None or "trace" not in body:
                raise LedgerError(f"Line {number} of the export: findings without their entry.")
            last["trace"] = body["trace"]
        elif part == "entry":
            if last is not None:
                yield last
            last = body
            last["trace"] = [] if body.get("findings") is None else None
    if last is not None:
        yield last
