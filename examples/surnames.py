"""Tells the country of a surname from its characters: .venv/bin/python examples/surnames.py

An embedding of the characters, two LSTM layers of 32 and 16 units, and a softmax over eight
countries; then a SavedModel that takes names. README.md beside this file says what to expect.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import logging
import tempfile
from pathlib import Path
from typing import Any, Final

import keras
import tensorflow as tf

import rnn_core

DATA: Final = Path(__file__).parent / "surnames.csv"
BATCH_ROWS: Final = 64


def is_for_test(name: str) -> bool:
    """A fifth of the names, always the same ones."""
    return hashlib.md5(name.encode()).digest()[0] % 5 == 0


def read_rows(test: bool) -> tuple[list[str], list[str]]:
    with DATA.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if is_for_test(row["name"]) == test]
    return [row["name"] for row in rows], [row["country"] for row in rows]


def characters(names: Any) -> dict[str, tf.RaggedTensor]:
    """string [B] to a ragged feature [B, T], a character a step."""
    return {"characters": tf.strings.unicode_split(tf.strings.lower(names, "utf-8"), "UTF-8")}


def train_input(seed: int) -> tf.data.Dataset:
    rows = tf.data.Dataset.from_tensor_slices(read_rows(test=False))
    batches = rows.shuffle(10_000, seed=seed).repeat().batch(BATCH_ROWS)
    return batches.map(lambda names, countries: (characters(names), countries))


def test_input() -> tf.data.Dataset:
    rows = tf.data.Dataset.from_tensor_slices(read_rows(test=True)).batch(500)
    return rows.map(lambda names, countries: (characters(names), countries))


def make_classifier(model_dir: str, seed: int) -> rnn_core.RNNClassifier:
    countries = sorted(set(read_rows(test=False)[1]))
    tokens = tf.feature_column.sequence_categorical_column_with_hash_bucket(
        "characters", hash_bucket_size=500
    )
    return rnn_core.RNNClassifier(
        sequence_feature_columns=[tf.feature_column.embedding_column(tokens, dimension=16)],
        units=[32, 16],
        cell_type="lstm",
        n_classes=len(countries),
        label_vocabulary=countries,
        optimizer=lambda: keras.optimizers.Adam(0.005),
        model_dir=model_dir,
        config=rnn_core.RunConfig(tf_random_seed=seed, log_step_count_steps=200),
    )


def names_receiver() -> rnn_core.export.ServingInputReceiver:
    """What the exported model takes: names, a string each."""
    names = tf.compat.v1.placeholder(tf.string, [None], name="names")
    return rnn_core.export.ServingInputReceiver(characters(names), {"names": names})


def run(model_dir: str, steps: int, seed: int) -> float:
    """Trains up to ``steps``, prints what came of it, and gives the accuracy on the test names."""
    classifier = make_classifier(model_dir, seed)
    classifier.train(lambda: train_input(seed), max_steps=steps)
    metrics = classifier.evaluate(test_input)
    print(f"accuracy on {len(read_rows(test=True)[0])} other names: {metrics['accuracy']:.3f}")
    saved = classifier.export_saved_model(Path(model_dir) / "export", names_receiver)
    show_answers(saved)
    return float(metrics["accuracy"])


def show_answers(saved_model: str) -> None:
    """Asks the exported model for the first test name of each country."""
    rows = zip(*read_rows(test=True), strict=True)
    asked = {country: name for name, country in reversed(list(rows))}
    serve = tf.saved_model.load(saved_model).signatures["predict"]
    answers = serve(names=tf.constant(list(asked.values())))
    outputs = answers["classes"].numpy(), answers["probabilities"].numpy()
    for (country, name), (answer,), row in zip(asked.items(), *outputs, strict=True):
        print(f"{name:>14} ({country}): {answer.decode()}, {row.max():.2f}")
    print(f"SavedModel: {saved_model}")


def show_progress() -> None:
    logger = logging.getLogger("rnn_core")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler())
    logger.propagate = False
    # Feature columns warn that they are deprecated; rnn_core is what keeps them in use.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def main() -> None:
    parser = argparse.ArgumentParser(description="Tells the country of a surname.")
    parser.add_argument("--model-dir", help="where to train, or to go on; default: a new directory")
    parser.add_argument("--steps", type=int, default=600, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    arguments = parser.parse_args()
    show_progress()
    model_dir = arguments.model_dir or tempfile.mkdtemp(prefix="surnames-")
    run(model_dir, arguments.steps, arguments.seed)


if __name__ == "__main__":
    main()
