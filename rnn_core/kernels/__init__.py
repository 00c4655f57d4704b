"""The native recurrent layer: one C++ library.

``python -m rnn_core.kernels`` builds it, once, at set-up. It is a faster way to the numbers of
``rnn_core.recurrence``, for training, evaluation and prediction on CPUs. Checkpoints and exports
know nothing of it.
"""
