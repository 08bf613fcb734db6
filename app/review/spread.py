"""Replaying on Ray: groups of records go out, counts come back, and the sum is the same."""

from collections.abc import Iterable
from itertools import cycle
from types import TracebackType
from typing import Any, Self

from app.domain.errors import BannetonError
from app.ledger.columns import Columns
from app.review.classes import Classes
from app.review.rulebook import Rulebook
from app.review.tally import Tally

_AT_ONCE = 2
"""Groups that wait or are worked on, for each processor: more would only fill memory."""

Books = tuple[Rulebook, Rulebook]


class Spread:
    """A cluster of Ray, as a context: the one that Ray is told of, or one of this machine alone."""

    def __init__(self, books: Books) -> None:
        """Hold what decides, before the change and after it.

        Raises:
            BannetonError: Ray is not installed.
        """
        try:
            import ray  # noqa: PLC0415  # an extra, and seconds to import
        except ImportError:
            what = "--engine ray needs the extra 'ray': pip install 'banneton[ray]'"
            raise BannetonError(what) from None
        self._ray: Any = ray
        self._books = books

    def __enter__(self) -> Self:
        """Start, or join the cluster that Ray's own settings name.

        Raises:
            BannetonError: It does not start.
        """
        try:
            self._ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
        except (OSError, RuntimeError, ValueError) as exc:
            raise BannetonError(f"Ray does not start ({type(exc).__name__}): {exc}") from exc
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ray.shutdown()

    def tally(self, source: Iterable[Columns]) -> Tally:
        """What becomes of records; a group that a lost machine was at work on is done again.

        Raises:
            BannetonError: A group could not be done.
        """
        ray = self._ray
        books = ray.put(self._books)
        made = ray.remote(max_restarts=-1, max_task_retries=-1, num_cpus=1)(_Counting)
        count = max(int(ray.cluster_resources().get("CPU", 1)), 1)
        workers = [made.remote(books) for _ in range(count)]
        total, running = Tally(), list[Any]()
        try:
            for columns, worker in zip(source, cycle(workers), strict=False):
                running.append(worker.count.remote(columns))
                if len(running) >= _AT_ONCE * count:
                    done, running = ray.wait(running)
                    total.merge(ray.get(done[0]))
            for each in running:
                total.merge(ray.get(each))
        except ray.exceptions.RayError as exc:
            what = f"a group of records could not be replayed on Ray ({type(exc).__name__})"
            raise BannetonError(what) from exc
        return total


class _Counting:
    """Counts groups, each by itself, and remembers which records it has decided before."""

    def __init__(self, books: Books) -> None:
        self._classes = Classes(*books)

    def count(self, columns: Columns) -> Tally:
        tally = Tally()
        self._classes.count(columns, tally)
        return tally
