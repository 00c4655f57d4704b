"""One pipeline run in MLflow, and the link to it in Prefect: a parent run, a nested one a stage."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path

from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from components.artifacts.values import Rows
from components.tracking import tracker
from components.tracking.background_sender import Lingering
from pipelines.config import PipelineConfig, flatten
from pipelines.provenance import provenance_tags
from pipelines.stage_records import StageRecord
from pipelines.work_directory import CONFIG, JOURNAL, Status, WorkDirectory

LINGER_SECONDS = 5.0
"""How long MLflow's picture of a run may be behind, at most, while its server answers."""

_PARENT = "pipeline"


class RunTracking:
    """What one run tells MLflow. A server that is away loses nothing and stops nothing.

    All is on disk at once, and the server is told by a thread of its own, some seconds later: a
    stage waits neither for the server nor for the import of MLflow.
    """

    def __init__(
        self,
        work: WorkDirectory,
        run_id: str,
        config: PipelineConfig,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        self._work, self._run_id, self._name = work, run_id, config.name
        directory = work.runs / run_id
        self._journal = directory / JOURNAL
        self._is_linked = self._has_ended = self._earlier_runs_are_settled = False
        self._settling = threading.Lock()
        self._sender = Lingering(self._send, linger_seconds)
        self._tracker = tracker.Tracker(
            self._journal, work.tracking_uri, config.name, self._sender.want
        )
        tags = {tracker.WORK_DIR_TAG: str(work.root), "rnnflow.run_id": run_id}
        self._tracker.start_run(_PARENT, run_id, None, tags | _running_tags())
        self._tracker.log_params(_PARENT, flatten(config))
        self._tracker.log_artifact(_PARENT, directory / CONFIG)

    def _send(self) -> None:
        self._settle_earlier_runs()
        self._tracker.send()

    def _settle_earlier_runs(self) -> None:
        """Comes before the server hears of this run."""
        # Here, so that it is the thread that sends which waits for the import of MLflow.
        from components.tracking.recovery import mark_killed_runs, replay_pending

        with self._settling:
            if not self._earlier_runs_are_settled:
                replay_pending(self._work.runs, self._work.tracking_uri, self._journal)
                mark_killed_runs(self._work.tracking_uri, self._name, self._work.root)
                self._earlier_runs_are_settled = True

    @property
    def mlflow_run_id(self) -> str | None:
        """The parent run, which is made if need be; None as long as the server is away."""
        if self._tracker.run_id(_PARENT) is None and not self._has_ended:
            self._send()
        return self._tracker.run_id(_PARENT)

    def stage_started(self, name: str) -> None:
        """Opens the nested run of a stage."""
        self._tracker.start_run(name, name, _PARENT, {"rnnflow.stage": name})

    def stage_finished(self, name: str, record: StageRecord, reused: bool) -> None:
        """Logs all that a stage made: the same for one that was reused."""
        self._tracker.log_params(name, record.parameters)
        if record.history:
            self.follow(name, record.history)
        now = time.time_ns() // 1_000_000
        points = [tracker.Point(key, value, 0, now) for key, value in record.metrics.items()]
        self._tracker.log_metrics(name, points)
        for path in record.artifacts:
            self._tracker.log_artifact(name, path, path.name if path.is_dir() else "")
        self._tracker.end_run(name, "FINISHED", {"rnnflow.reused": str(reused).lower()})
        if not self._is_linked and self._tracker.run_id(_PARENT) is not None:
            self._link_from_prefect()

    def stage_failed(self, name: str, artifacts: Iterable[Path] = ()) -> None:
        """Ends the nested run of a stage that failed, with what may say why."""
        for path in artifacts:
            self._tracker.log_artifact(name, path)
        self._tracker.end_run(name, "FAILED", {"rnnflow.status": "failed"})

    def follow(self, name: str, history: Path) -> None:
        """Logs the new lines of a history."""
        self._tracker.follow(name, history)

    def log_rows(self, name: str, rows: Rows) -> None:
        """Enters the data set, a file a split, as inputs of the parent run."""
        for file in rows.files:
            context = file.split or "all splits"
            profile = {"bytes": file.size_bytes}
            self._tracker.log_dataset(
                _PARENT, f"{name}-{Path(file.path).stem}", file.digest, file.path,
                profile=profile, context=context,
            )  # fmt: skip

    def log_summary(self, metrics: dict[str, float], files: Iterable[Path]) -> None:
        """Puts the test metrics on the parent run, to be compared, and the report beside them."""
        now = time.time_ns() // 1_000_000
        points = (tracker.Point(key, value, 0, now) for key, value in metrics.items())
        self._tracker.log_metrics(_PARENT, points)
        for path in files:
            self._tracker.log_artifact(_PARENT, path)

    def end(self, status: Status, reason: str) -> int:
        """Ends the parent run; returns how many events the server still lacks."""
        finished: tracker.RunStatus = "FAILED" if status == "failed" else "FINISHED"
        # MLflow shows its note as the description of the run.
        tags = {
            tracker.STATUS_TAG: status,
            "rnnflow.reason": reason,
            "mlflow.note.content": reason,
        }
        self._tracker.end_run(_PARENT, finished, tags)
        self._sender.close()
        self._settle_earlier_runs()
        unsent = self._tracker.flush()
        self._has_ended = True
        if not self._is_linked:
            self._link_from_prefect()
        return unsent

    def _link_from_prefect(self) -> None:
        mlflow_run = self._tracker.run_id(_PARENT) or "not known yet: the server is away"
        address = self._work.tracking_uri
        lines = [
            f"MLflow experiment `{self._name}`, run `{mlflow_run}`, at `{address}`.",
            f"On disk: `runs/{self._run_id}` of the work directory.",
        ]
        create_markdown_artifact("\n\n".join(lines), key="mlflow-run", description="MLflow run")
        self._is_linked = True


def prefect_address() -> str | None:
    """The page of this flow run; None with Prefect's ephemeral server, which has no pages."""
    address = str(flow_run.ui_url)
    return address if address.startswith("http") else None


def _running_tags() -> dict[str, str]:
    return {
        tracker.STATUS_TAG: "running",
        "prefect.flow_run_id": str(flow_run.id),
        "prefect.flow_run_url": prefect_address()
        or "an ephemeral server's: `prefect server start`",
        **provenance_tags(),
    }
