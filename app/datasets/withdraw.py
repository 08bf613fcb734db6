"""Rows of an older export that must go: their consent, or their text, is there no longer."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from app.datasets.card import counts_of
from app.datasets.exchanges import Exchange, learnable
from app.datasets.folder import Written
from app.datasets.make import Placed, all_sources, digest_of
from app.datasets.wanted import Form, Reason, Wanted
from app.domain.conversation import Json
from app.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What is left of an export."""

    kept: tuple[Placed, ...]
    gone: Mapping[Reason, int]
    """How many rows must go, by why."""
    places: tuple[tuple[str, int], ...]
    """File and line of each of them."""
    card: Json


async def without_withdrawn(
    ledger: Ledger, written: Written, tenant: str, key: bytes
) -> Withdrawal:
    """The rows whose exchanges may be learned from still.

    Args:
        ledger: Says of which that holds; what it keeps no longer is destroyed first.
        written: The export.
        tenant: Whose exchanges it is made of.
        key: Of that export.
    """
    await ledger.purge()
    reasons: dict[str, Reason | None] = {}
    async for source in all_sources(ledger, Wanted(Form(written.card["form"]), tenant)):
        exchange = learnable(source)
        digest = digest_of(source.record.request_id, key)
        reasons[digest] = None if isinstance(exchange, Exchange) else exchange
    kept: list[Placed] = []
    gone: Counter[Reason] = Counter()
    places: list[tuple[str, int]] = []
    lines: Counter[str] = Counter()
    for line in written.lines:
        lines[line.file] += 1
        # An exchange that the ledger does not know is another tenant's, or of another key.
        why = [reasons.get(each["id"], Reason.NOT_KEPT) for each in line.provenance["exchanges"]]
        reason = next((each for each in why if each is not None), None)
        if reason is None:
            kept.append(line)
        else:
            gone[reason] += 1
            places.append((line.file, lines[line.file]))
    card = {
        **written.card,
        **counts_of(kept),
        "removed_later": written.card["removed_later"] + sum(gone.values()),
    }
    return Withdrawal(tuple(kept), dict(gone), tuple(places), card)
