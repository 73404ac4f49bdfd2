"""Work that is spread over processes: each piece once, whatever happens to a worker."""

import json
import os
import runpy
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import campaign.__main__ as campaign
import cloudpickle
import dask
import pytest
from distributed import Client
from model import explore

from bulkhead_host.errors import BulkheadError, DeviceNotFound
from bulkhead_host.spread import _LOCAL, local_cluster, spread

# Of dask's, when a worker dies: sockets that it leaves to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

COUNT = 30


def square(number: int) -> int:
    """Be the work. No test's module is where workers can import it from, so it goes along."""
    return number * number


def square_or_die(number: int, *, folder: Path, deaths: int) -> int:
    """Be work whose process dies at piece 3 until it has died so often."""
    if number == 3 and len(list(folder.iterdir())) < deaths:
        (folder / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def refuse(number: int) -> int:
    """Be work that raises an error of the tool's."""
    raise BulkheadError(f"no {number}")


def numbers(count: int = COUNT) -> Iterator[int]:
    yield from range(count)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Yield the address of a scheduler on loopback that has two workers.

    dask would close those that take longer than that to come back, as on a busy machine.
    """
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "10ms"}),
        local_cluster(2) as cluster,
    ):
        yield cluster.scheduler_address


def pickled_by_value() -> None:
    import cloudpickle  # noqa: PLC0415

    cloudpickle.register_pickle_by_value(__import__(__name__, fromlist=["x"]))


def test_one_worker_does_it_here_in_order() -> None:
    source = numbers()
    done = list(spread(square, lambda: next(source, None)))
    assert done == [(number, number * number) for number in range(COUNT)]


def test_pieces_are_done_once_each_by_a_cluster(address: str) -> None:
    pickled_by_value()
    source = numbers()
    done = list(spread(square, lambda: next(source, None), scheduler=address))
    assert sorted(done) == [(number, number * number) for number in range(COUNT)]


def test_a_worker_that_is_lost_loses_no_piece_and_doubles_none(
    address: str, tmp_path: Path
) -> None:
    pickled_by_value()
    source = numbers()
    work = partial(square_or_die, folder=tmp_path, deaths=2)
    done = list(spread(work, lambda: next(source, None), scheduler=address))
    assert len(list(tmp_path.iterdir())) == 2
    assert sorted(done) == [(number, number * number) for number in range(COUNT)]


def test_a_piece_that_kills_every_worker_is_an_error(address: str, tmp_path: Path) -> None:
    pickled_by_value()
    source = numbers()
    work = partial(square_or_die, folder=tmp_path, deaths=1000)
    with pytest.raises(BulkheadError, match="the workers that did 3 died"):
        list(spread(work, lambda: next(source, None), scheduler=address))


def test_pieces_whose_workers_died_beside_others_are_tried_alone(
    address: str, tmp_path: Path
) -> None:
    """The scheduler gives up all that a worker had at hand, when the fourth such worker dies."""
    pickled_by_value()
    source = numbers()
    work = partial(square_or_die, folder=tmp_path, deaths=5)
    done = list(spread(work, lambda: next(source, None), scheduler=address))
    assert len(list(tmp_path.iterdir())) == 5
    assert sorted(done) == [(number, number * number) for number in range(COUNT)]


def test_no_worker_that_is_left_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pickled_by_value()
    monkeypatch.setitem(_LOCAL, "distributed.scheduler.no-workers-timeout", "1ms")
    with local_cluster(0) as cluster, pytest.raises(BulkheadError, match="no worker is left"):
        list(spread(square, lambda: 1, scheduler=cluster.scheduler_address))


def test_what_the_work_raises_is_raised(address: str) -> None:
    pickled_by_value()
    source = numbers()
    with pytest.raises(BulkheadError, match="no "):
        list(spread(refuse, lambda: next(source, None), scheduler=address))


def test_a_piece_may_make_another(address: str) -> None:
    pickled_by_value()
    waiting = [8]
    done = []

    def next_item() -> int | None:
        return waiting.pop() if waiting else None

    for item, _ in spread(square, next_item, scheduler=address):
        done.append(item)
        if item > 1:
            waiting.append(item // 2)
    assert done == [8, 4, 2, 1]


def test_no_scheduler_at_an_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bulkhead_host.spread._CONNECT_S", 0.5)
    with pytest.raises(DeviceNotFound, match="no scheduler answers at tcp"):
        list(spread(square, lambda: 1, scheduler="tcp://127.0.0.1:1"))


def _ends_first(found: Iterator[tuple[object, object]], address: str) -> Iterator[object]:
    """Yield what is found, and kill a worker that is at work after the first."""
    yield next(found)
    with Client(address) as client:
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    yield from found


def test_a_campaign_that_loses_a_worker_has_each_fault_once(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results.jsonl"
    monkeypatch.setitem(campaign.SIZES, ("services", "sim"), 30)
    monkeypatch.setattr(
        campaign, "spread", lambda *args, **crew: _ends_first(spread(*args, **crew), address)
    )
    command = ["campaign", "--faults", "120", "--results", str(results), "--scheduler", address]
    monkeypatch.setattr("sys.argv", command)
    assert campaign.main() == 0
    kept = [json.loads(line) for line in results.read_text().splitlines()]
    assert len({piece["seed"] for piece in kept}) == len(kept) == 4
    assert sum(piece["faults"] for piece in kept) == 120


def test_what_makes_a_campaigns_pieces_goes_along_to_workers() -> None:
    """Run by its command it is `__main__`, of which a worker has another."""
    program = runpy.run_path(str(campaign.__file__), run_name="no_module_of_a_worker")
    assert cloudpickle.loads(cloudpickle.dumps(program["do"]))


def test_an_exploration_that_loses_a_worker_has_each_world_once(
    address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    worlds = ["updatehard", "reopens", "wrapfar", "stashes", "mixed"]
    monkeypatch.setattr(
        explore, "spread", lambda *args, **crew: _ends_first(spread(*args, **crew), address)
    )
    monkeypatch.setattr("sys.argv", ["explore", *worlds, "--scheduler", address])
    assert explore.main() == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line.split()[0] for line in lines if line.split()[0] in worlds]
    assert sorted(told) == sorted(worlds)
