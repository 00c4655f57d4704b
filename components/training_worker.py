"""One worker of a training, in a process of its own.

    python -m components.training_worker JOB      with TF_CONFIG in the environment

It trains in the directory of JOB, the file of ``training_job``. What it says of its end is what
``worker_process`` and ``training_job`` list.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from components.cluster import find_cluster
from components.errors import RnnflowError
from components.fitting import WorkerLostError, fit_as_worker
from components.quiet import quiet_libraries
from components.training_job import load_job, status_of
from components.worker_process import ERROR, FINISHED, LOST_PEER


def main(job_path: str) -> int:
    """Trains, and returns the exit status."""
    _log_to_standard_output()
    try:
        cluster = find_cluster(os.environ)
        job = load_job(Path(job_path))
        with quiet_libraries():
            fit_as_worker(job, Path(job_path).parent, cluster is None or cluster.is_chief)
    except WorkerLostError as error:
        return _failed(error, LOST_PEER)
    except RnnflowError as error:
        return _failed(error, status_of(error))
    print(FINISHED, flush=True)
    return 0


def _failed(error: Exception, status: int) -> int:
    print(ERROR + " ".join(str(error).split()), flush=True)
    return status


def _log_to_standard_output() -> None:
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    for name in ("rnn_core", "rnnflow"):
        logging.getLogger(name).setLevel(logging.INFO)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
