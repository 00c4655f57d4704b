"""What is decided for a fit before it begins; ``test_refit`` has the fits themselves."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from components.config import LaunchConfig, ModelConfig, TrainingConfig
from components.training import fits
from components.training.datasets import bytes_in_memory
from components.training.fits import first_job, first_jobs, refit_job
from components.training.job import TrainingJob
from components.training.selection import Selection
from tests.components.conftest import Prepared

TRAIN = Selection(("train",))


def _job(mixed: Prepared, *, processes: int = 1, refit: bool = False) -> TrainingJob:
    training = TrainingConfig(batch_size=16, max_steps=4, refit=refit)
    launch = LaunchConfig(memory_fraction=0.5)
    return first_job(mixed.examples, ModelConfig(units=(4,)), training, 7, launch, processes)


def test_rows_are_held_in_memory_up_to_the_share_of_it(
    mixed: Prepared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    needed = bytes_in_memory(mixed.examples, TRAIN)
    monkeypatch.setattr(fits, "memory_bytes", lambda: 2 * needed)
    assert not _job(mixed).on_disk
    assert not caplog.records
    with caplog.at_level(logging.INFO, "rnnflow"):
        monkeypatch.setattr(fits, "memory_bytes", lambda: 2 * needed - 2)
        assert _job(mixed).on_disk
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("Batches are read from disk, one by one: the rows would take")
    assert "launch.memory_fraction = 0.5" in line


def test_each_process_holds_all_rows_and_a_refit_those_of_validation_too(
    mixed: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = bytes_in_memory(mixed.examples, TRAIN)
    more = bytes_in_memory(mixed.examples, Selection(("train", "validation")))
    assert more > needed > 0
    monkeypatch.setattr(fits, "memory_bytes", lambda: 2 * needed)
    assert _job(mixed, processes=2).on_disk
    assert _job(mixed, refit=True).on_disk
    monkeypatch.setattr(fits, "memory_bytes", lambda: 2 * more)
    assert not _job(mixed, refit=True).on_disk


def test_the_networks_of_an_ensemble_differ_in_their_seeds_alone(mixed: Prepared) -> None:
    only = _job(mixed)
    assert first_jobs(only) == [only]
    first = dataclasses.replace(
        only, training=dataclasses.replace(only.training, ensemble_size=3, refit=True)
    )
    jobs = first_jobs(first)
    assert jobs[0] == first
    assert [job.name for job in jobs] == ["", "network-2", "network-3"]
    assert [refit_job(job, 4).name for job in jobs] == [
        "refit", "network-2-refit", "network-3-refit",
    ]  # fmt: skip
    assert {dataclasses.replace(job, seed=first.seed, name="") for job in jobs} == {first}
    # Runs of neighbouring seeds, as one makes to see how much is luck, share no network.
    of_next = first_jobs(dataclasses.replace(first, seed=first.seed + 1))
    assert len({job.seed for job in [*jobs, *of_next]}) == 6
