"""Chief and followers meet in a directory, and heed nothing that is not of their own start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from components.errors import WorkerFailedError
from components.workers.cluster import WorkerCluster
from components.workers.rendezvous import Chief, Follower, Order
from tests.components.worker_commands import wait_for

ADDRESSES = ("a:1", "b:2", "c:3")
JOB = Path("/work/job.json")
LONG = 60.0


def _cluster(index: int) -> WorkerCluster:
    return WorkerCluster(ADDRESSES, index)


def _follower(directory: Path, index: int = 1) -> Follower:
    return Follower(directory, _cluster(index))


@pytest.fixture
def chief(tmp_path: Path) -> Chief:
    return Chief(tmp_path, _cluster(0))


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def _waiting(threads: ThreadPoolExecutor, *followers: Follower) -> list[Future[Order]]:
    return [threads.submit(follower.next_order, LONG) for follower in followers]


def test_all_followers_get_the_job_when_the_last_one_is_there(
    chief: Chief, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    first = _waiting(threads, _follower(tmp_path, 1))
    call = threads.submit(chief.dispatch, JOB, LONG)
    second = _waiting(threads, _follower(tmp_path, 2))
    call.result()
    orders = [future.result() for future in (*first, *second)]
    assert orders[0] == orders[1]
    assert (orders[0].status, orders[0].job) == ("train", str(JOB))


def test_a_follower_that_never_comes_is_named_with_its_address(
    chief: Chief, tmp_path: Path
) -> None:
    _follower(tmp_path, 1)
    with pytest.raises(WorkerFailedError) as caught:
        chief.dispatch(JOB, 0.1)
    assert "worker 2 (c:3) did not register within 0 s (1 of 2 are missing)" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_chief_that_never_comes_is_named_with_the_directory(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailedError, match="worker 1 got no order from worker 0") as caught:
        _follower(tmp_path).next_order(0.1)
    assert str(tmp_path) in str(caught.value)


def test_what_an_earlier_run_left_means_nothing(
    chief: Chief, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    orders = _waiting(threads, _follower(tmp_path, 1), _follower(tmp_path, 2))
    chief.dispatch(JOB, LONG)
    assert {future.result().status for future in orders} == {"train"}
    # Both were killed, and so was the chief: the order and the registrations are still there.
    late = _follower(tmp_path, 1)
    with pytest.raises(WorkerFailedError, match="got no order"):
        late.next_order(0.3)
    again = Chief(tmp_path, _cluster(0))
    with pytest.raises(WorkerFailedError, match="2 of 2 are missing"):
        again.dispatch(JOB, 0.1)


def test_followers_that_registered_before_the_chief_started_register_again(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    orders = _waiting(threads, _follower(tmp_path, 1), _follower(tmp_path, 2))
    Chief(tmp_path, _cluster(0)).dispatch(JOB, LONG)
    assert {future.result().status for future in orders} == {"train"}


def test_a_follower_that_registers_again_is_lost_to_the_order(
    chief: Chief, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    followers = [_follower(tmp_path, 1), _follower(tmp_path, 2)]
    orders = _waiting(threads, *followers)
    chief.dispatch(JOB, LONG)
    order = orders[1].result()
    assert _loss(chief) is None
    followers[1].register()
    loss = _loss(chief)
    assert loss is not None
    assert loss.startswith("worker 2 (c:3) has failed")
    assert followers[1].is_current(order)


def _loss(chief: Chief) -> str | None:
    """What the chief finds when it reads the registrations, which not every call does."""
    time.sleep(0.25)
    return chief.find_lost_worker()


def test_a_second_dispatch_withdraws_the_first_order_and_waits_for_all(
    chief: Chief, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    followers = [_follower(tmp_path, 1), _follower(tmp_path, 2)]
    first = [future.result() for future in _dispatched(chief, threads, followers, tmp_path)]
    with pytest.raises(WorkerFailedError, match="2 of 2 are missing"):
        chief.dispatch(JOB, 0.1)
    assert not followers[0].is_current(first[0])
    second = [future.result() for future in _dispatched(chief, threads, followers, tmp_path)]
    assert second[0] == second[1]
    assert second[0].tokens.isdisjoint(first[0].tokens)


def _dispatched(
    chief: Chief, threads: ThreadPoolExecutor, followers: list[Follower], directory: Path
) -> list[Future[Order]]:
    """Dispatches; the followers wait for an order once the one before is withdrawn."""
    call = threads.submit(chief.dispatch, JOB, LONG)
    wait_for(lambda: call.done() or not (directory / "order.json").exists())
    orders = _waiting(threads, *followers)
    call.result()
    return orders


def test_a_follower_that_saw_nothing_of_the_first_order_gets_the_second(
    chief: Chief, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    quick, slow = _follower(tmp_path, 1), _follower(tmp_path, 2)
    first = _waiting(threads, quick)
    chief.dispatch(JOB, LONG)
    first[0].result()
    orders = _dispatched(chief, threads, [quick, slow], tmp_path)
    assert orders[0].result() == orders[1].result()


@pytest.mark.parametrize("status", ["done", "failed"])
def test_followers_are_dismissed_whether_they_trained_or_not(
    chief: Chief, tmp_path: Path, threads: ThreadPoolExecutor, status: str
) -> None:
    followers = [_follower(tmp_path, 1), _follower(tmp_path, 2)]
    if status == "done":
        for future in _dispatched(chief, threads, followers, tmp_path):
            future.result()
    orders = _waiting(threads, *followers)
    ends: dict[str, int] = {
        "done": chief.dismiss("done", "", LONG) if status == "done" else 0,
        "failed": chief.dismiss("failed", "no rows", LONG) if status == "failed" else 0,
    }
    assert ends[status] == 0
    order = orders[0].result()
    assert order.status == status
    assert order.reason == ("no rows" if status == "failed" else "")


def test_those_that_come_late_are_waited_for_and_the_others_only_once(
    chief: Chief, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    early = _follower(tmp_path, 1)
    orders = _waiting(threads, early)
    assert chief.dismiss("done", "", 0.0) == 1
    assert orders[0].result().status == "done"
    early.close()
    end = threads.submit(chief.dismiss, "done", "", LONG)
    late = _waiting(threads, _follower(tmp_path, 2))
    assert late[0].result().status == "done"
    assert end.result() == 0
    assert chief.dismiss("done", "", LONG) == 0


def test_a_follower_that_left_is_not_registered(chief: Chief, tmp_path: Path) -> None:
    _follower(tmp_path, 1).close()
    _follower(tmp_path, 2)
    with pytest.raises(WorkerFailedError, match="worker 1"):
        chief.dispatch(JOB, 0.1)


def test_a_second_process_with_the_same_index_is_told_to_the_first(tmp_path: Path) -> None:
    first = _follower(tmp_path, 1)
    _follower(tmp_path, 1)
    with pytest.raises(WorkerFailedError, match="is worker 1 of the same cluster too"):
        first.next_order(LONG)
    first.close()
    assert (tmp_path / "worker-1.json").exists()
