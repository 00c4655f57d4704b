"""Native operations, in one C++ library: recurrent layers, and the sum over all workers.

``python -m rnn_core.kernels`` builds it, once, at set-up. On CPUs it is a faster way to the numbers
of ``rnn_core.models.stock_layers`` and ``rnn_core.distribution.all_reduce``. Checkpoints and
exports know nothing of it.
"""
