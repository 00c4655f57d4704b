"""What TFT learned is what the training rows hold, computed here a second way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import tensorflow as tf

from components.artifacts.schema import load_schema
from components.config import DataConfig, ModelConfig, TrainingConfig
from components.export.transform_graph import load_transform
from components.features.bucketized import BucketizedFeature
from components.features.config import FeaturesConfig
from components.features.hashed import HashedFeature
from components.features.numeric import NumericFeature
from components.features.vocabulary import VocabularyFeature
from components.training.datasets import read_batches, read_ids
from components.training.train import train_model
from tests.components.conftest import MIXED, JsonRow, Prepared, WriteRows, prepare

RowsAndFeatures: TypeAlias = tuple[list[JsonRow], dict[str, Any]]


@pytest.fixture(scope="module")
def train(mixed: Prepared) -> RowsAndFeatures:
    """The raw training rows, and their transformed features in one batch."""
    ids = read_ids(mixed.examples, "train")
    by_id = {row["id"]: row for row in mixed.rows}
    features, _ = next(iter(read_batches(mixed.examples, "train", len(ids))))
    return [by_id[row_id] for row_id in ids], features


ODD = [
    "",
    "\n",
    "x\ny",
    "\r",
    "\r\n",
    "xny",
    "\x1b",
    "\x1bn",
    "\x1b0",
    " a",
    "a ",
    "a",
    "\x00",
    "日本",
]
"""Strings that a file with a line for each could confuse."""


def test_every_string_has_an_id_of_its_own_whatever_is_in_it(
    write_rows: WriteRows, tmp_path: Path
) -> None:
    features = FeaturesConfig(
        {"word": VocabularyFeature(kind="token")}, {"name": VocabularyFeature(kind="categorical")}
    )
    rows = [
        {"id": n, "label": n % 2, "sequence": {"word": ODD}, "context": {"name": ODD[n % len(ODD)]}}
        for n in range(200)
    ]
    examples = prepare(DataConfig(train=write_rows(rows)), features, tmp_path / "examples")
    words = tf.ragged.constant([ODD], row_splits_dtype=tf.int64)
    names = tf.constant([[one] for one in ODD])
    found = load_transform(examples.path)({"word": words, "name": names})
    every = list(range(len(ODD)))
    assert sorted(found["word"].values.numpy().tolist()) == every
    assert sorted(found["name"].numpy()[:, 0].tolist()) == every
    sizes = load_schema(examples.path).vocabulary_sizes
    assert sizes == {"word": len(ODD) + 1, "name": len(ODD) + 1}


def test_hashed_strings_and_quantiles_of_numbers_are_the_same_ids_when_served_as_when_trained(
    write_rows: WriteRows, tmp_path: Path
) -> None:
    draw = np.random.default_rng(4)
    rows: list[JsonRow] = [
        {
            "id": str(n), "label": n % 2,
            "context": {"user": f"u{n}", "income": float(np.float32(draw.lognormal()))},
            "sequence": {"page": [f"p{k}" for k in range(n % 4 + 1)],
                         "amount": np.float32(draw.lognormal(0, 3, n % 4 + 1)).tolist()},
        }
        for n in range(80)
    ]  # fmt: skip
    features = FeaturesConfig(
        {
            "page": HashedFeature(kind="hashed", buckets=7),
            "amount": BucketizedFeature(kind="bucketized", buckets=4, embedding_dimension=2),
        },
        {
            "user": HashedFeature(kind="hashed", buckets=5, embedding_dimension=3),
            "income": BucketizedFeature(kind="bucketized", buckets=3),
        },
    )
    examples = prepare(DataConfig(train=write_rows(rows)), features, tmp_path / "examples")
    assert load_schema(examples.path).vocabulary_sizes == {
        "page": 7, "amount": 4, "user": 5, "income": 3,
    }  # fmt: skip
    ids = read_ids(examples, "train")
    of_train = [rows[int(row_id)] for row_id in ids]
    trained, _ = next(iter(read_batches(examples, "train", len(ids))))
    pages = [page for row in of_train for page in row["sequence"]["page"]]
    np.testing.assert_array_equal(
        trained["page"].values, tf.strings.to_hash_bucket_fast(pages, 7).numpy()
    )
    amounts = np.array([x for row in of_train for x in row["sequence"]["amount"]], np.float32)
    counts = np.bincount(trained["amount"].values.numpy().ravel(), minlength=4)
    assert np.ptp(counts) <= 0.1 * len(amounts)
    order = np.argsort(amounts)
    assert (np.diff(trained["amount"].values.numpy().ravel()[order]) >= 0).all()

    served = load_transform(examples.path)(
        {
            "page": tf.ragged.constant([row["sequence"]["page"] for row in of_train],
                                       row_splits_dtype=tf.int64),
            "amount": tf.RaggedTensor.from_row_lengths(
                amounts[:, None], [len(row["sequence"]["amount"]) for row in of_train]
            ),
            "user": tf.constant([[row["context"]["user"]] for row in of_train]),
            "income": tf.constant([[row["context"]["income"]] for row in of_train], tf.float32),
        }
    )  # fmt: skip
    for name, values in served.items():
        ours = trained[name]
        flat = ours.values if isinstance(ours, tf.RaggedTensor) else ours
        theirs = values.values if isinstance(values, tf.RaggedTensor) else values
        np.testing.assert_array_equal(np.ravel(flat), np.ravel(theirs))
    model = train_model(
        examples, ModelConfig(units=(4,)),
        TrainingConfig(batch_size=16, max_steps=2, evaluate_every_steps=2), 7,
        directory=tmp_path / "model",
    )  # fmt: skip
    assert model.step == 2


def z_scores(values: np.ndarray) -> np.ndarray:
    """Each column scaled by its own moments; a constant column is all zero."""
    deviation = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(deviation == 0, 1, deviation)


def test_numbers_are_scaled_by_the_moments_of_all_steps(train: RowsAndFeatures) -> None:
    rows, features = train
    steps = np.concatenate([row["sequence"]["motion"] for row in rows])
    np.testing.assert_allclose(features["motion"].values, z_scores(steps), atol=2e-4)


def test_numbers_are_clipped_compressed_and_scaled_in_this_order_when_served_as_when_trained(
    write_rows: WriteRows, tmp_path: Path
) -> None:
    draw = np.random.default_rng(4)
    rows: list[JsonRow] = [
        {
            "id": str(n), "label": n % 2, "context": {"size": float(draw.normal())},
            "sequence": {"amount": np.float32(draw.normal(0, 9, 5) ** 3).tolist()},
        }
        for n in range(60)
    ]  # fmt: skip
    features = FeaturesConfig(
        {"amount": NumericFeature(kind="numeric", clip=(-500, 800), log1p=True)},
        {"size": NumericFeature(kind="numeric", normalize="min_max")},
    )
    examples = prepare(DataConfig(train=write_rows(rows)), features, tmp_path / "examples")
    ids = read_ids(examples, "train")
    trained, _ = next(iter(read_batches(examples, "train", len(ids))))
    of_train = [rows[int(row_id)] for row_id in ids]

    amounts = np.concatenate([row["sequence"]["amount"] for row in of_train]).clip(-500, 800)
    expected = z_scores((np.sign(amounts) * np.log1p(abs(amounts)))[:, None])
    np.testing.assert_allclose(trained["amount"].values, expected, atol=2e-4)
    sizes = np.array([[row["context"]["size"]] for row in of_train])
    expected = (sizes - sizes.min()) / (sizes.max() - sizes.min())
    np.testing.assert_allclose(trained["size"], expected, atol=1e-5)
    served = load_transform(examples.path)({
        "amount": tf.ragged.constant(
            [[[x] for x in row["sequence"]["amount"]] for row in of_train],
            ragged_rank=1, dtype=tf.float32, row_splits_dtype=tf.int64,
        ),
        "size": tf.constant(sizes, tf.float32),
    })  # fmt: skip
    for name in ("amount", "size"):
        values = [getattr(each[name], "values", each[name]) for each in (served, trained)]
        np.testing.assert_array_equal(*values)


def test_a_number_that_never_changes_becomes_zero(train: RowsAndFeatures) -> None:
    _, features = train
    assert not features["motion"].values[:, 2].numpy().any()


def test_context_numbers_are_scaled_by_the_moments_of_the_rows(train: RowsAndFeatures) -> None:
    rows, features = train
    sizes = np.array([row["context"]["size"] for row in rows])
    np.testing.assert_allclose(features["size"], z_scores(sizes), atol=1e-5)


def test_numbers_that_shall_not_be_scaled_stay_as_they_are(train: RowsAndFeatures) -> None:
    rows, features = train
    pulse = [number for row in rows for number in row["sequence"]["pulse"]]
    assert features["pulse"].values[:, 0].numpy().tolist() == pulse


def test_ids_stay_as_they_are(train: RowsAndFeatures) -> None:
    rows, features = train
    assert features["event"].to_list() == [row["sequence"]["event"] for row in rows]
    assert features["Laden"].numpy()[:, 0].tolist() == [row["context"]["Läden"] for row in rows]


def test_the_most_frequent_strings_are_kept_and_the_others_share_the_buckets(
    train: RowsAndFeatures,
) -> None:
    rows, features = train
    words = [word for row in rows for word in row["sequence"]["word-1.a"]]
    ids = features["word-1.a"].values.numpy().tolist()
    counts = Counter(words)
    given: dict[str, int] = {}
    for word, number in zip(words, ids, strict=True):
        assert given.setdefault(word, number) == number
    kept = [word for word, number in given.items() if number < 6]
    assert sorted(given[word] for word in kept) == list(range(6))
    assert {given[word] for word in set(given) - set(kept)} <= {6, 7}
    assert min(counts[word] for word in kept) >= max(
        counts[word] for word in set(given) - set(kept)
    )
    frequencies = [counts[word] for word in sorted(kept, key=given.__getitem__)]
    assert frequencies == sorted(frequencies, reverse=True)


def test_the_sizes_count_the_buckets_too(mixed: Prepared) -> None:
    sizes = load_schema(mixed.path).vocabulary_sizes
    assert sizes == {"word-1.a": 6 + 2, "event": 40, "colour": 3 + 1, "Laden": 9}
    assert set(sizes) == {
        name
        for name, feature in {**MIXED.sequence, **MIXED.context}.items()
        if feature.kind != "numeric"
    }


@pytest.mark.slow
def test_strings_of_every_form_get_an_id_below_the_size(
    write_rows: WriteRows, tmp_path: Path
) -> None:
    odd = ["", " ", "a b", "two\nlines", "\r", "ü", "\u0000", "plain"]
    rows = [
        {"id": str(n), "label": str(n % 2), "sequence": {"odd": odd, "rare": [str(n)] * len(odd)}}
        for n in range(40)
    ]
    features = FeaturesConfig(
        {
            "odd": VocabularyFeature(kind="token", oov_buckets=3),
            "rare": VocabularyFeature(kind="token", min_frequency=1000),
        }
    )
    examples = prepare(DataConfig(train=write_rows(rows)), features, tmp_path / "examples")
    sizes = load_schema(examples.path).vocabulary_sizes
    batch, _ = next(iter(read_batches(examples, "train", 8)))
    for name, size in sizes.items():
        ids = batch[name].values.numpy()
        assert ids.min() >= 0
        assert ids.max() < size
    plain = [odd.index(text) for text in (" ", "a b", "ü", "plain")]
    assert len({int(batch["odd"][0, place]) for place in plain}) == len(plain)
