"""The runner is the one that the config names, and its faults are told in our words."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from components.config import PreprocessingConfig
from components.data.beam import check_runner, run_pipeline
from components.errors import ConfigError


def test_the_default_runner_is_known_and_runs(tmp_path: Path) -> None:
    settings = PreprocessingConfig()
    check_runner(settings)
    with run_pipeline(settings) as pipeline:
        pipeline | beam.Create([str(tmp_path / "file")]) | beam.Map(lambda name: Path(name).touch())
    assert (tmp_path / "file").exists()


@pytest.mark.parametrize("name", ["FnApiRuner", "no.such.module.Runner", "json.Runner", ""])
def test_a_runner_that_beam_does_not_know_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"preprocessing\.runner: .*'{name}'.*FnApiRunner"):
        check_runner(PreprocessingConfig(runner=name))


def test_an_option_that_beam_does_not_know_comes_with_the_nearest() -> None:
    settings = PreprocessingConfig(runner_options={"direct_num_worker": 2})
    with pytest.raises(ConfigError, match="Did you mean 'direct_num_workers'"):
        check_runner(settings)


def test_options_reach_the_pipeline() -> None:
    options: dict[str, Any] = {"job_name": "nightly", "direct_num_workers": 2}
    check_runner(PreprocessingConfig(runner_options=options))
    with run_pipeline(PreprocessingConfig(runner_options=options)) as pipeline:
        found = pipeline.options.get_all_options()
        pipeline | beam.Create([1])
    assert options.items() <= found.items()


def _full(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_inside_a_worker_is_a_full_disk_outside() -> None:
    with pytest.raises(OSError, match="No space left") as error:  # noqa: SIM117
        with run_pipeline(PreprocessingConfig()) as pipeline:
            pipeline | beam.Create([1]) | beam.Map(_full)
    assert error.value.errno == errno.ENOSPC


def _fault(_: int) -> None:
    raise KeyError("a fault of ours")


def test_any_other_fault_keeps_its_text() -> None:
    with pytest.raises(Exception, match="a fault of ours") as error:  # noqa: SIM117
        with run_pipeline(PreprocessingConfig()) as pipeline:
            pipeline | beam.Create([1]) | beam.Map(_fault)
    assert not isinstance(error.value, OSError)
