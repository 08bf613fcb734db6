"""Records as columns: what replaying needs of many of them, without an object for each."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from app.domain.conduct import Conduct, Measured
from app.domain.decision import (
    Applied,
    Decision,
    DetectorRef,
    Outcome,
    StageTrace,
    Trace,
    UncheckedRun,
)
from app.domain.errors import LedgerError
from app.domain.finding import Finding
from app.domain.policy import Action, Stage
from app.domain.record import Status
from app.ledger.recorded import LAST, Place, Recorded, place_of
from app.ledger.schema import from_micros, to_micros

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
"""Shapes: one dimension each."""

_EARLIER = "earlier"
_TEXT = "text"


@dataclass(frozen=True, slots=True)
class Coded:
    """Words, each written once: row ``i`` says ``words[codes[i]]``."""

    codes: Ints
    words: tuple[str | None, ...]
    """In the order in which they first come."""

    def __getitem__(self, row: int) -> str | None:
        return self.words[int(self.codes[row])]

    def text(self, row: int) -> str:
        """The word of a row that has one."""
        word = self[row]
        if word is None:
            raise LedgerError("A column of records has no value where one has to be.")
        return word


@dataclass(frozen=True, slots=True)
class Places:
    """Where things that were seen stand: which part of a trace, and of an answer."""

    first: Ints
    """For each row where its things begin, and where the last row's end."""
    look: Ints
    """Of the parts of the row's trace, the answer's after the request's."""
    detector: Coded
    spec: Coded
    earlier: Flags
    """In a text of an earlier turn."""
    attempt: Ints
    """As ``recorded.Place`` has it."""
    choice: Ints

    def of(self, row: int) -> range:
        """The things of a row."""
        return range(int(self.first[row]), int(self.first[row + 1]))


@dataclass(frozen=True, slots=True)
class Columns:
    """Some records."""

    request_id: Sequence[str]
    at: Ints
    """Microseconds since 1970, UTC."""
    persona: Coded
    variant: Coded
    audience: Coded
    policy: Coded
    catalog: Coded
    status: Coded
    input_outcome: Coded
    outcome: Coded
    draw: Floats
    looks: Coded
    """JSON: who looked at each part of the request and of the answer."""
    decided: Coded
    """JSON: the lines of the decisions, and which choices they stopped."""
    behaviours: Coded
    """JSON: what was measured."""
    findings: Places
    category: Coded
    score: Floats
    outages: Places

    def __len__(self) -> int:
        return len(self.at)

    def digest(self) -> bytes:
        """SHA-256 of all of it, however it was stored."""
        sha = hashlib.sha256()
        for value in _leaves(self):
            if isinstance(value, Coded):
                _hash_words(sha, value.words)
                sha.update(value.codes.astype("<i8").tobytes())
            elif isinstance(value, np.ndarray):
                sha.update(value.astype(value.dtype.newbyteorder("<")).tobytes())
            else:
                _hash_words(sha, value)
        return sha.digest()

    def row(self, row: int) -> Recorded:
        """One of the records, as it replays.

        Paths stand for places, and findings have neither spans nor revisions.

        Raises:
            LedgerError: It holds what no record does.
        """
        try:
            return self._row(row)
        except (ValueError, ValidationError, IndexError) as exc:
            what = f"A record holds what no record does ({type(exc).__name__})."
            raise LedgerError(what) from None

    def _row(self, row: int) -> Recorded:
        looks = READ_LOOKS.validate_json(self.looks.text(row))
        decided = READ_DECIDED.validate_json(self.decided.text(row))
        status = self.status[row]
        request, answer = self._traces(row, looks)
        return Recorded(
            request_id=self.request_id[row],
            at=from_micros(int(self.at[row])),
            persona=self.persona.text(row),
            variant=self.variant[row],
            audience=self.audience.text(row),
            policy=self.policy.text(row),
            catalog=self.catalog.text(row),
            status=None if status is None else Status(status),
            input_outcome=Outcome(self.input_outcome.text(row)),
            outcome=Outcome(self.outcome.text(row)),
            input=request,
            answer=answer,
            decisions=tuple(
                Decision(stage, (Applied(rule, action, (), is_observed, is_unchecked),))
                for stage, rule, action, is_observed, is_unchecked in decided.lines
            ),
            stopped=frozenset(decided.stopped),
            behaviours=tuple(
                Measured(name, conduct, attempt, action, "", is_outage, detector, "", spec)
                for name, conduct, attempt, action, is_outage, detector, spec in (
                    READ_BEHAVIOURS.validate_json(self.behaviours.text(row))
                )
            ),
        )

    def _traces(self, row: int, looks: "Looks") -> tuple[Trace | None, Trace | None]:
        parts = [*(looks.input or ()), *(looks.answer or ())]
        found: list[list[Finding]] = [[] for _ in parts]
        out: list[list[UncheckedRun]] = [[] for _ in parts]
        for at in self.findings.of(row):
            places = self.findings
            finding = Finding(
                places.detector.text(at),
                self.category.text(at),
                float(self.score[at]),
                _path(places, at),
                0,
                0,
                "",
                spec=places.spec.text(at),
            )
            found[int(places.look[at])].append(finding)
        for at in self.outages.of(row):
            places = self.outages
            run = UncheckedRun(
                places.detector.text(at), places.spec.text(at), _path(places, at), ""
            )
            out[int(places.look[at])].append(run)
        made = tuple(
            StageTrace(
                stage,
                tuple(DetectorRef(*ref) for ref in ran),
                tuple(found[number]),
                tuple(out[number]),
                frozenset({_EARLIER}),
                float(self.draw[row]),
            )
            for number, (stage, ran) in enumerate(parts)
        )
        count = len(looks.input or ())
        return (
            None if looks.input is None else made[:count],
            None if looks.answer is None else made[count:],
        )


_STRICT = ConfigDict(extra="forbid")
_Look = tuple[Stage, tuple[tuple[str, str, str], ...]]


@validated(frozen=True, slots=True, config=_STRICT)
class Looks:
    """Who looked: for each part its stage, and detector, revision and spec of each."""

    input: tuple[_Look, ...] | None
    answer: tuple[_Look, ...] | None


@validated(frozen=True, slots=True, config=_STRICT)
class Lines:
    """What was decided."""

    lines: tuple[tuple[Stage, str, Action, bool, bool], ...]
    stopped: tuple[Place, ...]


READ_LOOKS = TypeAdapter(Looks)
READ_DECIDED = TypeAdapter(Lines)
READ_BEHAVIOURS = TypeAdapter(tuple[tuple[str, Conduct, int, Action, bool, str, str], ...])


def _path(places: Places, at: int) -> str:
    if places.earlier[at]:
        return _EARLIER
    attempt, choice = int(places.attempt[at]), int(places.choice[at])
    if (attempt, choice) == (LAST, 0):
        return _TEXT
    prefix = "" if attempt == LAST else f"attempts[{attempt}]."
    return f"{prefix}choices[{choice}].{_TEXT}"


def columns_of(rows: Sequence[Recorded]) -> Columns:
    """The same records as columns."""
    parts = [
        (row, number, trace)
        for row, each in enumerate(rows)
        for number, trace in enumerate(chain(each.input or (), each.answer or ()))
    ]
    found = [(row, look, trace, f) for row, look, trace in parts for f in trace.findings]
    out = [(row, look, trace, run) for row, look, trace in parts for run in trace.unchecked]
    return Columns(
        request_id=[each.request_id for each in rows],
        at=np.array([to_micros(each.at) for each in rows], dtype=np.int64),
        persona=coded(each.persona for each in rows),
        variant=coded(each.variant for each in rows),
        audience=coded(each.audience for each in rows),
        policy=coded(each.policy for each in rows),
        catalog=coded(each.catalog for each in rows),
        status=coded(None if each.status is None else each.status.value for each in rows),
        input_outcome=coded(each.input_outcome.value for each in rows),
        outcome=coded(each.outcome.value for each in rows),
        draw=np.array([each.draw for each in rows], dtype=np.float64),
        looks=coded(map(_looks, rows)),
        decided=coded(map(_decided, rows)),
        behaviours=coded(map(_behaviours, rows)),
        findings=_places(found, len(rows)),
        category=coded(finding.category for *_, finding in found),
        score=np.array([finding.score for *_, finding in found], dtype=np.float64),
        outages=_places(out, len(rows)),
    )


def coded(words: Iterable[str | None]) -> Coded:
    """Words, each written once."""
    known: dict[str | None, int] = {}
    codes = [known.setdefault(word, len(known)) for word in words]
    return Coded(np.array(codes, dtype=np.int64), tuple(known))


_Thing = TypeVar("_Thing", Finding, UncheckedRun)


def _places(things: Sequence[tuple[int, int, StageTrace, _Thing]], rows: int) -> Places:
    counts = np.bincount([row for row, *_ in things], minlength=rows) if things else np.zeros(rows)
    places = [place_of(thing.path) for *_, thing in things]
    return Places(
        first=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        look=_ints(look for _, look, *_ in things),
        detector=coded(thing.detector for *_, thing in things),
        spec=coded(thing.spec for *_, thing in things),
        earlier=np.array([t.path in trace.earlier for *_, trace, t in things], dtype=np.bool_),
        attempt=_ints(attempt for attempt, _ in places),
        choice=_ints(choice for _, choice in places),
    )


def _ints(values: Iterable[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)


def _looks(recorded: Recorded) -> str:
    return _json(
        {
            "input": _parts(recorded.input),
            "answer": _parts(recorded.answer),
        }
    )


def _parts(trace: Trace | None) -> list[Any] | None:
    if trace is None:
        return None
    return [
        [part.stage, sorted([ref.detector, ref.revision, ref.spec] for ref in part.ran)]
        for part in trace
    ]


def _decided(recorded: Recorded) -> str:
    lines = {
        (decision.stage, line.rule, line.action, line.is_observed, line.is_unchecked)
        for decision in recorded.decisions
        for line in decision.applied
    }
    return _json({"lines": sorted(lines), "stopped": sorted(recorded.stopped)})


def _behaviours(recorded: Recorded) -> str:
    return _json(
        [
            [m.behaviour, m.conduct, m.attempt, m.action, m.is_outage, m.detector, m.spec]
            for m in recorded.behaviours
        ]
    )


def _json(value: Mapping[str, object] | Sequence[object]) -> str:
    return orjson.dumps(value).decode()


def _leaves(value: object) -> Iterator[Any]:
    """All columns of a record, those of its places too."""
    for each in fields(value):  # type: ignore[arg-type]  # a dataclass of columns
        column = getattr(value, each.name)
        if isinstance(column, Places):
            yield from _leaves(column)
        else:
            yield column


def _hash_words(sha: "hashlib._Hash", words: Sequence[str | None]) -> None:
    sha.update(orjson.dumps(list(words)))
