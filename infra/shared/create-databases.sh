#!/bin/bash
# Runs once, in an empty PostgreSQL: a role and its databases for each server, so that neither of them
# can read what belongs to the other.
set -euo pipefail

create() {
  local role="$1" password="$2"
  shift 2
  psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set role="$role" --set password="$password" \
    <<<"CREATE ROLE :\"role\" LOGIN PASSWORD :'password';"
  local database
  for database in "$@"; do
    psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
      --set role="$role" --set database="$database" <<'SQL'
CREATE DATABASE :"database" OWNER :"role";
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
SQL
  done
}

create mlflow "${MLFLOW_DATABASE_PASSWORD:?expected a password for MLflow}" mlflow mlflow_auth
create prefect "${PREFECT_DATABASE_PASSWORD:?expected a password for Prefect}" prefect
