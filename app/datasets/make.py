"""A data set, made of what the ledger keeps."""

import hmac
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.datasets.cleaning import Cleaner, export_plan
from app.datasets.duplicates import without_duplicates
from app.datasets.exchanges import Exchange, learnable
from app.datasets.forms import FILES, kinds_of
from app.datasets.rows import Clean, Kind, Row, dpo_rows, rl_row, sft_row
from app.datasets.split import Split, split_of
from app.datasets.wanted import Form, Reason, Wanted
from app.domain.conversation import Conversation, Json, Segment
from app.domain.policy import Policy, Stage
from app.guardrails.plan import Builds, Kinds, PolicyPlan
from app.ledger.ledger import Ledger
from app.ledger.records import MOST_RECORDS, RecordFilter
from app.ledger.sources import Source
from app.pipeline.segments import segments, with_texts

_BETTER = "better"


@dataclass(frozen=True, slots=True)
class Placed:
    """A line, the file that it stands in, and where it comes from."""

    file: str
    line: Json
    provenance: Json


@dataclass(frozen=True, slots=True)
class Made:
    """A data set before it is written."""

    lines: tuple[Placed, ...]
    looked_at: int
    """How many exchanges were asked for."""
    left_out: Mapping[Reason, int]
    """How many exchanges, or rows of them, are not in it."""
    detectors: Mapping[str, str]
    """What the texts were looked at with: revisions by name."""
    days: tuple[str, str] | None
    """From when to when its exchanges were opened."""


async def all_sources(ledger: Ledger, wanted: Wanted) -> AsyncIterator[Source]:
    """Every exchange that is asked for, newest first."""
    asked = RecordFilter(
        wanted.tenant,
        persona=wanted.persona,
        since=wanted.since,
        until=wanted.until,
        limit=MOST_RECORDS,
    )
    while True:
        page = await ledger.sources(asked)
        for source in page.sources:
            yield source
        if page.cursor is None:
            return
        asked = replace(asked, cursor=page.cursor)


class Maker:
    """Makes data sets under one key."""

    def __init__(
        self,
        wanted: Wanted,
        cleaner: Cleaner,
        policies: Mapping[str, Policy],
        kinds: Kinds,
        builds: Builds,
    ) -> None:
        """Hold what making needs.

        Args:
            wanted: What is asked for.
            cleaner: Looks at texts again.
            policies: As they stand now: what they rewrite, is rewritten.
            kinds: Every kind of detector.
            builds: What was built already.
        """
        self._wanted = wanted
        self._cleaner = cleaner
        self._policies = policies
        self._kinds = kinds
        self._builds = builds
        self._plans: dict[str, PolicyPlan] = {}
        self._left_out: Counter[Reason] = Counter()

    async def make(self, ledger: Ledger) -> Made:
        """The data set. What a policy keeps no longer is destroyed first, so that none of it is in.

        Raises:
            LedgerError: It cannot be read.
        """
        await ledger.purge()
        clean: list[Clean] = []
        looked_at = 0
        async for source in all_sources(ledger, self._wanted):
            looked_at += 1
            exchange = learnable(source)
            made = await self._clean(exchange) if isinstance(exchange, Exchange) else exchange
            if isinstance(made, Clean):
                clean.append(made)
            else:
                self._left_out[made] += 1
        rows = [*self._distinct(self._rows(clean))]
        lines = self._lines(rows)
        days = sorted(each.exchange.record.opened_at.date().isoformat() for each in clean)
        return Made(
            tuple(lines),
            looked_at,
            dict(sorted(self._left_out.items())),
            self._detectors(),
            (days[0], days[-1]) if days else None,
        )

    async def _clean(self, exchange: Exchange) -> Clean | Reason:
        said = Conversation("", (*exchange.asked, *exchange.answered))
        texts = [*segments(said)]
        better = exchange.opinion.better
        if better is not None:
            texts.append(Segment(_BETTER, better[1], Stage.INPUT))
        plan = self._plan(exchange.record.opening["policy"])
        clean = await self._cleaner.clean(plan, texts, exchange.kept.surrogates)
        if isinstance(clean, Reason):
            return clean
        turns = with_texts(said, clean).messages
        at = len(exchange.asked)
        return Clean(exchange, turns[:at], turns[at:], clean.get(_BETTER))

    def _plan(self, policy: str) -> PolicyPlan:
        plan = self._plans.get(policy)
        if plan is None:
            now = self._policies.get(policy)
            plan = self._plans[policy] = export_plan(now, self._kinds, self._builds)
        return plan

    def _rows(self, clean: Sequence[Clean]) -> Iterable[Row]:
        key, least = self._cleaner.key, self._wanted.min_satisfaction
        for kind in kinds_of(self._wanted.form):
            made: list[Row | None]
            match kind:
                case Kind.SFT:
                    made = [sft_row(each, least, key) for each in clean]
                case Kind.RL:
                    made = [rl_row(each, key) for each in clean]
                case Kind.DPO:
                    made = [*dpo_rows(clean, least, key)]
            for row in made:
                if row is None:
                    self._left_out[Reason.NO_FEEDBACK] += 1
                else:
                    yield row

    def _distinct(self, rows: Iterable[Row]) -> Iterable[Row]:
        for row in without_duplicates(rows):
            if isinstance(row, Reason):
                self._left_out[row] += 1
            else:
                yield row

    def _lines(self, rows: Sequence[Row]) -> list[Placed]:
        splits = split_of(rows, self._cleaner.key, self._wanted.validation)
        made: list[Placed] = []
        for file in FILES[self._wanted.form]:
            for row, split in zip(rows, splits, strict=True):
                if row.kind is not file.kind:
                    continue
                line = file.line(row, self._wanted)
                if isinstance(line, Reason):
                    self._left_out[line] += 1
                    continue
                provenance = self._provenance(row, split)
                if self._wanted.form in _OWN:
                    line = {**line, "provenance": provenance}
                made.append(Placed(f"{file.name}.{split}.jsonl", line, provenance))
        return made

    def _provenance(self, row: Row, split: Split) -> Json:
        return {
            "exchanges": [self._told(source) for source in row.sources],
            "feedback": list(row.feedback),
            "is_as_given": row.is_as_given,
            "split": split,
        }

    def _told(self, source: Exchange) -> Json:
        opening, closing = source.record.opening, source.record.closing or {}
        attempts = closing.get("attempts") or [opening]
        return {
            "id": digest_of(source.record.request_id, self._cleaner.key),
            # A plain hash of a prompt with a name in it could be guessed, and joined with records.
            "prompt": digest_of(opening["prompt"], self._cleaner.key, "prompt"),
            **{name: opening[name] for name in _TOLD},
            "answered_by": {"backend": attempts[-1]["backend"], "model": attempts[-1]["model"]},
            "consent": sorted(
                {each.reference for each in source.opinion.consents if each.reference}
            ),
        }

    def _detectors(self) -> dict[str, str]:
        now = self._cleaner.now
        refs = {
            ref.detector: ref.revision
            for plan in self._plans.values()
            for stage in (Stage.INPUT, Stage.TOOL_RESULT)
            for ref in plan.at(stage, plan.policy.default_audience, now).ran_here
        }
        return dict(sorted(refs.items()))


_OWN = frozenset({Form.SFT, Form.DPO, Form.RL})
"""Forms whose lines have room for their provenance; that of others stands in a file beside them."""
_TOLD = ("persona", "variant", "policy", "catalog", "audience")


def digest_of(name: str, key: bytes, kind: str = "exchange") -> str:
    """What stands for something in one export: for an exchange by its id."""
    return hmac.digest(key, f"{kind}\0{name}".encode(), "sha256").hex()[:32]
