"""What TensorFlow 2.15.1's heads and optimizers make of the cases beside; run with that version:

PYTHONPATH=. python tests/rnn_core/goldens/make.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tensorflow as tf

from tests.rnn_core.goldens import head_cases, optimizer_cases


def head(case: head_cases.Case) -> dict[str, Any]:
    """Losses of the batches, metrics over all, predictions and signatures of the first batch."""
    measured = getattr(tf.estimator, case.kind)(*case.arguments)
    metrics, losses = measured.metrics(), []
    for features, labels, logits in case.batches():
        losses.append(float(measured.loss(labels, logits, features)))
        measured.update_metrics(metrics, features, logits, labels)
    predictions = measured.predictions(case.batches()[0][2])
    with tf.Graph().as_default():
        spec = measured.create_estimator_spec({}, "infer", tf.constant(case.logits))
        outputs = {key: type(value).__name__ for key, value in spec.export_outputs.items()}
    return {
        "losses": losses,
        "metrics": {key: value_of(key, metric) for key, metric in metrics.items()},
        "predictions": {key: [one.dtype.name, listed(one)] for key, one in predictions.items()},
        "export_outputs": outputs,
    }


def value_of(key: str, metric: Any) -> float:
    """Outside of a graph ``accuracy_baseline`` keeps its quotient in parts."""
    if key.startswith("accuracy_baseline"):
        return float(tf.math.divide_no_nan(metric.total, metric.count))
    return float(metric.result())


def listed(value: tf.Tensor) -> Any:
    if value.dtype == tf.string:
        return [[word.decode() for word in row] for row in value.numpy().tolist()]
    return value.numpy().tolist()


def optimizer(case: optimizer_cases.Case, sparse: bool) -> dict[str, Any]:
    """The variable after all steps, and its slots."""
    more = {"decay": case.decay} if case.decay else {}
    kinds = tf.keras.optimizers
    made = case.optimizer(kinds.legacy, kinds.schedules, **more)
    variable = tf.Variable(optimizer_cases.START)
    for gradient in optimizer_cases.gradients(sparse):
        made.apply_gradients([(gradient, variable)])
    slots = {name: made.get_slot(variable, name).numpy().tolist() for name in made.get_slot_names()}
    return {"variable": variable.numpy().tolist(), "slots": slots}


def main() -> None:
    folder = Path(__file__).parent
    heads = {name: head(case) for name, case in head_cases.CASES.items()}
    moved = {
        f"{name} {'sparse' if sparse else 'dense'}": optimizer(case, sparse)
        for name, case in optimizer_cases.CASES.items()
        for sparse in (False, True)
    }
    for name, values in (("heads", heads), ("optimizers", moved)):
        cases = {"tensorflow": tf.__version__, **values}
        lines = [f"{json.dumps(key)}: {json.dumps(one)}" for key, one in cases.items()]
        (folder / f"{name}.json").write_text("\n".join(["{", ",\n".join(lines), "}", ""]))


if __name__ == "__main__":
    main()
