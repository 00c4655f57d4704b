"""Predicts, evaluates or serves, with rnn_core or with the estimator of TensorFlow 2.15."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Final

import tensorflow as tf

from benchmarks.peers.classifier import new_classifier
from benchmarks.peers.features import column, dataset, sparse_batches, sparse_dataset
from benchmarks.peers.work import EVALUATED_ROWS, SERVED_STEPS, WORKS, Work
from benchmarks.processes.windows import Windows

Run = Callable[[], Any]


def predicting(work: Work, model_dir: str) -> Run:
    """One batch, with an estimator that has predicted before."""
    classifier, given = new_classifier(work, model_dir), sparse_batches(work._replace(batches=1))
    labels, indices = given.labels[0], given.indices[:, 1:]
    shape = (work.rows, indices[:, 1].max() + 1)

    def input_fn() -> tf.data.Dataset:
        x = tf.SparseTensor(indices, given.numbers, shape)
        return tf.data.Dataset.from_tensors(({"x": x}, labels))

    return lambda: _sums(list(classifier.predict(input_fn)))


def evaluating(work: Work, model_dir: str) -> Run:
    """All rows, with an estimator that has evaluated before."""
    return _evaluation(new_classifier(work, model_dir), work)


def evaluating_new_estimator(work: Work, model_dir: str) -> Run:
    """All rows, each time with a new estimator."""
    return lambda: _evaluation(new_classifier(work, model_dir), work)()


def _evaluation(classifier: Any, work: Work) -> Run:
    given, steps = sparse_batches(work), EVALUATED_ROWS // work.rows

    def input_fn() -> tf.data.Dataset:
        return sparse_dataset(given).cache().repeat().prefetch(2)

    return lambda: _numbers(classifier.evaluate(input_fn, steps=steps))


def serving(work: Work, model_dir: str) -> Run:
    """One request of one row to an exported model, as bytes of an example."""
    classifier = new_classifier(work, model_dir)
    spec = tf.feature_column.make_parse_example_spec([column(work)])
    receiver = _receiver_fn(spec)
    exported = classifier.export_saved_model(f"{model_dir}/export", receiver)
    served = tf.saved_model.load(exported).signatures["predict"]
    floats = tf.train.FloatList(value=[0.5] * SERVED_STEPS * work.features)
    features = tf.train.Features(feature={"x": tf.train.Feature(float_list=floats)})
    request = tf.constant([tf.train.Example(features=features).SerializeToString()])
    return lambda: served(request)["probabilities"].numpy().tolist()


def _receiver_fn(spec: Any) -> Any:
    # TensorFlow 2.15 cannot import it.
    import rnn_core

    return rnn_core.export.build_parsing_serving_input_receiver_fn(spec)


def _sums(predictions: list[dict[str, Any]]) -> dict[str, float]:
    """One number of all rows a prediction."""
    names = ("probabilities", "logits")
    return {name: float(sum(row[name][0] for row in predictions)) for name in names}


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


KINDS: Final = {
    "predict": predicting,
    "evaluate": evaluating,
    "evaluate_new_estimator": evaluating_new_estimator,
    "serve": serving,
}


def main(settings: dict[str, Any]) -> None:
    """``work``, ``model_dir``, ``kind`` (one of ``KINDS``), ``calls`` in a window."""
    work, model_dir = WORKS[settings["work"]], settings["model_dir"]
    if tf.train.latest_checkpoint(model_dir) is None:
        new_classifier(work, model_dir).train(lambda: dataset(work), max_steps=20)
    run, windows = KINDS[settings["kind"]](work, model_dir), Windows()
    found = run()
    while windows.end_window(found=found):
        for _ in range(settings["calls"]):
            found = run()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
