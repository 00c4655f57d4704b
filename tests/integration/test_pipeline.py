"""The whole pipeline on JapaneseVowels through the real flow, read back from where users look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from components.errors import DataError
from pipelines.commands.check import check
from pipelines.config import flatten, load_config
from pipelines.work_directory import Outcome
from tests.integration.conftest import Project

STAGES = [
    "rows", "examples", "drift", "model", "metrics", "baseline", "champion",
    "champion_metrics", "reference_metrics", "decision",
    "export", "version",
]  # fmt: skip


def _client(project: Project) -> MlflowClient:
    return MlflowClient(project.work.tracking_uri)


def _runs(project: Project, outcome: Outcome) -> dict[str, Run]:
    """The parent run as ``pipeline`` and the nested ones by their stage."""
    client = _client(project)
    parent = client.get_run(str(outcome.mlflow_run_id))
    nested = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    )
    return {"pipeline": parent} | {run.data.tags["rnnflow.stage"]: run for run in nested}


def _artifacts(project: Project, run: Run) -> set[str]:
    client = _client(project)
    found, folders = set(), [""]
    while folders:
        for item in client.list_artifacts(run.info.run_id, folders.pop()):
            if item.is_dir:
                folders.append(item.path)
            else:
                found.add(item.path)
    return found


def test_the_first_run_promotes_an_accurate_model(first_run: Outcome) -> None:
    assert first_run.status == "promoted"
    assert first_run.exit_code == 0
    assert first_run.metrics is not None
    assert first_run.metrics.examples == 370
    assert first_run.metrics.overall["accuracy"].value >= 0.95
    assert first_run.metrics.overall["accuracy"].low < first_run.metrics.overall["accuracy"].value
    assert [stage.name for stage in first_run.stages] == STAGES
    assert not any(stage.reused for stage in first_run.stages)


def test_mlflow_holds_one_parent_run_and_one_nested_run_a_stage(
    vowels: Project, first_run: Outcome
) -> None:
    runs = _runs(vowels, first_run)
    assert sorted(runs) == sorted(["pipeline", *STAGES])
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_every_config_value_is_a_parameter(vowels: Project, first_run: Outcome) -> None:
    logged = _runs(vowels, first_run)["pipeline"].data.params
    expected = flatten(load_config(vowels.config))
    assert set(logged) == set(expected) - {"tags"}  # MLflow has tags of its own
    assert logged["model.units"] == str(expected["model.units"])
    assert logged["training.max_steps"] == "800"


def test_training_metrics_are_logged_against_the_global_step(
    vowels: Project, first_run: Outcome
) -> None:
    model = _runs(vowels, first_run)["model"]
    client = _client(vowels)
    losses = client.get_metric_history(model.info.run_id, "train/loss")
    steps = [point.step for point in losses]
    assert steps == sorted(set(steps))
    assert steps[0] == 10
    assert losses[-1].value < losses[0].value
    validation = client.get_metric_history(model.info.run_id, "validation/accuracy")
    assert validation[0].step == 50


def test_gate_metrics_and_artifacts_can_be_read_back(vowels: Project, first_run: Outcome) -> None:
    runs = _runs(vowels, first_run)
    assert first_run.metrics is not None
    metrics = runs["metrics"].data.metrics
    assert metrics["test/accuracy"] == first_run.metrics.overall["accuracy"].value
    assert {"test/macro_f1/low", "test/ece/high", "test/recall/1"} <= set(metrics)
    names = {path.rpartition("/")[2] for run in runs.values() for path in _artifacts(vowels, run)}
    assert {
        "config.yaml", "statistics.json", "dead_letters.jsonl", "report.html", "decision.json",
        "confusion_matrix.png", "learning_curve.png", "per_class.csv", "saved_model.pb",
        "lineage.json",
    } <= names  # fmt: skip
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert any(name.startswith("model.ckpt-") for name in names)


def test_the_data_set_and_where_the_code_comes_from_are_recorded(
    vowels: Project, first_run: Outcome
) -> None:
    parent = _runs(vowels, first_run)["pipeline"]
    assert parent.inputs is not None
    datasets = [item.dataset for item in parent.inputs.dataset_inputs]
    assert datasets
    assert all(dataset.digest for dataset in datasets)
    tags = parent.data.tags
    assert {"git.commit", "git.dirty", "version.tensorflow", "host.name"} <= set(tags)
    assert tags["rnnflow.status"] == "promoted"
    assert tags["prefect.flow_run_id"]


def test_prefect_and_mlflow_name_each_other(vowels: Project, first_run: Outcome) -> None:
    from prefect.client.orchestration import get_client

    tags = _runs(vowels, first_run)["pipeline"].data.tags
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(UUID(tags["prefect.flow_run_id"]))
        artifacts = client.read_artifacts()
    assert flow_run.name == f"japanese-vowels {first_run.run_id}"
    assert flow_run.state is not None
    assert flow_run.state.name == "Promoted"
    texts = [str(artifact.data) for artifact in artifacts]
    assert any(str(first_run.mlflow_run_id) in text for text in texts)


def test_the_registered_version_is_the_champion(vowels: Project, first_run: Outcome) -> None:
    assert first_run.version is not None
    version = _client(vowels).get_model_version_by_alias("japanese-vowels", "champion")
    assert int(version.version) == first_run.version.version
    assert first_run.version.aliases == ("champion",)


def test_the_report_is_one_page_that_needs_nothing_else(
    vowels: Project, first_run: Outcome
) -> None:
    page = (vowels.work.run(first_run.run_id) / "report.html").read_text()
    assert first_run.run_id in page
    assert "Promoted" in page
    for reference in ('src="http', 'href="http', "@import", "url(http"):
        assert reference not in page


def test_settings_are_chosen_on_the_pipelines_run_without_the_test_split(
    vowels: Project, first_run: Outcome
) -> None:
    metrics = _runs(vowels, first_run)["pipeline"].data.metrics
    # The first one is what MLflow selects when runs are compared.
    assert min(metrics) == "best/validation_accuracy"
    assert 0.9 <= metrics["best/validation_accuracy"] <= 1.0
    assert metrics["model/parameters"] == 32_553
    assert metrics["training/seconds"] > 0
    assert metrics["training/examples_per_second"] > 0


def test_an_unchanged_run_promotes_nothing_reuses_every_stage_and_uploads_no_artifact_again(
    vowels: Project, first_run: Outcome
) -> None:
    again = vowels.run()
    assert (again.status, again.exit_code) == ("unchanged", 0)
    assert again.reason.startswith("Unchanged: this very model is version 1, the champion already")
    reused = {stage.name for stage in again.stages if stage.reused}
    assert {"examples", "model", "metrics", "export"} <= reused
    assert again.metrics == first_run.metrics
    assert again.version is not None
    assert first_run.version is not None
    assert again.version.version == first_run.version.version
    first, second = _runs(vowels, first_run), _runs(vowels, again)
    assert second["pipeline"].data.tags["rnnflow.status"] == "unchanged"
    for stage in ("pipeline", "examples", "model", "metrics"):
        assert second[stage].data.params == first[stage].data.params
        # What MLflow samples of the machine is there only if the stage took long.
        first_metrics, second_metrics = (
            {key: each for key, each in runs[stage].data.metrics.items() if "system/" not in key}
            for runs in (first, second)
        )
        assert second_metrics == first_metrics
    client = _client(vowels)
    histories = [
        client.get_metric_history(runs["model"].info.run_id, "train/loss")
        for runs in (first, second)
    ]
    assert [p.step for p in histories[0]] == [p.step for p in histories[1]]
    for stage in ("examples", "model", "metrics", "export"):
        assert _artifacts(vowels, first[stage])
        assert not _artifacts(vowels, second[stage])
        assert second[stage].data.tags["rnnflow.artifacts_in"] == first[stage].info.run_id
    (only,) = client.search_model_versions("name = 'japanese-vowels'")
    assert only.tags["rnnflow.decision"] == "promoted"
    assert str(only.description).startswith("Promoted: ")


@pytest.fixture(scope="module")
def refused_run(vowels: Project, first_run: Outcome) -> Outcome:
    """The same with a gate that no model passes, and with slices, one of which fails."""
    slices = [
        {"by": "length", "quantiles": 3, "bounds": {"accuracy": {"min": 0.5}}},
        {"where": "length < 14", "name": "short", "bounds": {"average_loss": {"max": 0.0}}},
    ]
    bounds = {"accuracy": {"min": 1.0}}
    vowels.edit(gate={"bounds": bounds, "min_examples": 10, "slices": slices})
    return vowels.run()


def test_a_changed_gate_runs_the_gate_but_trains_nothing(
    vowels: Project, first_run: Outcome, refused_run: Outcome
) -> None:
    outcome = refused_run
    reused = {stage.name for stage in outcome.stages if stage.reused}
    assert {"examples", "model", "metrics"} <= reused
    assert outcome.status == "refused"
    assert outcome.exit_code == 3
    assert "accuracy" in outcome.reason
    tags = _runs(vowels, outcome)["pipeline"].data.tags
    assert tags["rnnflow.status"] == "refused"
    champion = _client(vowels).get_model_version_by_alias("japanese-vowels", "champion")
    assert first_run.version is not None
    assert int(champion.version) == first_run.version.version


def test_slices_of_the_test_rows_are_judged_tracked_and_shown(
    vowels: Project, refused_run: Outcome
) -> None:
    assert refused_run.decision is not None
    judged = {
        rule.slice_name: rule.passed for rule in refused_run.decision.rules if rule.slice_name
    }
    parts = [f"length: part {number} of 3" for number in (1, 2, 3)]
    assert judged == {**dict.fromkeys(parts, True), "short": False}
    run = _runs(vowels, refused_run)["slices"]
    metrics = run.data.metrics
    assert sum(metrics[f"slices/{part}/rows"] for part in parts) == 370
    rows = [json.loads(line) for line in (vowels.root / "test.jsonl").read_text().splitlines()]
    short = sum(len(row["sequence"]["coefficients"]) < 14 for row in rows)
    assert metrics["slices/short/rows"] == short
    assert 0.5 <= metrics["slices/short/accuracy"] <= 1.0
    assert _artifacts(vowels, run) == {"slices.json"}
    page = (vowels.work.run(refused_run.run_id) / "report.html").read_text()
    assert "1 of 4 that were judged fail." in page


def test_a_refused_run_says_so_in_prefect(vowels: Project, refused_run: Outcome) -> None:
    from prefect.client.orchestration import get_client

    tags = _runs(vowels, refused_run)["pipeline"].data.tags
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(tags["prefect.flow_run_id"])).state
    assert state is not None
    assert state.name == "Refused"
    assert state.type.value == "COMPLETED"
    assert "accuracy" in str(state.message)


def test_another_learning_rate_trains_again_but_preprocesses_nothing(
    vowels: Project, first_run: Outcome
) -> None:
    vowels.edit(
        model={"optimizer": {"name": "adam", "learning_rate": 0.01}}, training={"max_steps": 60}
    )
    outcome = vowels.run(until="model")
    assert [stage.name for stage in outcome.stages if stage.reused] == ["examples"]
    assert outcome.status == "done"


def test_other_content_behind_the_same_path_is_preprocessed_again(
    vowels: Project, first_run: Outcome
) -> None:
    path = vowels.root / "train.jsonl"
    lines = path.read_text().splitlines()
    row = json.loads(lines[0])
    row["sequence"]["coefficients"][0][0] += 0.5
    path.write_text("\n".join([json.dumps(row), *lines[1:]]) + "\n")
    outcome = vowels.run(until="examples")
    assert [stage.reused for stage in outcome.stages] == [False, False]


@pytest.mark.parametrize("stage", ["examples", "model", "metrics", "export"])
def test_every_artifact_is_complete(vowels: Project, first_run: Outcome, stage: str) -> None:
    made = {item.name: item.artifact for item in first_run.stages}
    directory = Path(str(made[stage]))
    assert (directory / "_SUCCESS").is_file()
    assert not directory.with_name(directory.name + ".partial").exists()


def test_rows_are_checked_against_those_that_the_champion_was_trained_on(
    vowels: Project, first_run: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, work = first_run.name, vowels.work.root
    train = vowels.root / load_config(vowels.config).data.train
    lines = [json.loads(line) for line in train.read_text().splitlines()]
    path = tmp_path / "requests.jsonl"

    def write(rows: list[Any]) -> Path:
        # A request has neither an id nor a label.
        path.write_text("".join(json.dumps({"sequence": row}) + "\n" for row in rows))
        return path

    same = [line["sequence"] for line in lines]
    assert check(name, write(same), as_json=True, work_dir=work) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["rows"], found["invalid_rows"]) == (1, 270, 0)
    assert not any(each["is_alarm"] for each in found["checks"])
    louder = [
        {"coefficients": [[v + 1 for v in step] for step in row["coefficients"]]} for row in same
    ]
    assert check(name, write([*louder, {}]), as_json=False, work_dir=work) == 3
    printed = " ".join(capsys.readouterr().out.split())
    assert "270 rows beside 230 of version 1" in printed
    assert "drift" in printed
    assert "found drift; 1 invalid rows were left out." in printed
    with pytest.raises(DataError, match=r"20 valid rows .* are too few to compare"):
        check(name, write(louder[:20]), as_json=False, work_dir=work)
