"""The public names."""

from __future__ import annotations

import rnn_core


def test_every_public_name_exists_is_documented_and_listed_once() -> None:
    assert sorted(set(rnn_core.__all__)) == sorted(rnn_core.__all__)
    for name in rnn_core.__all__:
        assert getattr(rnn_core, name).__doc__, name
