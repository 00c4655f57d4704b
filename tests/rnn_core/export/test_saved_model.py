"""The directory of an export: what is in it, and that it is there whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import rnn_core
from rnn_core.export import saved_model
from tests.rnn_core.export import samples
from tests.rnn_core.export.samples import read
from tests.rnn_core.samples import Data, make_estimator

pytestmark = pytest.mark.slow

MODES = rnn_core.ModeKeys


def test_three_graphs_share_one_set_of_variables(
    data: Data, tmp_path: Path, estimator: rnn_core.RNNClassifier
) -> None:
    path = estimator.experimental_export_all_saved_models(
        tmp_path,
        {
            MODES.PREDICT: samples.parsing_receiver,
            MODES.EVAL: samples.supervised_receiver,
            MODES.TRAIN: samples.supervised_receiver,
        },
    )
    graphs = read(path).meta_graphs
    assert [list(graph.meta_info_def.tags) for graph in graphs] == [["train"], ["eval"], ["serve"]]
    stored = tf.train.load_checkpoint(f"{path}/variables/variables")
    assert sorted(stored.get_variable_to_shape_map()) == estimator.get_variable_names()
    for name in estimator.get_variable_names():
        assert np.array_equal(stored.get_tensor(name), estimator.get_variable_value(name))


def test_a_text_export_holds_the_same_and_loads(
    tmp_path: Path, estimator: rnn_core.RNNClassifier, data: Data
) -> None:
    binary = estimator.export_saved_model(tmp_path, samples.parsing_receiver)
    text = estimator.export_saved_model(tmp_path, samples.parsing_receiver, as_text=True)
    assert sorted(path.name for path in Path(text).iterdir()) == ["saved_model.pbtxt", "variables"]
    message = text_format.Parse((Path(text) / "saved_model.pbtxt").read_text(), SavedModel())
    signatures = [one.meta_graphs[0].signature_def for one in (message, read(binary))]
    assert signatures[0] == signatures[1]
    loaded = tf.saved_model.load(text).signatures["predict"]
    assert loaded(examples=tf.constant(samples.examples(data)))["logits"].shape == (24, 3)


def test_exports_within_one_second_get_rising_numbers(
    tmp_path: Path, estimator: rnn_core.RNNClassifier
) -> None:
    paths = [estimator.export_saved_model(tmp_path, samples.raw_receiver) for _ in range(3)]
    numbers = [int(Path(path).name) for path in paths]
    assert numbers == sorted(set(numbers))
    assert {len(str(number)) for number in numbers} == {10}
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(number) for number in numbers]


def test_extra_assets_are_copied_to_their_places(
    tmp_path: Path, estimator: rnn_core.RNNClassifier
) -> None:
    (tmp_path / "source.txt").write_text("schema")
    path = estimator.export_saved_model(
        tmp_path / "exports",
        samples.raw_receiver,
        assets_extra={"deep/copy.txt": str(tmp_path / "source.txt")},
    )
    assert (Path(path) / "assets.extra" / "deep" / "copy.txt").read_text() == "schema"


@pytest.mark.parametrize("fault", ["base is a file", "asset cannot be read"])
def test_a_failed_write_leaves_nothing_behind(
    fault: str, tmp_path: Path, estimator: rnn_core.RNNClassifier
) -> None:
    base, extra = tmp_path / "exports", tmp_path / "extra"
    extra.write_text("")
    if fault == "base is a file":
        base.write_text("")
    # Two places of which one would be below the other.
    assets = {"a": str(extra), "a/b": str(extra)} if fault == "asset cannot be read" else None
    with pytest.raises(rnn_core.StorageError, match=str(base)):
        estimator.export_saved_model(base, samples.raw_receiver, assets_extra=assets)
    assert base.is_file() or list(base.iterdir()) == []


def test_without_a_checkpoint_nothing_is_exported(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="train first"):
        make_estimator(tmp_path / "new").export_saved_model(tmp_path, samples.raw_receiver)


def test_a_checkpoint_of_another_model_is_refused(
    tmp_path: Path, estimator: rnn_core.RNNClassifier
) -> None:
    wider = make_estimator(tmp_path / "wider", units=[4])
    with pytest.raises(rnn_core.ArchitectureError, match="gru_cell"):
        wider.export_saved_model(
            tmp_path / "exports",
            samples.raw_receiver,
            checkpoint_path=estimator.latest_checkpoint(),
        )
    assert not (tmp_path / "exports").exists()


@pytest.mark.parametrize(
    ("receivers", "message"),
    [
        ({}, "one of the modes train, eval, infer"),
        ({MODES.PREDICT: None}, "one of the modes train, eval, infer"),
        ({"serve": samples.raw_receiver}, "got {'serve'"),
        ({MODES.PREDICT: "raw"}, "a function that returns an input receiver"),
        ({MODES.EVAL: samples.raw_receiver}, "features, receiver_tensors, labels"),
    ],
)
def test_receivers_that_cannot_be_used_are_named(
    receivers: Any, message: str, estimator: rnn_core.RNNClassifier, tmp_path: Path
) -> None:
    with pytest.raises(rnn_core.ArgumentError, match=message):
        saved_model.export_saved_model(estimator, tmp_path, receivers)
    assert list(tmp_path.iterdir()) == []


def test_an_extra_asset_that_is_not_there_is_named(
    estimator: rnn_core.RNNClassifier, tmp_path: Path
) -> None:
    with pytest.raises(rnn_core.ArgumentError, match="no file"):
        estimator.export_saved_model(
            tmp_path, samples.raw_receiver, assets_extra={"a": str(tmp_path / "gone")}
        )
