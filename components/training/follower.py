"""What the workers of a cluster other than the chief do: wait for orders and run their part."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from components.config import LaunchConfig
from components.errors import TrainingError
from components.training.job import logs_of, training_command
from components.workers.cluster import WorkerCluster
from components.workers.local_cluster import own_worker
from components.workers.rendezvous import Follower, Order
from components.workers.supervisor import raising_sigterm, run_workers

_LOG = logging.getLogger("rnnflow.workers")


def join_cluster(
    directory: Path,
    cluster: WorkerCluster,
    launch: LaunchConfig,
    command: Callable[[Path], Sequence[str]] = training_command,
) -> None:
    """Takes part in the trainings of the chief until it dismisses this worker.

    Args:
        directory: of this cluster's registrations and orders.
        cluster: the workers, and which one this is.
        launch: how long to wait.
        command: what runs this worker's part of a job.

    Raises:
        TrainingError: the chief failed or did not start, or another process has this one's index.
        StorageError: the directory cannot be written.
    """
    with raising_sigterm(), contextlib.closing(Follower(directory, cluster)) as follower:
        while (order := follower.next_order(launch.chief_wait_seconds)).status == "train":
            job = Path(order.job)
            worker = own_worker(command(job), cluster, logs_of(job))

            # A default value, bound now: the loop gives `order` another value.
            def find_stop_reason(order: Order = order) -> str | None:
                return None if follower.is_current(order) else "The chief withdrew its order."

            failure = run_workers([worker], launch, find_stop_reason)
            if failure and follower.is_current(order):
                _LOG.warning(
                    "%s The chief decides whether all workers start again.", failure.reason
                )
                # The new token is how the chief notices the failure.
                follower.register()
    if order.status == "failed":
        raise TrainingError(f"the chief of this worker failed: {order.reason}")
