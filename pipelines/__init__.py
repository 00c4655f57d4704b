"""Flows, tasks, schedules and the command line: the only package that knows Prefect.

The libraries below read these variables when they are imported, so they are set here, first, and
only where the user has not set them: terminals show our lines, the servers keep the libraries'.
"""

import logging
import os

from components.runtime.libraries import mute_import_of_tensorflow

_DEFAULTS = {
    "DO_NOT_TRACK": "1",
    # `servers.patience` tries again, for longer and with a line that says so.
    "PREFECT_CLIENT_MAX_RETRIES": "1",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "rnnflow",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

for _name, _value in _DEFAULTS.items():
    os.environ.setdefault(_name, _value)

# Prefect's log takes what this logger lets through: it adds its handler to an extra logger, but no
# level. Terminals show none of it: there each stage has its line.
if logging.getLogger("rnnflow").level == logging.NOTSET:
    logging.getLogger("rnnflow").setLevel(logging.INFO)

mute_import_of_tensorflow()
