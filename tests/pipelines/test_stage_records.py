"""What is said and what is tracked of each stage."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from components.artifacts.history import append_point
from components.artifacts.training_facts import TrainingFacts, save_training_facts
from components.artifacts.values import (
    BaselineMetrics,
    Champion,
    ChampionMetrics,
    Decision,
    Examples,
    Export,
    IncomparableChampion,
    Incumbents,
    Metrics,
    Model,
    PairedRows,
    Pairs,
    Rows,
    SliceMetrics,
    Slices,
    SourceFile,
    Version,
)
from components.gate_config import GateConfig, SliceConfig
from components.tracking.values import safe_name
from pipelines.stage_records import (
    DATA_DIGEST_TAG,
    VERSION_TAG,
    interval_text,
    metric_values,
    record_baseline,
    record_champion,
    record_champion_metrics,
    record_decision,
    record_examples,
    record_export,
    record_metrics,
    record_model,
    record_reference_metrics,
    record_rows,
    record_slices,
    record_version,
)
from tests.pipelines.samples import METRICS, PROMOTED, REFUSED, UNCHANGED, config, interval


def _touch(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_an_interval_is_read_as_value_and_ends() -> None:
    assert interval_text(interval(0.978)) == "0.978 [0.958, 0.988]"


def _with_files(directory: Path) -> Metrics:
    predictions = _touch(directory / "predictions.parquet")
    return dataclasses.replace(METRICS, predictions_path=str(predictions))


def test_every_number_of_the_test_split_has_a_name_and_its_ends(tmp_path: Path) -> None:
    values = record_metrics(_with_files(tmp_path), config()).metrics
    assert values["test/accuracy"] == 0.978
    assert values["test/accuracy/low"] == METRICS.overall["accuracy"].low
    assert values["test/macro_f1/high"] == METRICS.overall["macro_f1"].high
    assert values["test/recall/yes"] == 0.6
    assert values["test/precision/no/low"] == METRICS.per_class[0].precision.low


def test_runs_are_compared_by_what_the_whole_test_split_says_and_by_no_constant(
    tmp_path: Path,
) -> None:
    record = record_metrics(_with_files(tmp_path), config())
    assert record.compared == metric_values(METRICS)
    assert set(record.compared) < set(record.metrics)
    assert not [name for name in record.compared if "recall" in name or "examples" in name]
    assert record.parameters == {
        "test.examples": 1234, "metrics.top_k": None, "metrics.costs": {},
    }  # fmt: skip


def test_rows_are_known_by_files_size_and_digest() -> None:
    files = (
        SourceFile("train.jsonl", None, "a", 1_500_000),
        SourceFile("test.jsonl", "test", "b", 500_000),
    )
    record = record_rows(Rows(files, "0123456789abcdef"), config())
    assert record.summary == "2 files, 2.0 MB, digest 0123456789ab"
    assert record.parameters["data.digest"] == "0123456789abcdef"
    assert record.parameters["data.train"] == "rows.jsonl"
    assert record.tags == {DATA_DIGEST_TAG: "0123456789abcdef"}


def test_examples_are_counted_a_split_and_their_files_are_kept(tmp_path: Path) -> None:
    statistics = {
        "rows": {"train": 2700, "validation": 30, "test": 70},
        "bad_rows": {"count": 1},
    }
    _touch(tmp_path / "statistics.json", json.dumps(statistics))
    record = record_examples(Examples(str(tmp_path), "d"), config())
    assert record.summary == "2,700 train, 30 validation, 70 test; 1 invalid rows"
    assert record.metrics == {
        "examples/train": 2700.0,
        "examples/validation": 30.0,
        "examples/test": 70.0,
        "examples/bad_rows": 1.0,
        "examples/rare_label_rows": 0.0,
        "examples/repeated_content_rows": 0.0,
    }
    assert record.parameters["features.sequence.x.kind"] == "numeric"
    assert record.parameters["preprocessing.runner"] == "FnApiRunner"
    names = {path.name for path in record.artifacts}
    assert {"statistics.json", "dead_letters.jsonl", "transform"} <= names


def test_a_model_comes_with_its_curve_its_events_and_only_its_best_checkpoint(
    tmp_path: Path,
) -> None:
    best = tmp_path / "checkpoints" / "export" / "best" / "model.ckpt-1200"
    for end in ("index", "data-00000-of-00001"):
        _touch(best.with_name(f"{best.name}.{end}"))
    _touch(tmp_path / "checkpoints" / "model.ckpt-1250.index")
    events = _touch(tmp_path / "checkpoints" / "eval" / "events.out.tfevents.1")
    record = record_model(Model(str(tmp_path), str(best), 1200, "d"), config())
    assert record.summary == "gru [64], best checkpoint at step 1,200"
    assert record.history == tmp_path / "history.jsonl"
    assert record.compared == {"training/best_step": 1200.0}
    scaled = record_model(Model(str(tmp_path), str(best), 1200, "d", temperature=0.5), config())
    assert scaled.compared["model/temperature"] == 0.5
    assert record.parameters["seed"] == 7
    assert record.parameters["model.optimizer.name"] == "adam"
    assert record.parameters["training.batch_size"] == 32
    assert events in record.artifacts
    kept = {path.name for path in record.artifacts if path.name.startswith("model.ckpt")}
    assert kept == {"model.ckpt-1200.index", "model.ckpt-1200.data-00000-of-00001"}


def test_a_run_carries_what_settings_are_chosen_by_before_what_the_gate_decides_by(
    tmp_path: Path,
) -> None:
    """MLflow selects the first name when runs are compared."""
    for step, accuracy in ((10, 0.5), (20, 0.9), (30, 0.8)):
        metrics = {"validation/accuracy": accuracy, "validation/average_loss": 1 - accuracy}
        append_point(tmp_path / "history.jsonl", step, {"train/loss": 1 / step})
        append_point(tmp_path / "history.jsonl", step, metrics)
    save_training_facts(tmp_path, TrainingFacts(seconds=12.5, parameters=345))
    record = record_model(Model(str(tmp_path), str(tmp_path / "best-20"), 20, "d"), config())
    compared = dict(record.compared)
    speed = compared.pop("training/examples_per_second", None)
    assert speed is None or speed > 0  # None: the points came within one millisecond
    assert compared == {
        "best/validation_accuracy": 0.9,
        "best/validation_average_loss": pytest.approx(0.1),
        "training/best_step": 20.0,
        "model/parameters": 345.0,
        "training/seconds": 12.5,
    }
    names = sorted({*record.compared, *metric_values(METRICS)})
    assert names.index("best/validation_accuracy") < names.index("test/accuracy")


def test_a_refit_is_said_with_what_the_first_fit_chose_and_measured(tmp_path: Path) -> None:
    for step, accuracy in ((10, 0.5), (20, 0.9), (24, 0.1)):
        append_point(tmp_path / "history.jsonl", step, {"validation/accuracy": accuracy})
    append_point(tmp_path / "history.jsonl", 24, {"refit/train/loss": 0.1})
    save_training_facts(tmp_path, TrainingFacts(12.5, 345, chosen_step=20))
    settings = config()
    settings = dataclasses.replace(
        settings, training=dataclasses.replace(settings.training, refit=True)
    )
    path = tmp_path / "refit" / "checkpoints" / "model.ckpt-24"
    record = record_model(Model(str(tmp_path), str(path), 24, "d"), settings)
    assert record.summary == (
        "gru [64], refit on training and validation rows, 24 steps: as many epochs as at the best "
        "checkpoint of the first fit, step 20"
    )
    assert record.compared["best/validation_accuracy"] == 0.9
    assert record.compared["training/best_step"] == 20.0


def test_a_model_that_workers_trained_comes_with_a_log_a_worker(tmp_path: Path) -> None:
    logs = [_touch(tmp_path / "logs" / f"worker-{index}.log") for index in range(2)]
    record = record_model(Model(str(tmp_path), str(tmp_path / "best"), 7, "d"), config())
    assert [path for path in record.artifacts if path.suffix == ".log"] == logs
    assert record.parameters["training.workers"] == 1


def test_metrics_are_said_with_intervals_and_kept_with_their_pictures(tmp_path: Path) -> None:
    for name in ("predictions.parquet", "metrics.json", "confusion_matrix.png", "_SUCCESS"):
        _touch(tmp_path / name)
    metrics = dataclasses.replace(METRICS, predictions_path=str(tmp_path / "predictions.parquet"))
    record = record_metrics(metrics, config())
    assert record.summary.startswith("accuracy 0.978 [0.958, 0.988], macro-F1 0.970")
    assert record.summary.endswith("on 1,234 test rows")
    assert record.compared == metric_values(metrics)
    assert [path.name for path in record.artifacts] == [
        "confusion_matrix.png", "metrics.json", "predictions.parquet",
    ]  # fmt: skip


def test_the_baseline_is_named_beside_the_commonest_label() -> None:
    baseline = BaselineMetrics(
        "forest", "a random forest", METRICS, Pairs(1190, 11, 7, 26), 500, "no", 0.75
    )
    record = record_baseline(baseline, config())
    assert record.summary == "a random forest: accuracy 0.978 [0.958, 0.988]; always 'no': 0.750"
    assert record.parameters == {"baseline.model": "a random forest", "baseline.train_rows": 500}
    assert record.metrics["baseline/accuracy"] == 0.978
    assert record.metrics["baseline/only_baseline_correct"] == 7.0


def test_no_champion_is_said_in_both_of_its_stages() -> None:
    first = record_champion(Incumbents(), config())
    assert first.summary == "demo has no champion yet"
    assert first.parameters == {"champion.version": "none"}
    assert record_champion_metrics(None, config()).summary == "nothing to compare with"


def test_the_champion_is_named_and_paired_with_the_candidate() -> None:
    serving, other = Champion("demo", 3, "/path", "d"), Champion("demo", 2, "/other", "e")
    champion = record_champion(Incumbents(serving), config())
    assert champion.summary == "version 3 serves now"
    beside = record_champion(Incumbents(serving, other), config())
    assert beside.summary == "version 3 serves now; version 2 is the reference"
    assert beside.parameters == {"champion.version": 3, "reference.version": 2}
    compared = ChampionMetrics(3, METRICS, 1190, 11, 7, 26, same_model=False)
    record = record_champion_metrics(compared, config())
    assert record.summary == (
        "version 3: accuracy 0.978 [0.958, 0.988]; "
        "11 rows only the candidate gets right, 7 only the champion"
    )
    assert record.metrics["champion/accuracy"] == 0.978
    assert record.metrics["champion/only_champion_correct"] == 7.0
    assert record.parameters == {"champion.version": 3}
    assert record.tags == {"rnnflow.compared_with": "version 3"}
    lacking = dataclasses.replace(compared, unknown_to_champion={"new": 5, "newer": 0})
    assert record_champion_metrics(lacking, config()).summary.endswith(
        "7 only the champion; labels that it does not know: new, newer"
    )


def test_the_reference_is_recorded_under_its_own_name() -> None:
    assert record_reference_metrics(None, config()).summary == "none beside the champion"
    lost = IncomparableChampion(2, "it cannot read the rows", same_model=False)
    record = record_reference_metrics(lost, config())
    assert record.metrics == {"reference/comparable": 0.0}
    assert record.parameters["reference.version"] == 2
    assert not record.tags


def test_a_champion_that_cannot_be_compared_with_is_recorded_with_the_reason() -> None:
    reason = "it cannot read 24 of the 24 test rows, such as rows.jsonl:3 (age is missing)"
    record = record_champion_metrics(IncomparableChampion(3, reason, same_model=False), config())
    assert record.summary == f"version 3 cannot be compared: {reason}"
    assert record.parameters == {"champion.version": 3, "champion.not_comparable": reason}
    assert record.metrics == {"champion/comparable": 0.0}
    assert record.tags == {"rnnflow.compared_with": "version 3: cannot be compared"}


def test_slices_are_recorded_under_their_names_which_mlflow_takes_as_they_are() -> None:
    some = SliceMetrics(
        "customer: A", "", 0, 40, {"accuracy": interval(0.8), "macro_f1": interval(0.7)},
        interval(0.9), Pairs(30, 2, 6, 2), interval(-0.1),
    )  # fmt: skip
    few = SliceMetrics("length: 9 and more", "", 1, 4, {"accuracy": interval(0.5)})
    none = SliceMetrics("long", "", 2, 0)
    gate = GateConfig(
        slices=(
            SliceConfig(by="length", quantiles=2),
            SliceConfig(by="length", edges=(9,)),
            SliceConfig(where="length > 99", name="long"),
        )
    )
    sliced = dataclasses.replace(config(), gate=gate)
    record = record_slices(Slices((some, few, none), "slices.json"), sliced)
    assert record.summary == (
        "3 slices, 2 of too few rows to be judged; lowest accuracy 0.500 on length: 9 and more "
        "(4 rows)"
    )
    assert record.metrics == {
        "slices/customer: A/rows": 40.0,
        "slices/customer: A/accuracy": 0.8,
        "slices/customer: A/macro_f1": 0.7,
        "slices/customer: A/accuracy_difference": -0.1,
        "slices/customer: A/accuracy_difference/low": pytest.approx(-0.12),
        "slices/customer: A/accuracy_difference/high": pytest.approx(-0.09),
        "slices/length: 9 and more/rows": 4.0,
        "slices/length: 9 and more/accuracy": 0.5,
        "slices/long/rows": 0.0,
    }
    assert all(safe_name(name) == name for name in record.metrics)
    assert record.artifacts == (Path("slices.json"),)


@pytest.mark.parametrize(
    ("decision", "summary", "promoted"),
    [
        (PROMOTED, "passed: 1 of 1 rules hold", 1.0),
        (UNCHANGED, "unchanged: 1 of 1 rules hold", 0.0),
        (REFUSED, "refused: 1 of 2 rules hold", 0.0),
    ],
)
def test_a_decision_is_counted_rule_by_rule(
    decision: Decision, summary: str, promoted: float
) -> None:
    record = record_decision(decision, config())
    assert record.summary == summary
    assert record.metrics["gate/promoted"] == promoted
    assert record.metrics["gate/accuracy"] == 1.0
    assert record.parameters["gate.min_examples"] == 100


def test_an_export_says_how_closely_the_fresh_process_agreed(tmp_path: Path) -> None:
    record = record_export(Export(str(tmp_path), "d", 2.5e-7, 100), config())
    assert "on 100 rows" in record.summary
    assert "2.5e-07" in record.summary
    assert record.metrics == {"export/largest_difference": 2.5e-7}
    assert record.artifacts == (tmp_path / "check.json",)


def test_a_version_says_what_it_is_and_whether_it_was_there_before() -> None:
    first = record_version(Version("demo", 4, ("champion",), False), config())
    assert first.summary == "registered as demo version 4 (champion)"
    assert first.parameters == {"version": 4, "aliases": "champion"}
    assert first.tags == {VERSION_TAG: "4"}
    again = record_version(Version("demo", 4, (), True), config())
    assert again.summary == "registered before as demo version 4 (no alias)"


def test_of_labels_of_steps_the_steps_are_counted_and_the_rows_compared(tmp_path: Path) -> None:
    metrics = dataclasses.replace(_with_files(tmp_path), task="per_step")
    measured = record_metrics(metrics, config())
    assert measured.summary.endswith("on 1,234 test rows of 1,234 steps")
    rows = PairedRows(0.01, 40, 12, 0.9, 0.1, 4.0)
    champion = ChampionMetrics(3, metrics, 1, 50, 20, 2, same_model=False, paired_rows=rows)
    record = record_champion_metrics(champion, config())
    assert "50 steps only the candidate gets right, 20 only the champion" in record.summary
    assert record.metrics["champion/mean_difference_of_rows"] == 0.01
    assert record.metrics["champion/rows_candidate_ahead"] == 40
