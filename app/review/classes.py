"""Records that replay alike, found in columns: each class of them is decided once.

What is decided depends on a record by little: whose it is, under which waivers and share of
traffic it falls, who looked, what was recorded, and what each thing that was seen makes the rules
do (``app.review.steps``). Records for which all of that is the same are one class.
``again`` decides one of them. It equals deciding each, which ``tests/laws/test_replay.py`` holds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

import numpy as np

from app.domain.policy import Stage
from app.ledger.columns import READ_LOOKS, Coded, Columns, Flags, Floats, Ints, Places
from app.ledger.recorded import Recorded
from app.ledger.schema import from_micros
from app.review.again import Again, again
from app.review.replayed import Reason
from app.review.rulebook import Rulebook, ServedRules
from app.review.steps import Both, Effects
from app.review.tally import EXAMPLES, Alike, Example, Tally

_MICROS_A_DAY = 86_400_000_000
_EPOCH = date(1970, 1, 1)
_MOST_KNOWN = 200_000
"""Classes whose decision is remembered from one group of records to the next."""

_Thing = tuple[int | str | None, ...]
"""Where something was seen, and what is done about it, or who could not look."""
_Whose = tuple[str, str | None, str]
"""Persona, variant and audience."""


@dataclass(frozen=True, slots=True)
class _Sides:
    """What decides about some exchanges, where both revisions serve them."""

    before: ServedRules
    after: ServedRules
    days: Ints
    """The last days of waivers, ordered, as days since 1970."""
    shares: Floats


@dataclass(frozen=True, slots=True)
class _Plan:
    """What decides about exchanges of one persona, audience, time and share of traffic."""

    sides: _Sides | None
    audience: str
    at: datetime
    draw: float
    falls: tuple[int, int]
    """How many waivers have ended, and how many shares are passed."""

    def rules(self, stage: Stage) -> Both | None:
        if self.sides is None:
            return None
        before, after = (
            each.rules.at(stage, self.audience, self.at, self.draw)
            for each in (self.sides.before, self.sides.after)
        )
        return before, after


class Classes:
    """Counts what becomes of records, class by class. Remembers what it has decided."""

    def __init__(self, before: Rulebook, after: Rulebook) -> None:
        self._books = before, after
        self._sides: dict[_Whose, _Sides | None] = {}
        self._effects = Effects()
        self._decided: dict[tuple[object, ...], tuple[Recorded, Again | Reason]] = {}
        self.decided = 0
        """How many were decided one by one, each for its class."""

    def count(self, columns: Columns, tally: Tally) -> None:
        """Add some records to a tally."""
        if not len(columns):
            return
        words = _words(columns)
        plan_of, plans = self._plans(columns)
        seen_of, seen = self._seen(columns, plan_of, plans)
        classes = _together([*(each.codes for each in words), plan_of, seen_of])
        order = np.lexsort((columns.at, classes))
        starts = np.flatnonzero(np.diff(classes[order], prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
            rows = order[start:end]
            first = int(rows[0])
            key = (
                *(each[first] for each in words),
                plans[plan_of[first]].falls,
                seen[seen_of[first]],
            )
            recorded, said = self._decide(columns, first, key)
            tally.add(recorded, said, _alike(columns, rows, said))

    def _decide(
        self, columns: Columns, row: int, key: tuple[object, ...]
    ) -> tuple[Recorded, Again | Reason]:
        known = self._decided.get(key)
        if known is None:
            recorded = columns.row(row)
            known = recorded, again(recorded, *self._books)
            self.decided += 1
            if len(self._decided) < _MOST_KNOWN:
                self._decided[key] = known
        return known

    def _plans(self, columns: Columns) -> tuple[Ints, list[_Plan]]:
        """Under what each record is decided."""
        whose = _together([columns.persona.codes, columns.variant.codes, columns.audience.codes])
        falls = np.zeros((2, len(columns)), dtype=np.int64)
        sides: list[_Sides | None] = []
        for rows in _groups(whose):
            first = int(rows[0])
            name = (
                columns.persona.text(first),
                columns.variant[first],
                columns.audience.text(first),
            )
            both = self._sides_of(name)
            sides.append(both)
            if both is not None:
                days = columns.at[rows] // _MICROS_A_DAY
                falls[0, rows] = np.searchsorted(both.days, days, "left")
                falls[1, rows] = np.searchsorted(both.shares, columns.draw[rows], "right")
        plan_of = _together([whose, *falls])
        _, firsts = np.unique(plan_of, return_index=True)
        plans = [
            _Plan(
                sides[int(whose[row])],
                columns.audience.text(int(row)),
                from_micros(int(columns.at[row])),
                float(columns.draw[row]),
                (int(falls[0, row]), int(falls[1, row])),
            )
            for row in firsts
        ]
        return plan_of, plans

    def _sides_of(self, whose: _Whose) -> _Sides | None:
        if whose not in self._sides:
            self._sides[whose] = self._new_sides(*whose)
        return self._sides[whose]

    def _new_sides(self, persona: str, variant: str | None, audience: str) -> _Sides | None:
        found = [book.served.get((persona, variant)) for book in self._books]
        both = [each for each in found if each and audience in each.policy.audiences]
        if len(both) < len(found):
            return None
        days = {(day - _EPOCH).days for each in both for day in each.rules.changes[audience]}
        shares = {share for each in both for share in each.rules.shares}
        return _Sides(
            both[0],
            both[1],
            np.array(sorted(days), dtype=np.int64),
            np.array(sorted(shares), dtype=np.float64),
        )

    def _seen(
        self, columns: Columns, plan_of: Ints, plans: Sequence[_Plan]
    ) -> tuple[Ints, list[frozenset[_Thing]]]:
        """For each record, which set of things was seen that rules do something about."""
        stages = _stages(columns.looks)
        found = columns.findings
        rows = _rows(found)
        stage = stages[columns.looks.codes[rows], found.look]
        kinds = _together(
            [plan_of[rows], stage, found.detector.codes, found.spec.codes, columns.category.codes]
        )
        effects = np.zeros(len(rows), dtype=np.int64)
        for at in _groups(kinds):
            one = int(at[0])
            asked = (found.detector.text(one), found.spec.text(one))
            both = plans[plan_of[rows[one]]].rules(list(Stage)[stage[one]])
            if both is not None:
                category = columns.category.text(one)
                effects[at] = self._effects.of(both, asked, category, columns.score[at])
        counts = np.flatnonzero(effects)
        where = [each[counts] for each in (found.look, found.earlier, found.attempt, found.choice)]
        cells = _together([*where, effects[counts]])
        named: list[_Thing] = [
            (*(int(each[at]) for each in where), int(effects[counts][at])) for at in _firsts(cells)
        ]
        out = columns.outages
        where = [out.look, out.earlier, out.attempt, out.choice]
        outages = _together([*where, out.detector.codes, out.spec.codes])
        named += [
            (*(int(each[at]) for each in where), out.detector[int(at)], out.spec[int(at)])
            for at in _firsts(outages)
        ]
        return _sets(
            len(columns),
            np.concatenate([rows[counts], _rows(out)]),
            np.concatenate([cells, outages + (cells.max() + 1 if len(cells) else 0)]),
            named,
        )


def _words(columns: Columns) -> tuple[Coded, ...]:
    """What a class has in common, as it stands in the record."""
    return (
        columns.persona,
        columns.variant,
        columns.audience,
        columns.policy,
        columns.catalog,
        columns.status,
        columns.input_outcome,
        columns.outcome,
        columns.looks,
        columns.decided,
        columns.behaviours,
    )


def _alike(columns: Columns, rows: Ints, said: Again | Reason) -> Alike:
    """Records of one class, given in the order of their times."""
    times = columns.at[rows]
    examples: tuple[Example, ...] = ()
    if isinstance(said, Again) and (said.before is not said.after or said.needs or said.against):
        since = times[-min(EXAMPLES, len(times))]
        newest = rows[np.searchsorted(times, since, "left") :]
        every = sorted((int(columns.at[row]), columns.request_id[int(row)]) for row in newest)
        examples = tuple((from_micros(at), name) for at, name in every[: -EXAMPLES - 1 : -1])
    oldest, newest_at = (from_micros(int(at)) for at in (times[0], times[-1]))
    return Alike(len(rows), oldest, newest_at, examples)


def _together(codes: Sequence[Ints | Flags]) -> Ints:
    """One code for each combination of codes that there is, counted from 0."""
    made = np.zeros(len(codes[0]), dtype=np.int64)
    size = 1
    for each in codes:
        if not len(each):
            return made
        column = each.astype(np.int64) - int(each.min())
        width = int(column.max()) + 1
        if size * width >= _MOST_CODES:
            made = np.unique(made, return_inverse=True)[1]
            size = int(made.max()) + 1
        made = made * width + column
        size *= width
    return np.unique(made, return_inverse=True)[1].astype(np.int64)


_MOST_CODES = 1 << 62


def _groups(codes: Ints) -> Iterator[Ints]:
    """For each code, from 0 on, where it stands."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    yield from (each for each in np.split(order, starts[1:]) if len(each))


def _firsts(codes: Ints) -> Ints:
    """Where each code first stands."""
    return np.unique(codes, return_index=True)[1]


def _rows(places: Places) -> Ints:
    """For each thing that was seen, in which record."""
    return np.repeat(np.arange(len(places.first) - 1), np.diff(places.first))


def _stages(looks: Coded) -> Ints:
    """For each word of the column, the stage of each part."""
    read = [READ_LOOKS.validate_json(word or "") for word in looks.words]
    parts = [[*(each.input or ()), *(each.answer or ())] for each in read]
    made = np.zeros((len(parts), max(map(len, parts), default=0) or 1), dtype=np.int64)
    order = list(Stage)
    for number, some in enumerate(parts):
        for at, (stage, _) in enumerate(some):
            made[number, at] = order.index(stage)
    return made


def _sets(
    count: int, rows: Ints, things: Ints, named: Sequence[_Thing]
) -> tuple[Ints, list[frozenset[_Thing]]]:
    """For each record the set of its things; and each set."""
    width = len(named) or 1
    pairs = np.unique(rows * width + things)
    offsets = np.searchsorted(pairs, np.arange(count + 1) * width)
    buffer = (pairs % width).astype(np.int32).tobytes()
    known: dict[bytes, int] = {}
    made = np.array(
        [
            known.setdefault(buffer[4 * start : 4 * end], len(known))
            for start, end in pairwise(offsets.tolist())
        ],
        dtype=np.int64,
    )
    sets = [frozenset(named[at] for at in np.frombuffer(each, np.int32)) for each in known]
    return made, sets
