"""Files of rows at a URL that fsspec knows, such as ``s3://bucket/rows/*.parquet``.

They are read from local copies, which lie in the directory for temporary files: that of a run goes
with the run. Credentials come from where the store's own programs have them, such as
``AWS_PROFILE`` or ``~/.aws``.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

import fsspec

from components.artifacts.storage import storage_errors
from components.errors import DataError, NotFoundError, UserError

# What the stores change when they get other content: S3, HTTP, Google, Azure, a file system.
_MARKS: Final = ("ETag", "etag", "LastModified", "Last-Modified", "last_modified", "md5Hash",
                 "updated", "mtime", "generation")  # fmt: skip
_BLOCK_BYTES: Final = 8 << 20
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
"""Removed with this process, or with the run."""
_COPIES: dict[tuple[str, str], Path] = {}


def remote_files(url: str, suffixes: Collection[str]) -> list[str]:
    """The files that a URL names, sorted: itself, those of a directory, or those of a pattern.

    Args:
        url: of a file or directory, or with ``*``, ``?`` or ``[…]``.
        suffixes: of the files of a directory that count.

    Raises:
        NotFoundError: it names no file, or the store cannot be read.
        UserError: the package for this kind of store is not installed.
    """
    with _errors(url):
        files, path = fsspec.core.url_to_fs(url)
        if any(char in path for char in "*?["):
            found = [each for each in files.glob(path) if files.isfile(each)]
            if not found:
                raise NotFoundError(f"{url} matches no file.")
        elif files.isdir(path):
            names = [each["name"] for each in files.ls(path, detail=True) if each["type"] == "file"]
            found = [
                each
                for each in names
                if PurePosixPath(each).suffix.lower() in suffixes
                and not PurePosixPath(each).name.startswith((".", "_"))
            ]
            if not found:
                raise NotFoundError(
                    f"{url} is a directory without a file of rows ({', '.join(suffixes)})."
                )
        else:
            return [url]
        return sorted(str(files.unstrip_protocol(each)) for each in found)


def remote_identity(url: str) -> tuple[str, int]:
    """A digest that changes with the content of a file, and its size in bytes.

    It is made of what the store says of the file, so that nothing is read; where that is too
    little, of the content.

    Raises:
        NotFoundError: there is no such file, or the store cannot be read.
        UserError: the package for this kind of store is not installed.
    """
    with _errors(url):
        files, path = fsspec.core.url_to_fs(url)
        files.invalidate_cache()  # or a listing of some minutes ago would answer
        info: dict[str, Any] = files.info(path)
        marks = [f"{name}={info[name]}" for name in _MARKS if info.get(name)]
        size = info.get("size")
        if not marks or size is None:
            return _digest_of_content(files, path)
        text = "\n".join([url, str(size), *marks])
        return hashlib.sha256(text.encode()).hexdigest(), int(size)


def local_copy(url: str, digest: str) -> str:
    """The path of a local copy of a file, made once a process.

    Raises:
        DataError: the file is no longer the one with this digest of ``remote_identity``.
        NotFoundError: the store cannot be read.
        StorageError: the disk is full.
    """
    known = _COPIES.get((url, digest))
    if known is not None and known.is_file():
        return str(known)
    # A folder for each: files of one name may come from several places.
    folder = tempfile.TemporaryDirectory(prefix="rnnflow-rows-", ignore_cleanup_errors=True)
    _FOLDERS.append(folder)
    with _errors(url):
        files, path = fsspec.core.url_to_fs(url)
        copy = Path(folder.name) / PurePosixPath(path).name
        with storage_errors(copy):
            files.get_file(path, str(copy))
    if remote_identity(url)[0] != digest:
        raise DataError(f"{url} has changed since this run began: start again.")
    _COPIES[url, digest] = copy
    return str(copy)


def _digest_of_content(files: Any, path: str) -> tuple[str, int]:
    state, size = hashlib.sha256(), 0
    with files.open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            state.update(block)
            size += len(block)
    return state.hexdigest(), size


@contextlib.contextmanager
def _errors(url: str) -> Iterator[None]:
    """What the many libraries of the stores raise, as one sentence."""
    try:
        yield
    except (DataError, NotFoundError):
        raise
    except (ImportError, ValueError) as error:
        # fsspec says which package is missing, and which protocols it knows.
        raise UserError(f"{url} cannot be read: {_first_line(error)}") from error
    except FileNotFoundError as error:
        raise NotFoundError(f"{url} does not exist; give the URL of a file of rows.") from error
    except Exception as error:
        # botocore's, aiohttp's and others' have no common base but this one.
        raise NotFoundError(
            f"{url} cannot be read: {_first_line(error)} Check the URL, the network, and the "
            "credentials, which are looked for where the store's own programs do."
        ) from error


def _first_line(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return text if text.endswith(".") else f"{text}."
