"""Every error that a stage raises on purpose.

    RnnflowError                    the root; exit code 1
    |-- UserError (ValueError)      the user can fix it; exit code 2
    |   |-- ConfigError             the configuration cannot be used
    |   |-- DataError               the rows cannot be used
    |   |   `-- InvalidRowsError    more rows are invalid than the config allows
    |   |-- ClusterError             the environment describes an invalid cluster
    |   |-- NotFoundError (LookupError)   a file, run, version or champion does not exist
    |   `-- BusyError               another run holds the work directory
    |-- StorageError (OSError)      a disk that is full, a directory that is read-only
    |-- TrainingError               training cannot go on; the last good checkpoint is kept
    |   `-- WorkerFailedError       a training worker failed more often than the config allows
    |-- ServerAwayError             a server does not answer; it may later
    |-- RegistryError               the MLflow server is unreachable or rejects a request
    |   `-- RegistryAwayError (ServerAwayError)   MLflow does not answer; it may later
    |-- BrokenModelError            an exported model cannot be loaded, or fails on a valid row
    `-- SkewError                   the exported model does not answer as the trained one does

A message says what was expected, what came, where, and what to do.
"""

from __future__ import annotations


class RnnflowError(Exception):
    """Root of the errors of this project; ``exit_code`` is what the command line ends with."""

    exit_code = 1


class UserError(RnnflowError, ValueError):
    """Something that the user can fix: a config, a file, an argument."""

    exit_code = 2


class ConfigError(UserError):
    """The configuration cannot be used; the message lists every fault with its path."""


class DataError(UserError):
    """The rows cannot be used."""


class InvalidRowsError(DataError):
    """More rows are invalid than ``data.bad_rows_allowed_fraction`` allows."""


class ClusterError(UserError):
    """The environment describes an invalid cluster: two chiefs, an index too large."""


class NotFoundError(UserError, LookupError):
    """A file, run, model version or champion that was named does not exist."""

    # LookupError's own __str__ would print the repr of the message.
    __str__ = Exception.__str__


class BusyError(UserError):
    """Another run holds the work directory."""


class StorageError(RnnflowError, OSError):
    """Writing failed: the disk is full or the directory is read-only."""


class TrainingError(RnnflowError):
    """Training cannot go on, such as at a loss that is no number; the last checkpoint is kept."""


class WorkerFailedError(TrainingError):
    """A training worker failed more often than ``launch.restarts_allowed`` says, or never came."""


class ServerAwayError(RnnflowError):
    """A server does not answer; it may later."""


class RegistryError(RnnflowError):
    """The MLflow server is unreachable or rejects a request."""


class RegistryAwayError(RegistryError, ServerAwayError):
    """MLflow does not answer; it may later."""


class BrokenModelError(RnnflowError):
    """An exported model cannot be loaded, or fails on rows that fit its schema."""


class SkewError(RnnflowError):
    """The exported model does not answer as the trained one does."""
