"""Every error that rnn_core raises on purpose.

    RnnCoreError                          the root
    |-- ArgumentError (ValueError)        an argument, or a combination of arguments, is not legal
    |   `-- ArgumentTypeError (TypeError)    an argument is of another type
    |-- UnsupportedError (NotImplementedError)   legal in the old API, not supported here (yet)
    |-- ModelFnError (ValueError)         a model_fn, or what it returns, cannot be used
    |-- FeatureError (ValueError)         a feature has the wrong kind, rank, type or length
    |   `-- MissingFeatureError (KeyError)   a feature that a column needs is not in the input
    |-- LabelError (ValueError)           labels are missing, out of range or of the wrong shape
    |-- EmptyInputError (ValueError)      the input gave no batch at all
    |-- InputPositionError (ValueError)   the stored position does not fit the input
    |-- NanLossDuringTrainingError (RuntimeError)   the loss is not a finite number
    |-- CheckpointError (ValueError)      a checkpoint cannot be read, or there is none
    |   `-- ArchitectureError             a checkpoint holds other variables than the model
    |-- StorageError (OSError)            writing failed: a full disk, a read-only directory
    `-- WorkerLostError (RuntimeError)    another worker is gone, or does not answer in time

Each also subclasses the builtin that ``tf.estimator`` raised in the same case. A message says what
was expected, what came, where, and what to do.
"""

from __future__ import annotations


class RnnCoreError(Exception):
    """Root of the errors of this package."""


class ArgumentError(RnnCoreError, ValueError):
    """An argument, or a combination of arguments, is not legal."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument is of another type than expected."""


class UnsupportedError(RnnCoreError, NotImplementedError):
    """Something that the old API had and this package does not support."""


class ModelFnError(RnnCoreError, ValueError):
    """A ``model_fn`` cannot be called, or what it returns cannot be used."""


class FeatureError(RnnCoreError, ValueError):
    """A feature has the wrong kind, rank, type or length."""


class MissingFeatureError(FeatureError, KeyError):
    """A feature that a column or the weight needs is not in the input."""

    # KeyError's own __str__ would print the repr of the message.
    __str__ = Exception.__str__


class LabelError(RnnCoreError, ValueError):
    """Labels are missing, out of range, not in the vocabulary, or of the wrong shape or type."""


class EmptyInputError(RnnCoreError, ValueError):
    """The input ended before its first batch."""


class InputPositionError(RnnCoreError, ValueError):
    """The stored position of the input does not fit the input of this run."""


class NanLossDuringTrainingError(RnnCoreError, RuntimeError):
    """The loss became NaN or infinite; the variables were not updated with it."""


class CheckpointError(RnnCoreError, ValueError):
    """A checkpoint cannot be read, or there is none."""


class ArchitectureError(CheckpointError):
    """A checkpoint holds other variables, or other shapes, than the model."""


class StorageError(RnnCoreError, OSError):
    """Writing failed: the disk is full or the directory is read-only."""


class WorkerLostError(RnnCoreError, RuntimeError):
    """Another worker of the cluster is gone, or did not answer in time; the message names it."""
