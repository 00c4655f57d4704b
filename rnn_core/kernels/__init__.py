"""Native operations, in one C++ library: recurrent layers, and the sum over all workers.

``python -m rnn_core.kernels`` builds it, once, at set-up. On CPUs it is a faster way to the numbers
of ``rnn_core.recurrence`` and ``rnn_core.distribution.exchange``. Checkpoints and exports know
nothing of it.
"""
