"""Builds the library with the C++ compiler and the headers that TensorFlow ships."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import tensorflow as tf

from rnn_core.kernels.library import library_path, sources

# Vector instructions are chosen while running: no -march, or an image would not start elsewhere.
_FLAGS: Final = ("-O3", "-shared", "-fPIC", "-fvisibility=hidden", "-Wno-psabi")


class BuildError(Exception):
    """There is no library: no compiler, or it failed."""


def build() -> Path:
    """The library, made now if it is not there; it replaces those of other sources and versions.

    The compiler is ``CXX``, or g++.

    Raises:
        BuildError: there is no compiler, it failed, or the library's directory is read-only.
    """
    library = library_path()
    if library.exists():
        return library
    compiler = find_compiler()
    if compiler is None:
        raise BuildError("found no C++ compiler. Install g++, or name one in CXX.")
    temporary = library.with_name(f"{library.name}.tmp-{os.getpid()}")
    try:
        command = [compiler, *_FLAGS, *tf.sysconfig.get_compile_flags(), *map(str, sources())]
        command += ["-o", str(temporary), *tf.sysconfig.get_link_flags()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
        # Atomic: a process that loads the library meanwhile sees all of it or none.
        temporary.replace(library)
    except OSError as error:
        raise BuildError(f"cannot write {library}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    for other in library.parent.glob("*.so"):
        if other != library:
            other.unlink(missing_ok=True)
    return library


def find_compiler() -> str | None:
    """The path of ``CXX``, or of g++; None if it is not there."""
    return shutil.which(os.environ.get("CXX") or "g++")
