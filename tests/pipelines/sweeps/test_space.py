"""What ``--param`` takes, and what is refused before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from components.errors import ConfigError
from pipelines.config import load_config
from pipelines.sweeps.space import Parameter, Space, parse_space


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    values = {
        "name": "swept",
        "data": {"train": "rows.jsonl"},
        "features": {"sequence": {"x": {"kind": "numeric"}}},
        "model": {"units": [64], "optimizer": {"learning_rate": 0.002}},
    }
    path.write_text(yaml.safe_dump(values))
    return path


def test_choices_are_values_in_yaml(config: Path) -> None:
    space = parse_space(config, (), ["model.units=[32],[64, 32]", "model.cell_type=gru,lstm"])
    assert space.distributions == {
        "model.units": CategoricalDistribution(["[32]", "[64, 32]"]),
        "model.cell_type": CategoricalDistribution(['"gru"', '"lstm"']),
    }
    values = {"model.units": "[64, 32]", "model.cell_type": '"lstm"'}
    changed = load_config(config, space.settings(values))
    assert changed.model.units == (64, 32)
    assert changed.model.cell_type == "lstm"


def test_ranges_are_whole_numbers_or_fractions_evenly_or_by_their_logarithm(config: Path) -> None:
    space = parse_space(
        config,
        (),
        [
            "training.batch_size=log:8..64",
            "model.dropout.representation=0.0..0.5",
            "model.optimizer.learning_rate=log:1e-4..1e-2",
            "seed=1..3",
        ],
    )
    assert space.distributions == {
        "training.batch_size": IntDistribution(8, 64, log=True),
        "model.dropout.representation": FloatDistribution(0.0, 0.5),
        "model.optimizer.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "seed": IntDistribution(1, 3),
    }
    assert space.describe() == {
        "training.batch_size": "log:8..64",
        "model.dropout.representation": "0..0.5",
        "model.optimizer.learning_rate": "log:0.0001..0.01",
        "seed": "1..3",
    }


@given(st.floats(1e-8, 1e3))
def test_a_fraction_is_set_with_four_digits(value: float) -> None:
    parameter = Parameter("seed", FloatDistribution(1e-9, 1e4))
    text = parameter.setting(value).partition("=")[2]
    assert float(text) == pytest.approx(value, rel=5.1e-4)
    assert len(text.partition("e")[0].replace(".", "").lstrip("0")) <= 5


def test_the_size_is_the_number_of_combinations(config: Path) -> None:
    few = parse_space(config, (), ["model.units=[32],[64],[96]", "seed=1..4"])
    assert few.size == 12
    endless = parse_space(
        config, (), ["model.units=[32],[64]", "model.dropout.representation=0..0.5"]
    )
    assert endless.size == float("inf")


def test_the_settings_of_a_config_are_found_in_the_space_that_holds_them(config: Path) -> None:
    own = load_config(config)
    rate = "model.optimizer.learning_rate=log:1e-4..1e-2"
    inside = parse_space(config, (), ["model.units=[32],[64]", rate])
    assert inside.values_of(own) == {
        "model.units": "[64]",
        "model.optimizer.learning_rate": 0.002,
    }
    assert parse_space(config, (), ["model.units=[32],[96]", rate]).values_of(own) is None
    assert (
        parse_space(config, (), ["model.optimizer.learning_rate=0.01..0.1"]).values_of(own) is None
    )


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("model.units", "expected KEY=VALUES"),
        ("=1,2", "expected KEY=VALUES"),
        ("model.units=[32]", "two values or more"),
        ("model.units=[32],[32]", "two values or more"),
        ("model.units=[32", "not valid YAML"),
        ("training.batch_size=8..four", "expected numbers around"),
        ("training.batch_size=8..nan", "expected numbers around"),
        ("training.batch_size=64..8", "the lower end first"),
        ("model.optimizer.learning_rate=log:0..1", "above 0 for log:"),
        ("name=a,b", "varies settings of features, model, seed, training"),
        ("gate.alpha=0.01,0.05", "varies settings of features, model, seed, training"),
        ("training.early_stopping_metric=accuracy,macro_f1", "varies settings of"),
        # Each value is tried in the config.
        ("model.units=[32],[-1]", r"--param model.units=\[-1\]: .*model.units"),
        ("training.batch_size=0..8", "--param training.batch_size=0: .*training.batch_size"),
        ("model.unit=[32],[64]", "did you mean 'units'"),
    ],
)
def test_what_cannot_be_varied_is_refused(config: Path, parameter: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        parse_space(config, (), [parameter])


def test_a_setting_that_is_varied_twice_is_refused(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"--param seed: it is given twice"):
        parse_space(config, (), ["seed=1,2", "seed=3,4"])


def test_a_sweep_varies_something(config: Path) -> None:
    with pytest.raises(ConfigError, match="got no --param"):
        parse_space(config, (), [])


def test_what_is_set_for_all_trials_counts(config: Path) -> None:
    with pytest.raises(ConfigError, match="max_epochs"):
        parse_space(config, ["training.max_steps=10"], ["training.max_epochs=1,2"])


def test_a_space_without_names_twice_has_the_order_of_the_command(config: Path) -> None:
    space = parse_space(config, (), ["seed=1,2", "model.cell_type=gru,lstm"])
    assert isinstance(space, Space)
    assert [each.path for each in space.parameters] == ["seed", "model.cell_type"]
