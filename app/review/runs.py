"""Plans that are made on request: beside the event loop, one after the other, and kept a while."""

import logging
import secrets
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.domain.errors import BannetonError, Problem, RequestError
from app.review.diffs import Edits
from app.review.plan import Plan

_log = logging.getLogger("banneton.console")

MOST_RECORDS = 20_000
"""Of the newest that are decided again."""
_MOST_WAITING = 4
_MOST_KEPT = 12
_MOST_S = 900.0
"""How long one may take."""


class Doing(StrEnum):
    """What is being done for a plan, in order."""

    WAITING = "waiting"
    FILES = "files"
    CASES = "cases"
    RECORDS = "records"
    EVALS = "evals"
    REPORT = "report"


Say = Callable[[Doing], None]
"""Told what is being done; raises where nobody wants it any more."""


@dataclass(frozen=True, slots=True)
class RecordsWish:
    """Which recorded decisions are made again."""

    tenant: str | None
    most: int = MOST_RECORDS


@dataclass(frozen=True, slots=True)
class PlanWish:
    """A change, and what to look at."""

    now: datetime
    base: str
    """A revision that is known to be there; empty for the files as they are."""
    edits: Edits = field(default_factory=dict)
    head: str = ""
    """A revision that is known to be there, in place of edits."""
    records: RecordsWish | None = None
    evals: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """What there is to say of a change."""

    plan: Plan
    cases: int
    """Expectations beside the files that were looked at, with the change."""
    broken: tuple[Problem, ...]
    """Those that do not hold, as ``banneton check`` tells them."""


@dataclass(slots=True)
class Run:
    """A plan that is made, or has been."""

    id: str
    owner: str
    wish: PlanWish
    patch: bytes
    """The change of a draft or of a patch, as ``git apply`` takes it; empty for a revision's."""
    doing: Doing = Doing.WAITING
    made: Made | None = None
    error: BannetonError | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is a plan, or a reason why there is none."""
        return self.made is not None or self.error is not None


class TooMuchError(RequestError):
    """Too many plans are asked for, or one takes too long."""


MakePlan = Callable[[PlanWish, Say], Made]


class PlanRuns:
    """Makes plans. Holds at most a few, in memory alone."""

    def __init__(self, make: MakePlan, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Make each with ``make``, in a thread, until the process stops."""
        self._make = make
        self._is_stopping = is_stopping
        self._runs: dict[str, Run] = {}
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="plan")

    def start(self, wish: PlanWish, *, owner: str, patch: bytes = b"") -> Run:
        """Begin with one, as soon as those before it are done.

        Raises:
            TooMuchError: Others wait already.
        """
        if sum(not run.is_over for run in self._runs.values()) >= _MOST_WAITING:
            raise TooMuchError("other plans are being made; try again when they are done")
        over = [run.id for run in self._runs.values() if run.is_over]
        for id_ in over[: max(len(self._runs) - _MOST_KEPT + 1, 0)]:
            del self._runs[id_]
        run = Run(secrets.token_hex(8), owner, wish, patch)
        self._runs[run.id] = run
        self._threads.submit(self._work, run)
        return run

    def find(self, id_: str, *, owner: str) -> Run | None:
        """One that this owner began, where it is still kept."""
        run = self._runs.get(id_)
        return run if run is not None and run.owner == owner else None

    def _work(self, run: Run) -> None:
        began = time.monotonic()

        def say(doing: Doing) -> None:
            if self._is_stopping():
                raise TooMuchError("the gateway stops")
            if time.monotonic() - began > _MOST_S:
                raise TooMuchError(
                    f"this takes longer than {_MOST_S:.0f} s; run 'banneton plan' beside the files"
                )
            run.doing = doing

        try:
            say(Doing.FILES)
            run.made = self._make(run.wish, say)
        except BannetonError as exc:
            run.error = exc
        except Exception as exc:  # noqa: BLE001  # the edge of the thread: nobody else would hear it
            # Where it happened, not what it says: its message may quote what somebody wrote.
            where = "".join(traceback.format_tb(exc.__traceback__))
            _log.error("%s in a plan\n%s", type(exc).__name__, where)
            run.error = BannetonError("the plan could not be made; the gateway's log says why")
