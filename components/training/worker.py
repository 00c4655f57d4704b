"""One worker of a training, in a process of its own.

    python -m components.training.worker JOB      with TF_CONFIG in the environment

It trains in the directory of JOB, a file of ``components.training.job``. How it reports its end is
listed there and in ``components.workers.worker_process``.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from components.errors import RnnflowError
from components.runtime.libraries import load_tensorflow, quiet_libraries
from components.training.job import load_job, status_of
from components.workers.worker_process import ERROR, FINISHED, LOST_PEER


def main(job_path: str) -> int:
    """Trains, and returns the exit status."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    for name in ("rnn_core", "rnnflow"):
        logging.getLogger(name).setLevel(logging.INFO)
    load_tensorflow()
    with quiet_libraries():
        status = _train(Path(job_path))
    if status == 0:
        # Before the interpreter ends, which may hang in a library: the work is done from here on.
        print(FINISHED, flush=True)
    return status


def _train(job: Path) -> int:
    # Imported here, after TensorFlow was loaded without its messages.
    import rnn_core
    from components.training.fit import fit_as_worker

    try:
        fit_as_worker(load_job(job), job.parent)
    except rnn_core.WorkerLostError as error:
        return _failed(error, LOST_PEER)
    except rnn_core.RnnCoreError as error:
        # Such as a port that was taken in the meantime: another start may succeed.
        return _failed(error, os.EX_TEMPFAIL)
    except RnnflowError as error:
        return _failed(error, status_of(error))
    return 0


def _failed(error: Exception, status: int) -> int:
    print(ERROR + " ".join(str(error).split()), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
