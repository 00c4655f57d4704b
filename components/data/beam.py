"""Beam pipelines on the runner that the configuration names."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineRunner, create_runner

from components.artifacts.storage import STORAGE_ERRNOS
from components.config import PreprocessingConfig
from components.errors import ConfigError

_EXPECTED_RUNNER = (
    "expected a Beam runner: FnApiRunner, which runs in this process, or one such as FlinkRunner, "
    "SparkRunner and DataflowRunner"
)
_TYPES: Mapping[type, str] = {bool: "true or false", int: "a whole number"}
"""Words for the types of options that YAML has too."""

# Beam infers the types of what passes through each step from the code, a tenth of the time of a
# small run; ours are annotated, and checked before that.
_OPTIONS: Mapping[str, Any] = {"pipeline_type_check": False}


def check_runner(preprocessing: PreprocessingConfig) -> None:
    """Checks that the runner and its options exist, and that an option has a value of its type.

    Raises:
        ConfigError: names each fault with its path, what was expected, and what came.
    """
    faults = [*_faults_of_runner(preprocessing.runner), *_faults_of_options(preprocessing)]
    if faults:
        raise ConfigError("\n".join(faults))


def _faults_of_runner(name: str) -> Iterator[str]:
    try:
        runner = create_runner(name)
    except ImportError as error:
        # Beam knows it, but it or a package of it is not installed.
        yield f"preprocessing.runner: {name!r} cannot be loaded: {error}. {_EXPECTED_RUNNER}."
    except (ValueError, AttributeError, TypeError):
        known = {each.lower(): each for each in StandardOptions.KNOWN_RUNNER_NAMES}
        # A name with a dot is the path of a class, and no slip of a short name.
        near = [] if "." in name else difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"; did you mean {known[near[0]]!r}?" if near else "."
        yield f"preprocessing.runner: {_EXPECTED_RUNNER}; got {name!r}{hint}"
    else:
        if not isinstance(runner, PipelineRunner):
            yield f"preprocessing.runner: {_EXPECTED_RUNNER}; got {name!r}, which is no runner."


def _faults_of_options(preprocessing: PreprocessingConfig) -> Iterator[str]:
    known = PipelineOptions([]).get_all_options()
    for name, value in preprocessing.runner_options.items():
        path = f"preprocessing.runner_options.{name}"
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "see Beam's pipeline options."
            yield f"{path}: Beam has no such option; {hint}"
            continue
        # Beam checks the text of a command line alone. The type of a default that is None is not
        # known here.
        words = _TYPES.get(type(known[name]))
        if words is not None and type(value) is not type(known[name]):
            yield f"{path}: expected {words}; got {value!r}"


@contextlib.contextmanager
def run_pipeline(preprocessing: PreprocessingConfig) -> Iterator[beam.Pipeline]:
    """Yields a pipeline, and runs it to its end when the block is left.

    Raises:
        OSError: a full disk or a directory that is read-only, whatever Beam wrapped it in.
    """
    try:
        options = PipelineOptions([], **{**_OPTIONS, **preprocessing.runner_options})
        with beam.Pipeline(runner=preprocessing.runner, options=options) as pipeline:
            yield pipeline
    except Exception as error:
        # Workers report their exceptions as text: the full disk behind one is found in the text.
        for code in sorted(STORAGE_ERRNOS):
            if os.strerror(code) in str(error):
                raise OSError(code, os.strerror(code)) from error
        raise
