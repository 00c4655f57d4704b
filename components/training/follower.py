"""What a worker of a cluster does that is not the chief: it waits for orders and runs its part."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from components.config import LaunchConfig
from components.errors import TrainingError
from components.training.job import logs_of, training_command
from components.workers.cluster import Cluster
from components.workers.local_cluster import own_worker
from components.workers.rendezvous import Follower, Order
from components.workers.supervisor import raising_sigterm, run_workers
from components.workers.worker_process import WorkerCommand

_LOG = logging.getLogger("rnnflow.workers")


def follow(
    directory: Path,
    cluster: Cluster,
    launch: LaunchConfig,
    command: Callable[[Path], Sequence[str]] = training_command,
) -> None:
    """Takes part in the chief's trainings until the chief lets this worker go.

    Args:
      directory: where the workers of this cluster meet.
      cluster: the workers, and which one this is.
      launch: how long to wait.
      command: what runs this worker's part of a job.

    Raises:
      TrainingError: the chief failed, did not come, or another process has this one's index.
      StorageError: the directory cannot be written.
    """
    with raising_sigterm(), contextlib.closing(Follower(directory, cluster)) as follower:
        while (order := follower.next_order(launch.chief_wait_seconds)).status == "train":
            job = Path(order.job)
            worker = own_worker(command(job), cluster, logs_of(job))
            _take_part(follower, order, worker, launch)
    if order.status == "failed":
        raise TrainingError(f"the chief of this worker failed: {order.reason}")


def _take_part(
    follower: Follower, order: Order, worker: WorkerCommand, launch: LaunchConfig
) -> None:
    def look() -> str | None:
        return None if follower.stands(order) else "The chief took its order back."

    failure = run_workers([worker], launch, look)
    if failure and follower.stands(order):
        _LOG.warning("%s What follows is up to the chief.", failure.reason)
        follower.register()
