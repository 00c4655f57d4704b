"""The stage as a whole: what it leaves, that it repeats, and what it leaves when it fails."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf

from components.artifacts.schema import load_schema
from components.artifacts.storage import is_complete
from components.artifacts.values import SPLITS
from components.config import DataConfig, PreprocessingConfig
from components.data.examples import write_examples
from components.data.rows import find_rows
from components.data.splits.by_id import split_fractions, split_of
from components.errors import ConfigError, InvalidRowsError, StorageError
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from components.training.datasets import read_ids, read_raw_records
from tests.components.conftest import MIXED, Prepared, WriteRows, prepare, write_lines
from tests.programs import LOAD_TENSORFLOW

ROOT = Path(__file__).parents[3]


def content(directory: Path) -> dict[str, bytes]:
    """Every file but the graph itself, which TensorFlow stamps with a number of its own."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.suffix != ".pb" and "variables" not in path.parts
    }


def test_every_file_of_the_contract_is_there_and_nothing_else(mixed: Prepared) -> None:
    shards = {f"{name}-0000{shard}-of-00002.tfrecord" for name in (*SPLITS, "raw_test")
              for shard in (0, 1)}  # fmt: skip
    files = {"schema.json", "statistics.json", "dead_letters.jsonl", "sample.parquet", "_SUCCESS",
             "transform"}  # fmt: skip
    assert {path.name for path in mixed.path.iterdir()} == shards | files
    assert is_complete(mixed.path)
    assert not mixed.path.with_name("examples.partial").exists()


def test_every_valid_row_is_in_the_split_that_its_id_decides(mixed: Prepared) -> None:
    fractions = split_fractions(mixed.data)
    for split in SPLITS:
        expected = {row["id"] for row in mixed.rows if split_of(row["id"], fractions) == split}
        assert sorted(read_ids(mixed.examples, split)) == sorted(expected)


def test_files_of_their_own_keep_their_rows(vowels: Prepared) -> None:
    test = {row["id"] for row in vowels.rows if row["id"].startswith("test")}
    assert set(read_ids(vowels.examples, "test")) == test


def test_raw_records_hold_the_values_of_the_rows(mixed: Prepared) -> None:
    by_id = {row["id"]: row for row in mixed.rows}
    for record in read_raw_records(mixed.examples):
        example = tf.train.SequenceExample.FromString(record)
        context, lists = example.context.feature, example.feature_lists.feature_list
        row = by_id[context["id"].bytes_list.value[0].decode()]
        assert context["label"].bytes_list.value[0].decode() == row["label"]
        assert context["colour"].bytes_list.value[0].decode() == row["context"]["colour"]
        assert context["age"].float_list.value[:] == [row["context"]["age"]]
        words = [step.bytes_list.value[0].decode() for step in lists["word-1.a"].feature]
        assert words == row["sequence"]["word-1.a"]
        pulse = [step.float_list.value[0] for step in lists["pulse"].feature]
        assert pulse == row["sequence"]["pulse"]
        assert len(lists["motion"].feature) == len(row["sequence"]["motion"])


def test_invalid_rows_are_dead_letters_with_source_line_and_reason(mixed: Prepared) -> None:
    letters = [
        json.loads(line) for line in (mixed.path / "dead_letters.jsonl").read_text().splitlines()
    ]
    assert [letter["line"] for letter in letters] == [11, 122]
    assert {letter["source"] for letter in letters} == {mixed.data.train}
    assert letters[0]["reason"].startswith("invalid JSON")
    assert letters[1]["excerpt"].startswith('{"id": "unlabelled"')


def test_the_labels_are_those_of_the_training_split_sorted(mixed: Prepared) -> None:
    assert load_schema(mixed.path).labels == ("no", "yes", "übrig")


def test_a_second_run_gives_the_same_bytes_and_says_nothing_on_the_terminal(
    mixed: Prepared, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    again = prepare(mixed.data, MIXED, tmp_path / "examples")
    assert capfd.readouterr() == ("", "")
    assert content(tmp_path / "examples") == content(mixed.path)
    assert again.digest == mixed.examples.digest


def test_neither_the_order_of_the_lines_nor_the_size_of_a_batch_moves_a_row(
    vowels: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.data.passes.typed_rows.BATCH_ROWS", 7)
    lines = Path(vowels.data.train).read_text().splitlines()
    train = write_lines(tmp_path / "reversed.jsonl", reversed(lines))
    data = DataConfig(train=train, test=vowels.data.test)
    other = prepare(data, vowels.features, tmp_path / "examples")
    for split in SPLITS:
        assert read_ids(other, split) == read_ids(vowels.examples, split)
    assert list(read_raw_records(other)) == list(read_raw_records(vowels.examples))


def test_other_settings_give_another_digest(mixed: Prepared, vowels: Prepared) -> None:
    assert mixed.examples.digest != vowels.examples.digest


@pytest.mark.slow
def test_a_refused_run_leaves_its_dead_letters_and_nothing_else(
    write_rows: WriteRows, tmp_path: Path
) -> None:
    features = FeaturesConfig({"x": NumericFeature(kind="numeric")})
    rows = [{"id": f"{n}", "label": f"{n % 2}", "sequence": {"x": [n]}} for n in range(99)]
    data = DataConfig(train=write_rows([*rows, "{"]), bad_rows_allowed_fraction=0.001)
    with pytest.raises(InvalidRowsError, match=r"1 of 100 rows are invalid, 0\.1 % allowed"):
        prepare(data, features, tmp_path / "out" / "examples")
    letters = tmp_path / "out" / "examples.dead_letters.jsonl"
    assert list(letters.parent.iterdir()) == [letters]
    assert len(letters.read_text().splitlines()) == 1
    prepare(replace(data, bad_rows_allowed_fraction=0.1), features, tmp_path / "out" / "examples")
    assert [path.name for path in letters.parent.iterdir()] == ["examples"]


def test_a_runner_that_does_not_exist_stops_before_anything_is_made(
    mixed: Prepared, tmp_path: Path
) -> None:
    preprocessing = PreprocessingConfig(runner="Elsewhere")
    with pytest.raises(ConfigError, match="Elsewhere"):
        write_examples(find_rows(mixed.data), mixed.data, MIXED, preprocessing, tmp_path / "e")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow beyond 20 kB: writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_reported_and_leaves_nothing_half_written(
    vowels: Prepared, tmp_path: Path, small_disk: None
) -> None:
    with pytest.raises(StorageError, match=r"cannot write .*examples"):
        prepare(vowels.data, vowels.features, tmp_path / "examples")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_killed_leaves_only_the_partial_directory(
    vowels: Prepared, tmp_path: Path
) -> None:
    script = """
import sys
from pathlib import Path
from components.config import DataConfig, PreprocessingConfig
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from components.data.examples import write_examples
from components.data.rows import find_rows
data = DataConfig(train=sys.argv[1], test=sys.argv[2])
features = FeaturesConfig({"coefficients": NumericFeature(kind="numeric", width=12)})
write_examples(find_rows(data), data, features, PreprocessingConfig(), Path(sys.argv[3]))
"""
    arguments = [vowels.data.train, str(vowels.data.test), str(tmp_path / "examples")]
    process = subprocess.Popen(
        [sys.executable, "-c", LOAD_TENSORFLOW + script, *arguments],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not list(tmp_path.glob("examples.partial/scratch/*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["examples.partial"]
    shutil.rmtree(tmp_path / "examples.partial")
