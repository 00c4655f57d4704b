"""The names of classes."""

from __future__ import annotations

import pytest
import tensorflow as tf

from rnn_core.heads.classes import class_names, class_predictions, classifier_outputs
from rnn_core.heads.export_outputs import PredictOutput
from rnn_core.heads.labels import Vocabulary, vocabulary
from tests.rnn_core.heads.samples import WORDS

IDS = tf.constant([[2], [0]], tf.int64)


@pytest.mark.parametrize(
    ("known", "names"),
    [(None, [b"0", b"1", b"2"]), (Vocabulary(WORDS, 3), [b"x", b"y", b"z"])],
)
def test_each_row_has_the_names_of_all_classes(
    known: Vocabulary | None, names: list[bytes]
) -> None:
    found = class_predictions(IDS, 3, known)
    assert class_names(IDS, 3, known).numpy().tolist() == [names, names]
    assert found["all_classes"].numpy().tolist() == [names, names]
    assert found["classes"].numpy().tolist() == [[names[2]], [names[0]]]
    assert found["all_class_ids"].numpy().tolist() == [[0, 1, 2], [0, 1, 2]]


def test_one_answer_is_both_the_default_and_the_classification() -> None:
    predictions = {"probabilities": tf.ones([2, 3]), "more": IDS}
    outputs = classifier_outputs(predictions, class_names(IDS, 3, vocabulary(WORDS, 3)))
    assert outputs["serving_default"] is outputs["classification"]
    predict = outputs["predict"]
    assert isinstance(predict, PredictOutput)
    assert predict.outputs == predictions
    assert sorted(outputs) == ["classification", "predict", "serving_default"]
