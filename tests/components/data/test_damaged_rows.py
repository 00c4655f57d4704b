"""10,000 rows damaged at random, in each format: every row is read or is a dead letter."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import orjson
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.config import ColumnsConfig
from components.data.passes.reading import NumberedChunk, invalid_rows_path, read_chunk
from components.data.row_parsing import RowFormat
from components.data.sources.formats import source_of
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from components.features.vocabulary import VocabularyFeature

pytestmark = pytest.mark.slow

ROWS = 10_000
FEATURES = FeaturesConfig(
    {"x": NumericFeature(kind="numeric"), "word": VocabularyFeature(kind="token")},
    {"age": NumericFeature(kind="numeric")},
)
FORM = RowFormat.of(FEATURES, 50)


def plain(number: int, chance: random.Random) -> dict[str, Any]:
    steps = chance.randint(1, 6)
    return {
        "id": f"r{number}",
        "label": chance.choice("ab"),
        "age": number % 90,
        "x": [chance.gauss(0, 1) for _ in range(steps)],
        "word": [chance.choice(("go", "stop", "ü")) for _ in range(steps)],
    }


def typed_damage(row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Faults that columns of fixed types can hold."""
    key = chance.choice(list(row))
    value = row[key]
    if not isinstance(value, list) or chance.random() < 0.3:
        return {**row, key: None}
    place = chance.randrange(len(value))
    faults = [[], value[:place], [None if at == place else v for at, v in enumerate(value)]]
    if key == "x":
        faults += [[float("nan")] * len(value), [*value, float("inf")], [1e300] * len(value)]
    else:
        faults += [[*value, ""], ["\0"] * len(value)]
    return {**row, key: chance.choice(faults)}


def damaged(chance: random.Random) -> list[dict[str, Any]]:
    rows = [plain(number, chance) for number in range(ROWS)]
    return [typed_damage(row, chance) if chance.random() < 0.5 else row for row in rows]


def json_lines(chance: random.Random) -> bytes:
    """Lines with any byte changed, left out or added, but for those that end a line."""
    lines = []
    for number in range(ROWS):
        row = plain(number, chance)
        fields = {"context": {"age": row.pop("age")}, "sequence": {"x": row.pop("x"),
                  "word": row.pop("word")}}  # fmt: skip
        line = bytearray(orjson.dumps({**row, **fields}))
        for _ in range(chance.choice((0, 0, 1, 1, 3, 40))):
            place, byte = chance.randrange(len(line)), chance.choice([*range(10), *range(11, 256)])
            match chance.randrange(4):
                case 0:
                    line[place] = byte
                case 1:
                    line.insert(place, byte)
                case 2 if len(line) > 1:
                    del line[place : place + chance.randint(1, 30)]
                    line = line or bytearray(b"x")
                case _:
                    line[place:place] = line[: chance.randint(1, 30)]
        lines.append(bytes(line) if line.strip() else b"x")
    return b"\n".join(lines)


def jsonl(folder: Path, chance: random.Random) -> str:
    (folder / "rows.jsonl").write_bytes(json_lines(chance))
    return "rows.jsonl"


def jsonl_gz(folder: Path, chance: random.Random) -> str:
    (folder / "rows.jsonl.gz").write_bytes(gzip.compress(json_lines(chance), 1))
    return "rows.jsonl.gz"


def parquet(folder: Path, chance: random.Random) -> str:
    pq.write_table(pa.Table.from_pylist(damaged(chance)), folder / "rows.parquet")
    return "rows.parquet"


def arrow(folder: Path, chance: random.Random) -> str:
    feather.write_feather(pa.Table.from_pylist(damaged(chance)), str(folder / "rows.arrow"))
    return "rows.arrow"


def avro(folder: Path, chance: random.Random) -> str:
    one = ["null", "string", "double", "boolean"]
    kind = [*one, {"type": "array", "items": [*one, {"type": "array", "items": one}]}]
    fields = [{"name": name, "type": kind} for name in ("id", "label", "age", "x", "word")]
    rows = []
    for row in damaged(chance):
        if chance.random() < 0.3:
            values: list[Any] = [True, "text", 4.0, [["deep"]], [1.0, "mixed"], [True]]
            row[chance.choice(list(row))] = chance.choice(values)
        rows.append(row)
    schema = fastavro.parse_schema({"type": "record", "name": "row", "fields": fields})
    with (folder / "rows.avro").open("wb") as file:
        fastavro.writer(file, schema, rows)
    return "rows.avro"


def wide_csv(folder: Path, chance: random.Random) -> str:
    """A row a line: cells of text among numbers, and lines with too few or too many cells."""
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label", "age", *(f"x{step}" for step in range(1, 7))])
        for number in range(ROWS):
            row = plain(number, chance)
            cells = [row["id"], row["label"], row["age"], *(row["x"] + [""] * 6)[:6]]
            match chance.randrange(6):
                case 0:
                    # Not the id: lines with one id would be the steps of one row.
                    cells[chance.randrange(1, len(cells))] = chance.choice(
                        ["", "n/a", 'a "b', "é,"]
                    )
                case 1:
                    cells = cells[: chance.randint(2, 8)]
                case 2:
                    cells += ["more"]
            writer.writerow(cells)
    return "rows.csv"


def tfrecords(folder: Path, chance: random.Random) -> str:
    """Examples, half of them with bytes that are changed or cut off."""
    with tf.io.TFRecordWriter(str(folder / "rows.tfrecord")) as writer:
        for number in range(ROWS):
            row = plain(number, chance)
            example = tf.train.SequenceExample(
                context=tf.train.Features(
                    feature={
                        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
                        for name, text in (("id", row["id"]), ("label", row["label"]))
                    }
                ),
                feature_lists=tf.train.FeatureLists(
                    feature_list={
                        "x": tf.train.FeatureList(
                            feature=[
                                tf.train.Feature(float_list=tf.train.FloatList(value=[each]))
                                for each in row["x"]
                            ]
                        )
                    }
                ),
            )
            content = bytearray(example.SerializeToString())
            if chance.random() < 0.5:
                content[chance.randrange(len(content))] = chance.randrange(256)
                content = content[: chance.randint(1, len(content))]
            writer.write(bytes(content))
    return "rows.tfrecord"


@pytest.mark.parametrize(
    "write",
    [jsonl, jsonl_gz, parquet, arrow, avro, wide_csv, tfrecords],
    ids=lambda each: each.__name__,
)
def test_rows_that_are_read_and_dead_letters_are_all_rows(
    write: Callable[[Path, random.Random], str], tmp_path: Path
) -> None:
    path = str(tmp_path / write(tmp_path, random.Random(11)))
    source = source_of(path, ColumnsConfig())
    read = invalid = 0
    for chunk in (NumberedChunk(*each) for each in enumerate(source.chunks(1 << 16))):
        found = read_chunk(chunk, FEATURES, FORM, str(tmp_path))
        read += sum(batch.num_rows for batch in found.rows.batches())
        invalid += found.profile.invalid_count
        letters = invalid_rows_path(str(tmp_path), chunk.number)
        lines = letters.read_text().splitlines() if letters.exists() else []
        assert len(lines) == found.profile.invalid_count
        assert all(json.loads(line)["reason"] for line in lines)
    assert (read + invalid, invalid > ROWS // 20) == (ROWS, True)
