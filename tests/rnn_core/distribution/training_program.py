"""One task of a training in step, that a test may kill, stop, starve or cut off.

The only argument is a JSON object; see ``main`` for its keys.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import rnn_core
from rnn_core.distribution import addresses, replicas
from tests.rnn_core.distribution.cases import dataset
from tests.rnn_core.samples import sequence_columns

job = json.loads(sys.argv[1])


class Steps(rnn_core.Hook):
    """Says each step, so that a test knows when to strike."""

    every_steps = 1

    def after_steps(self, context: rnn_core.HookContext) -> None:
        print(f"step {context.global_step}.", flush=True)
        time.sleep(job.get("step_seconds", 0))


def train_input(input_context: Any) -> tf.data.Dataset:
    workers, index = input_context.num_input_pipelines, input_context.input_pipeline_id
    own = dataset().shard(workers, index)
    batches = own.shuffle(len(own), seed=5).repeat(job.get("epochs")).batch(3)
    limit = job.get("batches", {}).get(str(index))
    batches = batches if limit is None else batches.take(limit)
    if str(index) in job.get("hangs", ()):
        return batches.concatenate(_hanging(batches))
    return batches.map(_with_wrong_label) if str(index) in job.get("mislabelled", ()) else batches


def _hanging(batches: tf.data.Dataset) -> tf.data.Dataset:
    def hang() -> list[int]:
        time.sleep(1000)
        return [0]

    def sleep(features: Any, labels: Any) -> Any:
        (waited,) = tf.numpy_function(hang, [], [tf.int64])
        return features, labels + waited

    return batches.repeat().map(sleep)


def _with_wrong_label(features: Any, labels: Any) -> Any:
    return features, labels + 10


def eval_input() -> tf.data.Dataset:
    return dataset().batch(7)


def estimator(strategy: Any) -> rnn_core.RNNClassifier:
    config = {"tf_random_seed": 3, "save_checkpoints_steps": 5, "save_summary_steps": 1}
    return rnn_core.RNNClassifier(
        sequence_columns(),
        rnn_cell_fn=lambda: keras.layers.GRUCell(3, dropout=0.3, recurrent_dropout=0.2),
        n_classes=3,
        model_dir=job["model_dir"],
        config=rnn_core.RunConfig(
            **{**config, "train_distribute": strategy, **job.get("config", {})}
        ),
    )


def _pretend_gpus_on_several_machines() -> None:
    """So that workers on CPUs get TensorFlow's own strategy, and its servers."""
    tf.config.get_visible_devices = lambda kind: [kind]
    addresses.is_on_loopback = lambda cluster: False


def _refuse_to_listen() -> None:
    def refused(*_: Any) -> Any:
        raise OSError("this worker may not listen")

    vars(replicas)["Listener"] = refused


def main() -> None:
    if job.get("pretends_gpus"):
        _pretend_gpus_on_several_machines()
    if job.get("deaf") is not None and os.environ["TF_CONFIG"].endswith(f"{job['deaf']}}}}}"):
        _refuse_to_listen()
    strategy = rnn_core.multi_worker_strategy(job.get("meeting_secs", 60))
    trained = estimator(strategy)
    print("ready", flush=True)
    if os.environ["TF_CONFIG"].endswith(f"{job.get('late')}}}}}"):
        time.sleep(1)  # the others wait for this one meanwhile
    if job.get("evaluates"):
        metrics, _ = rnn_core.train_and_evaluate(
            trained,
            rnn_core.TrainSpec(train_input, max_steps=job["steps"], hooks=[Steps()]),
            rnn_core.EvalSpec(eval_input, start_delay_secs=0, throttle_secs=0),
        )
        print(f"metrics {json.dumps(metrics)}", flush=True)
    else:
        trained.train(train_input, hooks=[Steps()], max_steps=job["steps"])
    print("finished", flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    Path(job["model_dir"]).mkdir(parents=True, exist_ok=True)
    try:
        main()
    except rnn_core.RnnCoreError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        sys.exit(1)
