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


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("FnApiRuner", "got 'FnApiRuner'; did you mean 'FnApiRunner'?"),
        ("fnapi-runner", "got 'fnapi-runner'; did you mean 'FnApiRunner'?"),
        ("Flinkrunnr", "got 'Flinkrunnr'; did you mean 'FlinkRunner'?"),
        ("json.Runner", "got 'json.Runner'."),
        ("json.JSONDecoder", "got 'json.JSONDecoder', which is no runner."),
        ("", "got ''."),
    ],
)
def test_a_runner_that_beam_does_not_know_comes_with_the_nearest(name: str, end: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_runner(PreprocessingConfig(runner=name))
    assert str(caught.value).startswith("preprocessing.runner: expected a Beam runner: FnApiRunner")
    assert str(caught.value).endswith(end)


def test_a_runner_that_is_not_installed_is_not_taken_for_a_misspelt_one() -> None:
    with pytest.raises(ConfigError, match=r"'no\.such\.Runner' cannot be loaded: No module named"):
        check_runner(PreprocessingConfig(runner="no.such.Runner"))


@pytest.mark.parametrize("name", ["FnApiRunner", "fnapirunner", "DirectRunner"])
def test_a_runner_is_known_as_beam_knows_it(name: str) -> None:
    check_runner(PreprocessingConfig(runner=name))


def test_each_option_that_beam_does_not_take_is_named_with_the_nearest() -> None:
    options = {"direct_num_worker": 2, "streaming": "yes", "direct_num_workers": 1.5}
    with pytest.raises(ConfigError) as caught:
        check_runner(PreprocessingConfig(runner="Flink Runner", runner_options=options))
    section = "preprocessing.runner_options"
    runner, *faults = str(caught.value).splitlines()
    assert runner.endswith("got 'Flink Runner'; did you mean 'FlinkRunner'?")
    assert faults == [
        f"{section}.direct_num_worker: Beam has no such option; did you mean 'direct_num_workers'?",
        f"{section}.streaming: expected true or false; got 'yes'",
        f"{section}.direct_num_workers: expected a whole number; got 1.5",
    ]


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
