"""The whole way of a network with every extension: trained, exported, loaded and asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import export
from tests.rnn_core.models.blocks.test_dropout import ALL
from tests.rnn_core.samples import Data, context_columns, make_estimator, sequence_columns

pytestmark = pytest.mark.slow


def test_an_export_answers_as_the_estimator_that_was_trained(
    native: Any, data: Data, tmp_path: Path
) -> None:
    estimator = make_estimator(tmp_path / "model", units=[4, 3], network=ALL)
    estimator.train(data.train_input, max_steps=4)
    columns = sequence_columns() + context_columns()
    receiver = export.build_parsing_serving_input_receiver_fn(
        tf.feature_column.make_parse_example_spec(columns)
    )
    saved = estimator.export_saved_model(str(tmp_path / "saved"), receiver)
    assert b"RnnCore" not in (Path(saved) / "saved_model.pb").read_bytes()
    served = tf.saved_model.load(saved).signatures["predict"]
    found = served(examples=tf.constant(serialized(data)))["logits"]
    expected = [row["logits"] for row in estimator.predict(data.eval_input)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def serialized(data: Data) -> list[bytes]:
    rows, start = [], 0
    for row, length in enumerate(data.lengths):
        example = tf.train.Example()
        feature = example.features.feature
        steps = slice(start, start + length)
        feature["numbers"].float_list.value.extend(data.numbers[steps].ravel().tolist())
        feature["tokens"].int64_list.value.extend(data.tokens[steps].tolist())
        feature["context"].float_list.value.extend(data.context[row].tolist())
        feature["category"].int64_list.value.extend(data.category[row].tolist())
        rows.append(example.SerializeToString())
        start += length
    return rows
