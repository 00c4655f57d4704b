"""The command that answers requests with the champion, until it is stopped."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from components.monitoring.log_files import LogFiles, LogOptions
from components.runtime.libraries import tensorflow_loading
from components.serving.access import check_access, read_token
from components.serving.limits import Batching, Limits
from pipelines.console import printable
from pipelines.work_directory import WorkDirectory


def serve(
    name: str,
    host: str,
    port: int,
    token_file: Path | None,
    poll_seconds: float,
    drain_seconds: float,
    limits: Limits,
    batching: Batching,
    work_dir: Path,
    log: LogOptions | None = None,
) -> None:
    """Answers requests until a signal ends it.

    Args:
        name: the registered model.
        host: the address to listen at.
        port: the port; 0 finds a free one.
        token_file: holds the token that a request must have.
        poll_seconds: how often the registry is asked for the champion.
        drain_seconds: how long after SIGTERM requests are still taken.
        limits: of requests.
        batching: how rows become batches.
        work_dir: the work directory.
        log: where a sample of the answers is logged, if it is.

    Raises:
        UserError: the address cannot be used, or is reached from other machines without a token,
          or the folder of the log cannot be written.
        NotFoundError: there is no champion.
        RegistryError: the registry is unreachable.
        BrokenModelError: the champion does not load.
    """
    token = read_token(token_file)
    check_access(host, token)
    work = WorkDirectory.at(work_dir)
    if log is not None:
        LogFiles(log).check_writable()
    _log_to_standard_error()
    with tensorflow_loading():
        # Behind the checks, so that a mistake is reported at once; the rest imports TensorFlow.
        from components.serving.server import bind

        listener = bind(host, port)
    from components.monitoring.answer_log import AnswerLog
    from components.serving.app import Service
    from components.serving.host import ModelHost, Registry
    from components.serving.log_metrics import LastFindings, LogCollector
    from components.serving.metrics import Metrics
    from components.serving.server import run

    metrics, answer_log = Metrics(), None
    registry = Registry(name, work.tracking_uri, work.champions)
    with listener:
        models = ModelHost(registry, limits, batching, metrics)
        models.load_first()
        models.follow(poll_seconds)
        if log is not None:
            last = LastFindings(log.folder)
            answer_log = AnswerLog(log, last.look)
            metrics.add(LogCollector(answer_log, last))
        run(Service(models, limits, metrics, token, answer_log), listener, drain_seconds)


class _PrintableFormatter(logging.Formatter):
    """Names of labels and models come from others: a terminal must not act on them."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep="\n")


def _log_to_standard_error() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PrintableFormatter("%(asctime)s %(levelname)s %(message)s"))
    for name in ("rnnflow.serving", "rnnflow.servers", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False
    logging.getLogger("rnnflow").setLevel(logging.INFO)
    # It tells of each step of its start and end; what a user can use of that is said elsewhere.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
