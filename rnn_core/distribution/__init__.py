"""Synchronous data-parallel training: replicas, all-reduce, heartbeats, failure detection.

A worker is a process; a replica is a device of a worker. In each step every replica computes one
buffer of sums from its own batch; the buffers are summed over all replicas (all-reduce), and every
worker applies the total to its own copy of the variables. So all copies stay equal to the bit.

Four modules concern the other workers, each in another respect: ``addresses``, whether a task is
reachable; ``listener``, where a worker is found; ``heartbeat``, whether its process lives, its step
and how it ended; ``peer_connections``, the sockets of the all-reduce.
"""

from __future__ import annotations

from rnn_core.distribution.strategies import multi_worker_strategy

__all__ = ["multi_worker_strategy"]
