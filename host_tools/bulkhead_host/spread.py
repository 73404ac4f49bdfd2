"""Work in pieces, done in this process, by processes of this machine, or by a cluster's.

dask.distributed does it: `scheduler` is the address of its scheduler, and a worker that is lost
has its pieces done by another. It comes with `pip install "bulkhead-kernel[cluster]"`; one worker
on this machine takes nothing.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from bulkhead_host.errors import BulkheadError, DeviceNotFound, UsageError

Item = TypeVar("Item")
Done = TypeVar("Done")

_AHEAD = 2
"""Pieces a worker has at hand, so that none waits for the next."""

_CONNECT_S = 20

_LOCAL = {
    # dask would close for good what has not come back after 15 s, and a machine with other work
    # takes that long to start a process, or one that dies again is away just then.
    "distributed.deploy.lost-worker-timeout": "1000 days",
    # Then there is an error instead of a wait for ever.
    "distributed.scheduler.no-workers-timeout": "5 minutes",
}
"""What a cluster of processes here has otherwise than dask's configuration."""


def spread(
    work: Callable[[Item], Done],
    next_item: Callable[[], Item | None],
    *,
    workers: int = 1,
    scheduler: str = "",
) -> Iterator[tuple[Item, Done]]:
    """Yield each piece with what `work` made of it, as they come.

    `next_item` is asked whenever a worker is free, and again after each piece; None is that there
    is nothing now. It ends when nothing is under way and there is nothing. Each piece is yielded
    once. What `work` raises is raised here. Raises `UsageError` where the package is missing,
    `DeviceNotFound` where no scheduler answers, and `BulkheadError` for a piece whose workers
    die one after the other, or where no worker is left. A cluster's own scheduler tells that where
    its `no-workers-timeout` is set.
    """
    if workers == 1 and not scheduler:
        while (item := next_item()) is not None:
            yield item, work(item)
        return
    with _client(workers, scheduler) as client:
        yield from _spread_on(client, work, next_item)


def _spread_on(
    client: Any, work: Callable[[Item], Done], next_item: Callable[[], Item | None]
) -> Iterator[tuple[Item, Done]]:
    from distributed import KilledWorker  # noqa: PLC0415  (1 s)
    from distributed.scheduler import NoWorkerError  # noqa: PLC0415

    pieces = _Pieces(client, work, next_item)
    try:
        pieces.go_on()
        while pieces.pending:
            future, item = pieces.next()
            try:
                made = future.result()
            except KilledWorker as error:
                if future is pieces.alone:
                    raise BulkheadError(
                        f"the workers that did {item} died, one after the other",
                        "see their logs: memory may be short",
                    ) from error
                pieces.accused.append(item)
            except NoWorkerError as error:
                raise BulkheadError(
                    f"no worker is left that could do {item}", "start workers again"
                ) from error
            else:
                yield item, made
            pieces.go_on()
    finally:
        client.cancel(list(pieces.pending))


class _Pieces(Generic[Item]):
    """The pieces that a cluster has at hand.

    All that a worker has at hand are accused of its death. Each of them is done again `alone`,
    when nothing else is under way: then the one that kills is known.
    """

    def __init__(
        self, client: Any, work: Callable[[Item], Any], next_item: Callable[[], Item | None]
    ) -> None:
        from distributed import as_completed  # noqa: PLC0415  (1 s)

        self._client = client
        self._work = work
        self._next_item = next_item
        self._finished = as_completed()
        self.pending: dict[Any, Item] = {}
        self.accused: list[Item] = []
        self.alone: Any = None

    def next(self) -> tuple[Any, Item]:
        """Wait for a piece, and return its future and the piece."""
        future = next(self._finished)
        return future, self.pending.pop(future)

    def go_on(self) -> None:
        """Have more pieces done; while some are accused, one of those, and nothing beside it."""
        if self.accused:
            if not self.pending:
                self.alone = self._submit(self.accused.pop(0))
            return
        while len(self.pending) < _AHEAD * max(1, len(self._client.nthreads())):
            item = self._next_item()
            if item is None:
                return
            self._submit(item)

    def _submit(self, item: Item) -> Any:
        future = self._client.submit(self._work, item, pure=False)
        self.pending[future] = item
        self._finished.add(future)
        return future


@contextmanager
def _client(workers: int, scheduler: str) -> Iterator[Any]:
    """Yield a client of a cluster: the one at an address, or one of processes here."""
    try:
        import dask  # noqa: PLC0415  (these take 1 s to load)
        import distributed  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            "several workers take dask.distributed, which is not installed",
            'pip install "bulkhead-kernel[cluster]", or leave out --workers',
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    # A piece carries its image, a megabyte.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
        if scheduler:
            try:
                client = distributed.Client(scheduler, timeout=_CONNECT_S)
            except (OSError, ValueError) as error:
                raise DeviceNotFound(
                    f"no scheduler answers at {scheduler}: {error}", "dask scheduler"
                ) from error
            with client:
                yield client
            return
        with local_cluster(workers) as cluster, distributed.Client(cluster) as client:
            yield client


@contextmanager
def local_cluster(workers: int) -> Iterator[Any]:
    """Yield dask's cluster of processes on loopback: a worker that dies is started again."""
    import dask  # noqa: PLC0415  (these take 1 s to load)
    import distributed  # noqa: PLC0415

    with (
        dask.config.set(_LOCAL),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster
