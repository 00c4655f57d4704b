"""The flow: raw sequences in, a gated, served and tracked classifier out."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from components.artifacts.schema import load_schema
from components.data.statistics import read_statistics
from components.errors import BusyError
from components.workers.cluster import find_cluster
from pipelines import tasks
from pipelines.config import PipelineConfig, load_config, preloaded_config
from pipelines.console import LOGGER, printable, show_servers
from pipelines.pipeline_run import PipelineRun
from pipelines.run_tracking import name_flow_run
from pipelines.schedules.when import CONDITIONS
from pipelines.upkeep.ending import do_upkeep
from pipelines.upkeep.killed_runs import FLOW, SKIPPED
from pipelines.work_directory import WorkDirectory
from pipelines.workers import with_workers

DESCRIPTION = (
    "Reads labelled sequences, trains an RNN classifier, measures it on rows that the training "
    "never saw, and registers it in MLflow. If it passes the gate, it becomes the champion, the "
    "version that serves. What did not change since an earlier run is reused."
)


@flow(name=FLOW, description=DESCRIPTION, flow_run_name="{run_id}", persist_result=False)
def training_flow(
    config_path: str,
    work_dir: str = ".rnnflow",
    run_id: str = "",
    until: str | None = None,
    rerun: str | None = None,
    workers: int | None = None,
    when: str = "always",
    # Prefect looks a type up by its name, and finds builtins alone.
    settings: list[str] | None = None,
) -> State[Any]:
    """One run of the pipeline.

    Args:
        config_path: the YAML file.
        work_dir: where artifacts, runs and, by default, MLflow's database are.
        run_id: names the run; made from the time if it is empty.
        until: the last stage to run; all of them if it is None.
        rerun: a stage that runs even though it could be reused.
        workers: processes that train, instead of the config's ``training.workers``.
        when: one of ``pipelines.schedules.when.CONDITIONS``: whether there is anything to do.
        settings: ``KEY=VALUE``, which replace what the config says.

    Returns:
        How it ended; Cancelled if another run is going on in the work directory, Skipped if there
        was nothing to do.
    """
    show_servers()
    # A schedule calls the flow with a path alone; the command line has loaded the config already.
    config = preloaded_config() or with_workers(
        load_config(Path(config_path), settings or ()), workers, find_cluster(os.environ)
    )
    work = WorkDirectory.at(Path(work_dir))
    if reason := CONDITIONS[when](config, work):
        name_flow_run(f"{config.name} skipped")
        LOGGER.info("skipped: %s", reason)
        print(f"{config.name}: skipped, {printable(reason)}", flush=True)
        do_upkeep(work, config.name, config.retention)
        return Completed(name=SKIPPED, message=reason)
    run = PipelineRun(config, work, run_id, until=until, rerun=rerun)
    with contextlib.suppress(BusyError), run:
        rows = run.stage(tasks.find_rows, config.data)
        examples = run.stage(
            tasks.write_examples, rows, config.data, config.features, config.preprocessing,
            on_progress=run.on_rows,
        )  # fmt: skip
        check_labels(config, Path(examples.path))
        if config.drift != "off":
            run.stage(
                tasks.find_drift, examples, config.drift, config.name, work.tracking_uri,
                directory=work.champions,
            )  # fmt: skip
        model = run.stage(
            tasks.train_model, examples, config.model, config.training, config.seed,
            on_progress=run.on_progress, launch=config.launch, chief=run.chief,
        )  # fmt: skip
        if config.threshold:
            model = run.stage(tasks.choose_threshold, model, config.threshold, config.metrics)
        metrics = run.stage(tasks.measure_model, model, examples, config.metrics)
        baseline = run.stage(tasks.measure_baseline, examples, metrics)
        # Behind the training, which may take days: what counts is who serves at its end.
        incumbents = run.stage(
            tasks.find_incumbents, config.name, work.tracking_uri,
            directory=work.champions, wait_seconds=config.launch.server_wait_seconds,
        )  # fmt: skip
        measured = (model, rows, examples, metrics)
        champion_metrics = run.stage(tasks.measure_champion, incumbents.champion, *measured)
        reference_metrics = run.stage(tasks.measure_reference, incumbents.reference, *measured)
        slices = None
        if config.gate.slices:
            slices = run.stage(
                tasks.measure_slices, examples, metrics, champion_metrics, config.data,
                config.gate.slices,
            )  # fmt: skip
        decision = run.stage(
            tasks.decide, metrics, champion_metrics, config.gate, baseline,
            reference_metrics, incumbents.past, slices,
        )  # fmt: skip
        export = run.stage(tasks.export_model, model, examples, metrics, config.export)
        run.stage(
            tasks.register_model, export, decision, config.name, work.tracking_uri,
            find_run_id=lambda: run.mlflow_run_id, wait_seconds=config.launch.server_wait_seconds,
        )  # fmt: skip
    return run.final_state()


def check_labels(config: PipelineConfig, examples: Path) -> None:
    """Before anything is trained: whether the labels that the config names are among the examples.

    Raises:
        ConfigError: a label is not there.
    """
    rare = read_statistics(examples)["rare_labels"]["rows"]
    config.check_labels(load_schema(examples).labels, tuple(rare))
