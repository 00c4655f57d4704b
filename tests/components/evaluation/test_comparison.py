"""The champion on the candidate's test rows, whatever either of the two reads of a row."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.artifacts.predictions import PredictionTable, read_predictions
from components.artifacts.schema import SCHEMA, Schema, load_schema, save_schema, schema_directory
from components.artifacts.values import (
    Champion,
    ChampionMetrics,
    Comparison,
    Examples,
    IncomparableChampion,
    Metrics,
    Model,
    Rows,
)
from components.data.rows import find_rows
from components.data.sources.formats import chunks_of
from components.errors import DataError
from components.evaluation import comparison
from components.evaluation.comparison import measure_champion
from components.evaluation.metrics_files import measure
from components.export.batch_prediction import Predictor
from components.export.serving_graph import Served
from components.features.config import AnyFeature, FeaturesConfig
from components.features.ids import IdFeature
from components.features.numeric import NumericFeature
from components.runtime.libraries import quiet_libraries
from components.training.datasets import read_ids, read_labels
from tests.components.conftest import Prepared
from tests.components.toy_export import FEATURES, LABELS, Doubling, Summing, ToyExport

pytest_plugins = ["tests.components.mlflow_fixtures"]

CANDIDATE = Model("model", "model.ckpt-1", 1, "candidate")


@pytest.fixture(scope="module")
def rows(mixed: Prepared) -> Rows:
    return find_rows(mixed.data)


@pytest.fixture(scope="module")
def metrics(mixed: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Metrics:
    """Of a candidate that always says ``yes``."""
    ids, labels = read_ids(mixed.examples, "test"), read_labels(mixed.examples, "test")
    answers = np.tile([0.2, 0.5, 0.3], (len(ids), 1))
    table = PredictionTable.of(ids, labels, LABELS, answers)
    return measure(table, LABELS, tmp_path_factory.mktemp("candidate") / "metrics")


@pytest.fixture(scope="module")
def champion(toy: ToyExport) -> Champion:
    """It reads what the candidate reads."""
    return Champion("demo", 4, str(toy.saved_model), "another")


def reading(
    directory: Path, keys: Mapping[str, str] | None = None, **changes: AnyFeature
) -> Champion:
    """A champion that reads some features in another way, or has other keys for them."""

    def changed(features: Mapping[str, AnyFeature]) -> dict[str, AnyFeature]:
        return {
            (keys or {}).get(key, key): dataclasses.replace(
                changes.get(key, feature), name_in_rows=feature.in_rows(key)
            )
            for key, feature in features.items()
        }

    features = FeaturesConfig(changed(FEATURES.sequence), changed(FEATURES.context))
    served = Served(Schema(features, LABELS, {}), Doubling(), Summing())
    path = directory / "saved_model"
    with quiet_libraries():
        tf.saved_model.save(served, str(path), signatures=served.signatures)
    save_schema(Schema(features, LABELS, {}), schema_directory(path))
    return Champion("demo", 5, str(path), "another")


def without_age(examples: Examples, directory: Path) -> Examples:
    """The same examples under a config that leaves a feature out."""
    shutil.copytree(examples.path, directory)
    schema = load_schema(directory)
    context = {name: one for name, one in schema.features.context.items() if name != "age"}
    features = dataclasses.replace(schema.features, context=context)
    save_schema(dataclasses.replace(schema, features=features), directory)
    return Examples(str(directory), "others")


def answers(compared: Comparison) -> PredictionTable:
    assert isinstance(compared, ChampionMetrics), compared
    return read_predictions(Path(compared.metrics.predictions_path))


def why_not(compared: Comparison) -> str:
    assert isinstance(compared, IncomparableChampion), compared
    return compared.reason


def test_the_champion_is_paired_with_the_candidate_on_the_same_rows(
    champion: Champion, rows: Rows, mixed: Prepared, metrics: Metrics, tmp_path: Path
) -> None:
    found = measure_champion(
        champion, CANDIDATE, rows, mixed.examples, metrics, directory=tmp_path / "champion"
    )
    table = answers(found)
    assert isinstance(found, ChampionMetrics)
    assert (found.version, found.same_model, found.rolled_back) == (4, False, False)
    assert table.ids == tuple(read_ids(mixed.examples, "test"))
    right = np.array([label == "yes" for label in table.labels])
    assert 0 < right.sum() < len(right)
    assert found.both_correct == int(np.sum(right & table.correct))
    assert found.only_champion_correct == int(np.sum(~right & table.correct))
    assert found.only_candidate_correct == int(np.sum(right & ~table.correct))
    assert found.both_wrong == int(np.sum(~right & ~table.correct))


@pytest.mark.parametrize("cuts", [False, True], ids=["whole rows", "the last two steps"])
def test_its_answers_are_those_that_it_gives_when_it_serves(
    cuts: bool, champion: Champion, rows: Rows, mixed: Prepared, metrics: Metrics, tmp_path: Path
) -> None:
    if cuts:
        champion = reading(tmp_path)
        directory = schema_directory(Path(champion.path))
        cutting = dataclasses.replace(load_schema(directory), max_row_steps=2, truncate="tail")
        save_schema(cutting, directory)
    found = measure_champion(
        champion, CANDIDATE, rows, mixed.examples, metrics, directory=tmp_path / "champion"
    )
    table = answers(found)
    served = {
        answer.id: answer.probabilities
        for chunk in chunks_of(rows)
        for answer in Predictor(Path(champion.path)).predict(chunk.records())
    }
    for row_id, probabilities in zip(table.ids, table.probabilities.tolist(), strict=True):
        assert list(served[row_id] or ()) == list(table.classes)
        # The logits are sines of sums, which float32 adds up in the order of a batch.
        assert probabilities == pytest.approx(list((served[row_id] or {}).values()), abs=1e-4)


@pytest.mark.parametrize("change", ["none", "leaves a feature out", "another alias"])
def test_rows_that_are_read_again_get_the_very_answers_of_the_examples(
    change: str, champion: Champion, rows: Rows, mixed: Prepared, metrics: Metrics,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    examples = mixed.examples
    plain = measure_champion(
        champion, CANDIDATE, rows, examples, metrics, directory=tmp_path / "plain"
    )
    if change == "leaves a feature out":
        examples = without_age(examples, tmp_path / "without_age")
    elif change == "another alias":
        # Two features have the same names in the rows, and other keys inside.
        champion = reading(tmp_path, keys={"age": "years", "Laden": "shops"})
    else:
        monkeypatch.setattr(comparison._TestRows, "_are_read_alike", False)
    again = measure_champion(
        champion, CANDIDATE, rows, examples, metrics, directory=tmp_path / "again"
    )
    first, second = answers(plain), answers(again)
    assert sorted(first.ids) == sorted(second.ids)
    order = [second.ids.index(row_id) for row_id in first.ids]
    np.testing.assert_array_equal(first.probabilities, second.take(order).probabilities)
    assert isinstance(plain, ChampionMetrics)
    assert isinstance(again, ChampionMetrics)
    assert plain.metrics.overall == again.metrics.overall
    assert plain.only_champion_correct == again.only_champion_correct


def test_a_feature_of_another_kind_is_read_as_the_champion_reads_it(
    rows: Rows, mixed: Prepared, metrics: Metrics, champion: Champion, tmp_path: Path
) -> None:
    """Ages are whole numbers, so that they may be ids as well."""
    other = reading(tmp_path, age=IdFeature(kind="id", size=100))
    found = measure_champion(
        other, CANDIDATE, rows, mixed.examples, metrics, directory=tmp_path / "other"
    )
    plain = measure_champion(
        champion, CANDIDATE, rows, mixed.examples, metrics, directory=tmp_path / "plain"
    )
    # The toy doubles numbers and not ids.
    assert not np.allclose(answers(found).probabilities, answers(plain).probabilities)


@pytest.mark.parametrize(
    ("name", "feature", "reason"),
    [
        ("pulse", NumericFeature(kind="numeric", width=2), "pulse has a step that is not a list"),
        ("size", NumericFeature(kind="numeric", width=3), "size has a wrong width: 2 instead of 3"),
        ("colour", IdFeature(kind="id", size=5), "colour holds something that is not a whole"),
    ],
)
def test_a_champion_that_cannot_read_the_rows_is_not_scored(
    name: str, feature: AnyFeature, reason: str,
    rows: Rows, mixed: Prepared, metrics: Metrics, tmp_path: Path,
) -> None:  # fmt: skip
    other = reading(tmp_path, None, **{name: feature})
    found = measure_champion(
        other, CANDIDATE, rows, mixed.examples, metrics, directory=tmp_path / "champion"
    )
    count = metrics.examples
    told = why_not(found)
    assert told.startswith(f"it cannot read {count} of the {count} test rows, such as rows.jsonl:")
    assert reason in told
    assert not (tmp_path / "champion").exists()


def test_one_row_that_the_champion_cannot_read_is_enough(
    rows: Rows, mixed: Prepared, metrics: Metrics, tmp_path: Path
) -> None:
    ids = set(read_ids(mixed.examples, "test"))
    tested = [row["sequence"]["event"] for row in mixed.rows if row["id"] in ids]
    largest = max(max(events) for events in tested)
    refused = sum(largest in events for events in tested)
    other = reading(tmp_path, event=IdFeature(kind="id", size=largest))
    found = measure_champion(
        other, CANDIDATE, rows, mixed.examples, metrics, directory=tmp_path / "champion"
    )
    assert f"cannot read {refused} of the {len(tested)} test rows" in why_not(found)
    assert f"holds an id out of [0, {largest})" in why_not(found)


def test_a_feature_that_the_rows_lack_is_named(
    champion: Champion, mixed: Prepared, metrics: Metrics, tmp_path: Path
) -> None:
    """The rows of a new source have no ages, and the new config asks for none."""
    path = tmp_path / "rows.jsonl"
    for row in mixed.rows:
        context = {name: value for name, value in row["context"].items() if name != "age"}
        with path.open("a") as file:
            file.write(json.dumps({**row, "context": context}) + "\n")
    rows = find_rows(dataclasses.replace(mixed.data, train=str(path)))
    examples = without_age(mixed.examples, tmp_path / "without_age")
    found = measure_champion(
        champion, CANDIDATE, rows, examples, metrics, directory=tmp_path / "champion"
    )
    assert "(age is missing)" in why_not(found)


def test_an_invalid_row_with_the_id_of_a_test_row_is_no_test_row(
    champion: Champion, mixed: Prepared, metrics: Metrics, tmp_path: Path
) -> None:
    row_id = read_ids(mixed.examples, "test")[0]
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(row) for row in [{"id": row_id, "label": "no"}, *mixed.rows]]
    path.write_text("\n".join(lines))
    rows = find_rows(dataclasses.replace(mixed.data, train=str(path)))
    examples = without_age(mixed.examples, tmp_path / "without_age")
    found = measure_champion(
        champion, CANDIDATE, rows, examples, metrics, directory=tmp_path / "champion"
    )
    assert len(answers(found)) == metrics.examples


def test_rows_that_have_changed_since_are_not_compared_with(
    champion: Champion, mixed: Prepared, metrics: Metrics, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in mixed.rows))
    rows = find_rows(dataclasses.replace(mixed.data, train=str(path)))
    path.write_text("")
    examples = without_age(mixed.examples, tmp_path / "without_age")
    with pytest.raises(DataError, match="has changed since this run began"):
        measure_champion(
            champion, CANDIDATE, rows, examples, metrics, directory=tmp_path / "champion"
        )


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("saved_model.pb", "cannot be loaded or run with TensorFlow"),
        ("variables/variables.index", "cannot be loaded or run with TensorFlow"),
        (f"assets.extra/{SCHEMA}", "does not say what a row holds"),
    ],
)
def test_a_damaged_champion_is_named_in_one_sentence(
    damage: str, reason: str, champion: Champion, rows: Rows, mixed: Prepared,
    metrics: Metrics, tmp_path: Path,
) -> None:  # fmt: skip
    shutil.copytree(champion.path, tmp_path / "damaged")
    (tmp_path / "damaged" / damage).write_bytes(b"no model")
    damaged = dataclasses.replace(
        champion,
        path=str(tmp_path / "damaged"),
        model_digest=CANDIDATE.digest,
        rolled_back_digests=(CANDIDATE.digest,),
    )
    found = measure_champion(
        damaged, CANDIDATE, rows, mixed.examples, metrics, directory=tmp_path / "champion"
    )
    assert reason in why_not(found)
    assert str(tmp_path / "damaged") in why_not(found)
    assert "\n" not in why_not(found)
    assert found.same_model
    assert found.rolled_back


def test_a_candidate_that_is_the_champion_is_known_by_its_digest(
    champion: Champion, rows: Rows, mixed: Prepared, metrics: Metrics, tmp_path: Path
) -> None:
    same = dataclasses.replace(champion, model_digest=CANDIDATE.digest)
    found = measure_champion(
        same, CANDIDATE, rows, mixed.examples, metrics, directory=tmp_path / "champion"
    )
    assert found.same_model
