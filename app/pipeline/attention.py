"""What of an overview somebody should look at, worst first: the rules, and nothing of how it reads.

A share is a sign only where it is too high even if chance made it so: by the lower end of its
interval.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.record import Status
from app.metrics.intervals import Share
from app.metrics.live import Drift
from app.pipeline.gateway import Readiness
from app.pipeline.overview import Overview
from app.pipeline.report import UNLIKELY

FAILING = 0.01
"""More failed exchanges than this need a look."""
BACKEND_FAILING = 0.02
"""More failed attempts at a backend; a fallback may have made them good."""
REFUSING = 0.2
"""More refusals than one in five: nobody serves a persona for that."""


_ANYTHING = 2


class Level(StrEnum):
    """How bad it is."""

    BAD = "bad"
    """Something does not work."""
    WATCH = "watch"
    """Something is not as it was, or not as it should stay."""


class What(StrEnum):
    """What it is."""

    FILES_REFUSED = "files_refused"
    """The files on disk are wrong; the revision before them is served."""
    FAILING = "failing"
    """Exchanges of a persona fail."""
    BACKEND = "backend"
    """A backend fails."""
    UNCHECKED = "unchecked"
    """A detector could not look."""
    WORSE = "worse"
    """A metric of a persona changed for the worse."""
    REFUSING = "refusing"
    """A persona refuses much."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing to look at."""

    what: What
    level: Level
    name: str = ""
    """The persona, backend or detector."""
    share: Share | None = None
    since: datetime | None = None
    """When it was first seen."""
    until: datetime | None = None
    """When it was last seen."""
    drift: Drift | None = None
    problems: Sequence[str] = ()


def signs(seen: Overview, readiness: Readiness, personas: frozenset[str] | None) -> Sequence[Sign]:
    """All there are, the worst first.

    Args:
        seen: What went through.
        readiness: Whether the files are served as they stand.
        personas: Those that whoever asks may see; with none left out, problems of files are told.
    """
    found = [*_files(readiness, personas), *_failing(seen), *_outages(seen), *_worse(seen)]
    return sorted(found, key=lambda each: list(Level).index(each.level))


def _files(readiness: Readiness, personas: frozenset[str] | None) -> Iterator[Sign]:
    if readiness.problems:
        said = readiness.problems if personas is None else ()
        yield Sign(What.FILES_REFUSED, Level.BAD, problems=said)


def _failing(seen: Overview) -> Iterator[Sign]:
    ended: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    for each in seen.seen:
        exchange = each.exchange
        if exchange.status is not Status.CANCELLED:
            ended[exchange.persona] += 1
            failed[exchange.persona] += exchange.status is not Status.COMPLETED
        if exchange.is_refused is not None:
            judged[exchange.persona] += 1
            refused[exchange.persona] += exchange.is_refused
    for persona in seen.personas:
        share = Share(failed[persona], ended[persona])
        if share.of and share.interval[0] > FAILING:
            yield Sign(What.FAILING, _level(share), persona, share)
    for persona in seen.personas:
        share = Share(refused[persona], judged[persona])
        if share.of and share.interval[0] > REFUSING:
            yield Sign(What.REFUSING, Level.WATCH, persona, share)


def _level(share: Share) -> Level:
    """Once or twice may have been anything."""
    return Level.BAD if share.hits > _ANYTHING else Level.WATCH


def _outages(seen: Overview) -> Iterator[Sign]:
    """Backends that failed, and detectors that could not look."""
    asked: Counter[str] = Counter(name for each in seen.seen for name, _ in each.asked)
    failed = [
        (name, each.exchange.at) for each in seen.seen for name, problem in each.asked if problem
    ]
    for name, count in Counter(name for name, _ in failed).items():
        share = Share(count, asked[name])
        if share.interval[0] > BACKEND_FAILING:
            times = [at for backend, at in failed if backend == name]
            yield Sign(What.BACKEND, _level(share), name, share, min(times), max(times))
    blind = [(name, each.exchange.at) for each in seen.seen for name in sorted(each.unchecked)]
    for name, count in Counter(name for name, _ in blind).items():
        times = [at for detector, at in blind if detector == name]
        share = Share(count, len(seen.seen))
        yield Sign(What.UNCHECKED, Level.BAD, name, share, min(times), max(times))


def _worse(seen: Overview) -> Iterator[Sign]:
    for drift in seen.drifts:
        if drift.is_worse and drift.p_adjusted < UNLIKELY:
            yield Sign(What.WORSE, Level.WATCH, drift.persona, since=drift.at, drift=drift)
