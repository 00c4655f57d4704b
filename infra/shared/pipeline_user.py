"""Makes the MLflow user that the pipeline signs in as: not the administrator.

A user may make experiments and registered models and manages what it has made; what others made, it
may read. Run it again to set another password. Names as arguments are those of pipelines that the
administrator has run before: the user then manages that experiment and that registered model too.

    MLFLOW_TRACKING_URI                                 the server
    MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD  its administrator
    MLFLOW_PIPELINE_USERNAME, MLFLOW_PIPELINE_PASSWORD  the user, with 12 characters at least
"""

from __future__ import annotations

import os
import sys

from mlflow.client import MlflowClient
from mlflow.exceptions import RestException
from mlflow.server import get_app_client


def main(names: list[str]) -> None:
    """Makes the user, or sets its password."""
    user, password = os.environ["MLFLOW_PIPELINE_USERNAME"], os.environ["MLFLOW_PIPELINE_PASSWORD"]
    if user == os.environ["MLFLOW_TRACKING_USERNAME"]:
        sys.exit(f"expected a user other than the administrator, got {user} for both.")
    client = get_app_client("basic-auth", tracking_uri=os.environ["MLFLOW_TRACKING_URI"])
    try:
        client.create_user(user, password)
    except RestException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        client.update_user_password(user, password)
    for name in names:
        experiment = MlflowClient().get_experiment_by_name(name)
        if experiment is None:
            sys.exit(f"expected an experiment that exists, got {name}.")
        client.grant_user_permission(user, "experiment", experiment.experiment_id, "MANAGE")
        client.grant_user_permission(user, "registered_model", name, "MANAGE")


if __name__ == "__main__":
    main(sys.argv[1:])
