"""Files of rows exist, are not empty, and have a digest of their content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.config import DataConfig
from components.data.rows import find_rows
from components.errors import DataError, NotFoundError
from tests.components.conftest import WriteRows

ROWS = [{"id": "a"}, {"id": "b"}]


def test_a_file_alone_leaves_the_split_to_the_ids(write_rows: WriteRows) -> None:
    rows = find_rows(DataConfig(train=write_rows(ROWS)))
    assert [file.split for file in rows.files] == [None]


def test_files_for_all_splits_decide_the_split(write_rows: WriteRows) -> None:
    names = ("train", "validation", "test")
    train, validation, test = (write_rows([{"id": name}], name) for name in names)
    rows = find_rows(DataConfig(train=train, validation=validation, test=test))
    assert [file.split for file in rows.files] == list(names)


def test_a_training_file_without_a_validation_file_is_split_by_id(write_rows: WriteRows) -> None:
    data = DataConfig(train=write_rows(ROWS), test=write_rows([{"id": "c"}], "test.jsonl"))
    assert [file.split for file in find_rows(data).files] == [None, "test"]


def test_the_digest_follows_the_content_and_not_the_name(write_rows: WriteRows) -> None:
    one = find_rows(DataConfig(train=write_rows(ROWS, "one.jsonl")))
    two = find_rows(DataConfig(train=write_rows(ROWS, "two.jsonl")))
    other = find_rows(DataConfig(train=write_rows(ROWS[:1], "one.jsonl")))
    assert one.digest == two.digest != other.digest


def test_the_digest_changes_when_a_file_changes_its_split(write_rows: WriteRows) -> None:
    first, second = write_rows(ROWS), write_rows([{"id": "c"}], "other.jsonl")
    as_test = find_rows(DataConfig(train=first, test=second))
    as_validation = find_rows(DataConfig(train=first, validation=second))
    assert as_test.digest != as_validation.digest


def test_a_file_that_does_not_exist_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"data\.train: .*gone\.jsonl does not exist"):
        find_rows(DataConfig(train=str(tmp_path / "gone.jsonl")))


def test_a_directory_is_not_a_file_of_rows(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is a directory"):
        find_rows(DataConfig(train=str(tmp_path)))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match=r"empty\.jsonl is empty"):
        find_rows(DataConfig(train=str(tmp_path / "empty.jsonl")))


def test_one_content_for_two_splits_is_refused(write_rows: WriteRows) -> None:
    data = DataConfig(train=write_rows(ROWS), test=write_rows(ROWS, "copy.jsonl"))
    with pytest.raises(DataError, match="same content"):
        find_rows(data)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(write_rows: WriteRows) -> None:
    path = write_rows(ROWS)
    Path(path).chmod(0)
    with pytest.raises(NotFoundError, match="may not be read"):
        find_rows(DataConfig(train=path))
