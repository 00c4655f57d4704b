"""One YAML file: every fault at once, each with its path and what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.config import SplitConfig
from components.errors import ConfigError, NotFoundError
from components.metrics import metrics_of
from pipelines.config import dump_config, flatten, load_config, parse_config

MINIMAL = """
name: demo
data: {train: rows.jsonl}
features:
  sequence:
    x: {kind: numeric}
"""

ROOT = Path(__file__).resolve().parents[2]


def test_the_least_config_needs_a_name_data_and_one_sequence_feature() -> None:
    config = parse_config(MINIMAL)
    assert config.model.units == (64,)
    assert config.gate.champion.promote_if == "significantly_better"


def test_data_paths_are_relative_to_the_config_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "demo.yaml"
    path.parent.mkdir()
    path.write_text(MINIMAL)
    assert load_config(path).data.train == str(tmp_path / "folder" / "rows.jsonl")


def test_the_bundled_config_is_valid_and_its_data_exists() -> None:
    config = load_config(ROOT / "pipelines" / "configs" / "japanese_vowels.yaml")
    assert Path(config.data.train).is_file()
    assert config.data.test is not None
    assert Path(config.data.test).is_file()


def test_every_fault_is_told_at_once_with_its_path() -> None:
    text = MINIMAL + "model: {unitz: [8], cell_type: grru}\ntraining: {batch_size: many}\nsede: 1\n"
    with pytest.raises(ConfigError) as caught:
        parse_config(text, source="demo.yaml")
    message = str(caught.value)
    assert message.startswith("demo.yaml has 4 faults:")
    assert "model.unitz: unknown key; did you mean 'units'?" in message
    assert "model.cell_type" in message
    assert "'grru'" in message
    assert "training.batch_size" in message
    assert "'many'" in message
    assert "sede: unknown key; did you mean 'seed'?" in message


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"features: this key is required"):
        parse_config("name: demo\ndata: {train: rows.jsonl}\n")


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"name.* is given twice"):
        parse_config(MINIMAL + "name: again\n")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just text", "a: [1", "a:\n\t- b"])
def test_what_is_no_config_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_config(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("gate: {bounds: {accuracy: {min: 0.9, max: 0.1}}}", "min 0.9 is above max 0.1"),
        ("gate: {bounds: {accuracy: {}}}", "give min, max or both"),
        ("data: {train: a, validation_fraction: 0.5, test_fraction: 0.5}", "nothing to train on"),
        ("features: {sequence: {id: {kind: numeric}}}", "'id'"),
        ("features: {sequence: {x: {kind: numeric}}, context: {x: {kind: numeric}}}", "'x'"),
        ("features: {sequence: {x: {kind: categorical}}}", "kind 'token'"),
        ("features: {sequence: {x: {kind: numeric}}, context: {y: {kind: token}}}", "categorical"),
    ],
)
def test_values_that_contradict_each_other_are_refused(change: str, message: str) -> None:
    key = change.partition(":")[0]
    base = {"name": "demo", "data": "{train: a}", "features": "{sequence: {x: {kind: numeric}}}"}
    lines = [f"{name}: {value}" for name, value in base.items() if name != key]
    with pytest.raises(ConfigError, match=message):
        parse_config("\n".join([*lines, change]))


def test_a_name_fits_the_databases_of_mlflow() -> None:
    lines = "\ndata: {train: a}\nfeatures: {sequence: {x: {kind: numeric}}}\n"
    assert len(parse_config(f"name: {'n' * 200}{lines}").name) == 200
    with pytest.raises(ConfigError, match=r"name: .* at most 200 characters"):
        parse_config(f"name: {'n' * 201}{lines}")


def test_runs_can_be_given_tags_that_mlflow_takes_and_none_of_ours() -> None:
    tags = {"team": "speech", "cost centre": "4711", "a/b.c-d_e": ""}
    assert parse_config(f"{MINIMAL}\ntags: {json.dumps(tags)}").tags == tags
    assert parse_config(MINIMAL).tags == {}


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"mlflow.parentRunId": "x"}, "does not begin with"),
        ({"rnnflow.status": "promoted"}, "does not begin with"),
        ({"git.commit": "x"}, "does not begin with"),
        ({"": "x"}, "pattern"),
        ({"a:b": "x"}, "pattern"),
        ({"n" * 251: "x"}, "250"),
        ({"long": "x" * 5001}, "5000"),
        ({"number": 7}, "expected text; got 7"),
        ({f"tag{i}": "x" for i in range(51)}, "50"),
    ],
)
def test_tags_that_a_database_of_mlflow_would_refuse_are_refused_at_once(
    tags: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(f"{MINIMAL}\ntags: {json.dumps(tags)}")
    assert "tags" in str(caught.value)


def test_a_config_file_that_is_missing_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="rnnflow init"):
        load_config(tmp_path / "nothing.yaml")


def test_a_config_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(path)


def test_every_value_is_a_parameter_under_its_path() -> None:
    values = flatten(parse_config(MINIMAL))
    assert values["features.sequence.x.kind"] == "numeric"
    assert values["model.optimizer.learning_rate"] == 0.003
    assert values["gate.bounds.accuracy.min"] == 0.5


@pytest.mark.slow
@given(
    units=st.lists(st.integers(1, 512), min_size=1, max_size=3),
    learning_rate=st.floats(1e-6, 1.0),
    seed=st.integers(0, 2**31),
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True),
)
def test_what_is_written_is_read_back_equal(
    units: list[int], learning_rate: float, seed: int, name: str
) -> None:
    text = MINIMAL.replace("name: demo", f"name: {name!r}") + (
        f"seed: {seed}\n"
        f"model: {{units: {units}, optimizer: {{learning_rate: {learning_rate!r}}}}}\n"
    )
    config = parse_config(text)
    assert parse_config(dump_config(config)) == config


def test_values_that_are_set_replace_those_of_the_file_and_are_kept() -> None:
    settings = (
        "training.max_steps=100",
        "model.units=[8, 4]",
        "gate.bounds.accuracy.min=0.9",
        "features.sequence.a.b.width=3",
        "tags={team: speech}",
        "retention.keep_runs=",
    )
    text = MINIMAL + "    a.b: {kind: numeric}\nmodel:\n"
    config = parse_config(text, settings=settings)
    assert config.training.max_steps == 100
    assert config.model.units == (8, 4)
    assert config.gate.bounds["accuracy"].min == 0.9
    assert flatten(config)["features.sequence.a.b.width"] == 3
    assert config.tags == {"team": "speech"}
    assert config.retention.keep_runs is None
    assert parse_config(dump_config(config)) == config


SPLIT = (
    "name: demo\ndata: {{train: rows.jsonl, {}}}\n"
    "features: {{sequence: {{x: {{kind: numeric}}}}}}\n"
)


def test_rows_are_split_by_group_by_time_or_by_both() -> None:
    config = parse_config(SPLIT.format("split: {group: customer, time: when, test_days: 14}"))
    assert config.data.split == SplitConfig(group="customer", time="when", test_days=14.0)
    assert not config.data.split.is_by_id
    assert parse_config(SPLIT.format("label: per_row")).data.split.is_by_id


@pytest.mark.parametrize(
    ("data", "rest", "says"),
    [
        ("split: {test_days: 3}", "", "data.split.test_days: days need data.split.time"),
        ("rare_labels: train, split: {group: g}", "", "data.rare_labels: train would move"),
        ("split: {group: g}", "training: {folds: 5}\n", "training.folds: the rows are dealt out"),
    ],
)
def test_a_split_that_contradicts_another_setting_is_refused(
    data: str, rest: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        parse_config(SPLIT.format(data) + rest)


STEPS = (
    "name: demo\ndata: {train: rows.jsonl, label: per_step}\n"
    "features: {sequence: {x: {kind: numeric}}}\n"
)


def test_what_labels_of_steps_cannot_have_is_refused_by_name() -> None:
    assert parse_config(STEPS).data.label == "per_step"
    assert parse_config(STEPS + "gate: {bounds: {edit_score: {min: 0.8}}}\n")
    with pytest.raises(ConfigError, match=r"model\.pooling: mean sums up all steps"):
        parse_config(STEPS + "model: {pooling: mean}\n")


def test_a_bound_is_on_a_metric_that_is_measured() -> None:
    text = STEPS.replace("per_step", "per_row") + "gate: {bounds: {edit_score: {min: 0.8}}}\n"
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    assert (
        "gate.bounds.edit_score: it is not measured where the rows have one label for each row; "
        f"bound {', '.join(metrics_of('per_row'))}"
    ) in str(caught.value)


ROWS = STEPS.replace("per_step", "per_row")
COSTS = "metrics: {costs: {a: {b: 5}}}\n"


@pytest.mark.parametrize(
    ("lines", "path"),
    [
        ("gate: {bounds: {expected_cost: {max: 1}}}\n", "gate.bounds.expected_cost: it needs"),
        ("gate: {compare_by: expected_cost}\n", "gate.compare_by: it needs metrics.costs"),
        ("threshold: {positive: a, aim: cost}\n", "threshold.aim: it needs metrics.costs"),
    ],
)
def test_what_is_about_costs_needs_them(lines: str, path: str) -> None:
    with pytest.raises(ConfigError, match=path):
        parse_config(ROWS + lines)
    assert parse_config(ROWS + lines + COSTS)


def test_a_bound_on_the_most_probable_labels_is_on_as_many_as_are_looked_at() -> None:
    bound = "gate: {{bounds: {{top_{}_accuracy: {{min: 0.9}}}}}}\n"
    assert parse_config(ROWS + bound.format(3))
    assert parse_config(ROWS + bound.format(5) + "metrics: {top_k: 5}\n")
    with pytest.raises(ConfigError, match=r"top_5_accuracy: it is measured with metrics\.top_k: 5"):
        parse_config(ROWS + bound.format(5))


def test_a_threshold_needs_validation_rows_that_the_model_has_not_seen() -> None:
    lines = ROWS + "training: {folds: 5}\n"
    with pytest.raises(ConfigError, match=r"threshold: it is chosen on validation rows"):
        parse_config(lines + "threshold: {positive: a}\n")


def test_yaml_reads_yes_as_true_and_the_config_says_so() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(
            ROWS + "threshold: {positive: yes}\nmetrics: {costs: {no: {a: 1}, a: {a: -1}}}"
        )
    message = str(caught.value)
    assert "threshold.positive: YAML reads this label as true: write it in quotes" in message
    assert "metrics.costs.False: YAML reads this label as false: write it in quotes" in message
    assert "metrics.costs.a.a: expected a finite cost, 0 or more; got -1" in message


def test_labels_are_checked_once_they_are_known() -> None:
    config = parse_config(ROWS + COSTS + "threshold: {positive: c}\n")
    config.check_labels(("b", "c"), rare=("a",))
    with pytest.raises(ConfigError, match=r"has 2 faults with these rows:\n  metrics\.costs\.a: "):
        config.check_labels(("b", "d"), rare=())
