"""Beam pipelines on the runner that the configuration names."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import create_runner

from components.artifacts.storage import STORAGE_ERRNOS
from components.config import PreprocessingConfig
from components.errors import ConfigError


def check_runner(preprocessing: PreprocessingConfig) -> None:
    """Checks that the runner and its options exist.

    Raises:
        ConfigError: names what Beam does not know.
    """
    try:
        create_runner(preprocessing.runner)
    except (ValueError, ImportError, AttributeError) as error:
        raise ConfigError(
            f"preprocessing.runner: Beam knows no runner {preprocessing.runner!r}. "
            "FnApiRunner runs in this process; others are FlinkRunner, SparkRunner and "
            "DataflowRunner."
        ) from error
    known = PipelineOptions([]).get_all_options()
    for name in preprocessing.runner_options:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ConfigError(
                f"preprocessing.runner_options.{name}: Beam has no such option.{hint}"
            )


@contextlib.contextmanager
def run_pipeline(preprocessing: PreprocessingConfig) -> Iterator[beam.Pipeline]:
    """Yields a pipeline, and runs it to its end when the block is left.

    Raises:
        OSError: a full disk or a directory that is read-only, whatever Beam wrapped it in.
    """
    try:
        options = PipelineOptions([], **preprocessing.runner_options)
        with beam.Pipeline(runner=preprocessing.runner, options=options) as pipeline:
            yield pipeline
    except Exception as error:
        # Workers report their exceptions as text: the full disk behind one is found in the text.
        for code in sorted(STORAGE_ERRNOS):
            if os.strerror(code) in str(error):
                raise OSError(code, os.strerror(code)) from error
        raise
