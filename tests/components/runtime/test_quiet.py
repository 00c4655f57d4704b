"""Libraries are silent only while they are told to be."""

from __future__ import annotations

import logging
import warnings

import pytest

from components.runtime.libraries import quiet_libraries


def test_a_library_says_errors_only(caplog: pytest.LogCaptureFixture) -> None:
    with quiet_libraries():
        logging.getLogger("apache_beam.runners").warning("of no use to a user")
        logging.getLogger("apache_beam.runners").error("this matters")
        warnings.warn("nor is this", DeprecationWarning, stacklevel=1)
    assert caplog.messages == ["this matters"]


def test_our_own_logger_is_not_touched(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="rnnflow"), quiet_libraries():
        logging.getLogger("rnnflow").info("a stage began")
    assert caplog.messages == ["a stage began"]


def test_afterwards_everything_is_as_it_was_even_after_an_error() -> None:
    logger = logging.getLogger("absl")
    before = logger.level
    with pytest.raises(KeyError), quiet_libraries():
        raise KeyError
    assert logger.level == before
    with pytest.warns(UserWarning, match="heard again"):
        warnings.warn("heard again", stacklevel=1)
