"""A model directory on another file system than the local one, given as a URL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import HookContext
from rnn_core.storage.summaries import read_events
from rnn_core.storage.warm_start import warm_start, warm_start_settings
from tests.rnn_core.samples import Data, make_estimator, same_bits, sequence_columns, weights_of

pytestmark = pytest.mark.slow

_NUMBERS = itertools.count()


@pytest.fixture(params=["ram", "file"])
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A directory that does not exist; nothing may come into the working directory instead."""
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    yield f"ram://urls/{next(_NUMBERS)}" if request.param == "ram" else f"file://{tmp_path}/model"
    assert list(working.iterdir()) == []


class Fail(rnn_core.Hook):
    """Ends a training as an interrupt does."""

    def __init__(self, step: int) -> None:
        self.every_steps = step

    def after_steps(self, context: HookContext) -> None:
        raise KeyboardInterrupt


class Listener(tf.compat.v1.train.CheckpointSaverListener):
    def __init__(self) -> None:
        self.steps: list[int] = []

    def after_save(self, session: Any, global_step_value: int) -> None:
        self.steps.append(global_step_value)


def receiver() -> Any:
    spec = tf.feature_column.make_parse_example_spec(sequence_columns())
    return rnn_core.export.build_parsing_serving_input_receiver_fn(spec)()


def sequences(data: Data) -> tf.data.Dataset:
    return data.dataset().shuffle(24, seed=1).repeat().batch(5)


def small(model_dir: str, **changes: Any) -> rnn_core.RNNClassifier:
    return make_estimator(model_dir, context_feature_columns=None, **changes)


def test_a_training_is_resumed_exactly_and_evaluated(url: str, data: Data, tmp_path: Path) -> None:
    whole = make_estimator(tmp_path / "whole").train(data.train_input, max_steps=10)
    listener = Listener()
    with pytest.raises(KeyboardInterrupt):
        make_estimator(url).train(
            data.train_input, hooks=[Fail(6)], max_steps=10, saving_listeners=[listener]
        )
    assert listener.steps == [0, 4]
    resumed = make_estimator(url)
    assert resumed.latest_checkpoint() == f"{url}/model.ckpt-4"
    resumed.train(data.train_input, max_steps=10)
    assert same_bits(weights_of(resumed), weights_of(whole))
    again = make_estimator(url)
    assert again.evaluate(data.eval_input) == whole.evaluate(data.eval_input)
    assert {10} == set(read_events(f"{url}/eval"))
    given = next(again.predict(data.eval_input))["probabilities"]
    assert np.array_equal(given, next(whole.predict(data.eval_input))["probabilities"])
    names = tf.io.gfile.listdir(url)
    assert not [name for name in names if "tmp" in name or "_temp" in name]


def test_exporters_work_and_clean_up(url: str, data: Data) -> None:
    exporters = [
        rnn_core.BestExporter(serving_input_receiver_fn=receiver, exports_to_keep=1),
        rnn_core.LatestExporter("latest", receiver, exports_to_keep=1),
        rnn_core.BestCheckpointExporter(),
    ]
    metrics, exported = rnn_core.train_and_evaluate(
        small(url),
        rnn_core.TrainSpec(lambda: sequences(data), max_steps=8),
        rnn_core.EvalSpec(
            data.eval_input, exporters=exporters, start_delay_secs=0, throttle_secs=0
        ),
    )
    assert metrics["global_step"] == 8
    base = f"{url}/export"
    (latest,) = [name for name in tf.io.gfile.listdir(f"{base}/latest") if name.isdigit()]
    assert exported[1] == f"{base}/latest/{latest}"
    served = tf.saved_model.load(exported[1]).signatures["predict"]
    example = tf.train.Example()
    example.features.feature["numbers"].float_list.value.extend([1.0, 2.0])
    example.features.feature["tokens"].int64_list.value.extend([1])
    assert (
        served(examples=tf.constant([example.SerializeToString()]))["probabilities"].shape[0] == 1
    )
    kept = small(f"{base}/best")
    assert kept.evaluate(data.eval_input)["global_step"] in (4, 8)
    assert tf.io.gfile.exists(f"{url}/eval/last_evaluation.json")


def test_values_come_from_a_checkpoint_or_an_export_at_a_url(
    url: str, data: Data, tmp_path: Path
) -> None:
    first = small(url).train(lambda: sequences(data), max_steps=4)
    exported = first.export_saved_model(f"{url}/exports", receiver)
    for number, source in enumerate((url, first.latest_checkpoint(), exported)):
        settings = warm_start_settings(source)
        assert settings is not None
        kernel = "rnn_model/logits/kernel"
        variable = tf.Variable(tf.zeros([3, 3]))
        warm_start({kernel: variable}, settings)
        assert np.array_equal(variable.numpy(), first.get_variable_value(kernel)), number


def test_a_checkpoint_of_a_hook_goes_to_its_url(url: str, data: Data, tmp_path: Path) -> None:
    hook = rnn_core.CheckpointSaverHook(url, save_steps=2)
    make_estimator(tmp_path / "model").train(data.train_input, hooks=[hook], max_steps=3)
    assert make_estimator(url).evaluate(data.eval_input)["global_step"] == 3
    assert rnn_core.CheckpointSaverHook(f"{url}/", save_steps=2).saves_into(url)


def test_a_file_url_and_its_path_are_one_directory(tmp_path: Path) -> None:
    hook = rnn_core.CheckpointSaverHook(f"file://{tmp_path}", save_steps=2)
    assert hook.saves_into(str(tmp_path))
    assert not hook.saves_into(str(tmp_path / "other"))


@pytest.mark.parametrize("name", ["units=[32, 16]", "a\\b", "[a-z]/model"])
def test_a_name_that_tensorflow_would_not_find_again_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(rnn_core.ArgumentError, match="expected a path without"):
        make_estimator(tmp_path / name)
    with pytest.raises(rnn_core.ArgumentError, match="CheckpointSaverHook: expected a path"):
        rnn_core.CheckpointSaverHook(str(tmp_path / name), save_steps=1)
    with pytest.raises(rnn_core.ArgumentError, match="export_dir_base: expected a path"):
        make_estimator(tmp_path / "model").export_saved_model(str(tmp_path / name), receiver)


@pytest.mark.parametrize("name", ["a]b? *", "ünits {32} + [2"])
def test_any_other_name_is_found_again(name: str, data: Data, tmp_path: Path) -> None:
    make_estimator(tmp_path / name).train(data.train_input, steps=1)
    assert make_estimator(tmp_path / name).evaluate(data.eval_input)["global_step"] == 1


def test_a_url_that_pathlib_has_shortened_is_refused() -> None:
    with pytest.raises(rnn_core.ArgumentError, match="give it as a string"):
        make_estimator(Path("gs://bucket/model"))


def test_a_file_system_that_tensorflow_does_not_know_is_named(data: Data) -> None:
    with pytest.raises(rnn_core.StorageError, match="'s4' not implemented"):
        make_estimator("s4://bucket/model").train(data.train_input, steps=1)


def test_the_event_files_of_the_best_exporter_may_be_elsewhere(tmp_path: Path, data: Data) -> None:
    model = small(str(tmp_path / "model"))
    pattern = f"{tmp_path}/m?del/eval/*.tfevents.*"
    best = rnn_core.BestExporter(serving_input_receiver_fn=receiver, event_file_pattern=pattern)
    model.train(lambda: sequences(data), max_steps=4)
    directory = str(tmp_path / "exports")
    good = model.evaluate(data.eval_input)
    path = model.latest_checkpoint()
    assert path is not None
    assert best.export(model, directory, path, {**good, "global_step": 5}, False)
    again = rnn_core.BestExporter(serving_input_receiver_fn=receiver, event_file_pattern=pattern)
    worse = {"loss": good["loss"] + 1, "global_step": 8}
    assert again.export(model, directory, path, worse, False) is None
