"""Rows at a URL: on a server that speaks S3, in the memory of this process, on this disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from components.config import DataConfig
from components.data.rows import check_files, find_rows
from components.data.sources.formats import chunks_of, files_of, local_path
from components.data.sources.remote import remote_identity
from components.errors import DataError, NotFoundError, UserError
from tests.s3_server import S3Server

pytestmark = pytest.mark.slow  # starts a server


@pytest.fixture(scope="module", autouse=True)
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty bucket."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in server.environment.items():
                patch.setenv(name, value)
            patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            fsspec.filesystem("s3").mkdir("bucket")
            yield "s3://bucket"
    finally:
        server.kill()
        fsspec.filesystem("s3").clear_instance_cache()


def _put(url: str, numbers: range) -> None:
    rows = [{"id": f"r{i}", "label": "a", "sequence": {"x": [i]}} for i in numbers]
    fsspec.filesystem("s3").pipe(url, "".join(json.dumps(row) + "\n" for row in rows).encode())


def test_rows_are_read_from_a_bucket_in_the_order_of_the_names(bucket: str) -> None:
    _put(f"{bucket}/rows/b.jsonl", range(3, 5))
    _put(f"{bucket}/rows/a.jsonl", range(3))
    fsspec.filesystem("s3").touch(f"{bucket}/rows/_SUCCESS")
    for url in (f"{bucket}/rows", f"{bucket}/rows/", f"{bucket}/rows/*.jsonl"):
        data = DataConfig(train=url)
        check_files(data)
        rows = find_rows(data)
        assert [file.path for file in rows.files] == [
            f"{bucket}/rows/a.jsonl",
            f"{bucket}/rows/b.jsonl",
        ]
        records = [record for chunk in chunks_of(rows) for record in chunk.records()]
        assert [record.values["id"] for record in records] == ["r0", "r1", "r2", "r3", "r4"]


def test_messages_name_the_file_as_it_is_called_there(bucket: str) -> None:
    _put(f"{bucket}/named/train.jsonl", range(2))
    rows = find_rows(DataConfig(train=f"{bucket}/named/train.jsonl"))
    assert chunks_of(rows)[0].source.location(2) == "train.jsonl:2"


def test_the_digest_is_that_of_the_content_without_reading_it(bucket: str) -> None:
    url = f"{bucket}/digest.jsonl"
    _put(url, range(2))
    first = remote_identity(url)
    assert remote_identity(url) == first
    _put(url, range(3))
    assert remote_identity(url)[0] != first[0]
    # A store that says nothing of its files has them read.
    fsspec.filesystem("memory").pipe("/rows.jsonl", b"{}\n")
    memory = remote_identity("memory://rows.jsonl")
    fsspec.filesystem("memory").pipe("/rows.jsonl", b"[]\n")
    assert remote_identity("memory://rows.jsonl") != memory
    assert memory[1] == 3


def test_content_that_changed_after_it_was_found_is_not_read(bucket: str) -> None:
    url = f"{bucket}/changing.jsonl"
    _put(url, range(2))
    rows = find_rows(DataConfig(train=url))
    _put(url, range(3))
    with pytest.raises(DataError, match="has changed since this run began: start again"):
        chunks_of(rows)


def test_a_file_is_copied_once(bucket: str) -> None:
    url = f"{bucket}/once.jsonl"
    _put(url, range(2))
    first = local_path(url)
    assert local_path(url) == first
    Path(first).unlink()
    assert Path(local_path(url)).is_file(), "the run that had made the copy has removed it"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.jsonl", r"data.train: s3://bucket/none.jsonl does not exist"),
        ("none/*.jsonl", r"data.train: s3://bucket/none/\*.jsonl matches no file"),
    ],
)
def test_what_is_not_there_is_named(bucket: str, path: str, message: str) -> None:
    with pytest.raises(NotFoundError, match=message):
        check_files(DataConfig(train=f"{bucket}/{path}"))


def test_a_directory_without_rows_and_an_empty_file_are_named(bucket: str) -> None:
    files = fsspec.filesystem("s3")
    files.pipe(f"{bucket}/notes/readme.md", b"no rows")
    with pytest.raises(NotFoundError, match="is a directory without a file of rows"):
        check_files(DataConfig(train=f"{bucket}/notes"))
    files.touch(f"{bucket}/empty.jsonl")
    with pytest.raises(DataError, match=r"s3://bucket/empty.jsonl is empty"):
        check_files(DataConfig(train=f"{bucket}/empty.jsonl"))


def test_a_store_that_refuses_or_is_unknown_is_named_with_what_to_do(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"nosuch://a/b cannot be read: .*nosuch"):
        files_of("nosuch://a/b")
    with pytest.raises(UserError, match=r"gs://a/b.jsonl cannot be read: .*gcsfs"):
        files_of("gs://a/b.jsonl")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(NotFoundError, match="Check the URL, the network, and the credentials"):
        files_of(f"{bucket}/rows")
    fsspec.filesystem("s3").clear_instance_cache()


def test_a_url_may_be_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "r", "label": "a", "sequence": {"x": [1]}}\n')
    rows = find_rows(DataConfig(train=f"file://{path}"))
    assert [record.values["id"] for chunk in chunks_of(rows) for record in chunk.records()] == ["r"]
