"""Many replicas and many workers: who they are, what they exchange, and how one is missed.

A worker is a process; a replica is a device of a worker. Each replica turns a batch of its own into
sums, one buffer of numbers; the buffers of all replicas are added, once a step, and every worker
moves its own copy of the variables along the total. So all copies stay equal to the bit.
"""

from __future__ import annotations

from rnn_core.distribution.strategies import multi_worker_strategy

__all__ = ["multi_worker_strategy"]
