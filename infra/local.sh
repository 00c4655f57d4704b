#!/bin/bash
# PostgreSQL, MLflow and Prefect on this machine's loopback, without containers.
#
#   eval "$(infra/local.sh start DIRECTORY)"     starts what does not run; prints the variables for clients
#   infra/local.sh stop DIRECTORY                ends it; the data stay in DIRECTORY
#
# Needs Linux, Debian's package postgresql, and mlflow and prefect in PATH or in the repository's .venv.
# Ports and passwords are taken from the environment at the first start, or made, and kept in
# DIRECTORY/settings.env (mode 0600), which counts from then on.
set -euo pipefail

# Logs, artifacts and settings are the business of who starts this.
umask 077
readonly STARTUP_SECONDS=300 SHUTDOWN_SECONDS=30
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

note() { printf 'local.sh: %s\n' "$*" >&2; }
fail() { note "$*"; exit 1; }

random_password() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# Adds NAME=VALUE to the settings unless they have NAME: the environment's value, or the default.
setting() {
  local name="$1" default="$2"
  grep -q "^$name=" "$settings" && return
  local value="${!name:-$default}"
  [[ "$value" != *$'\n'* ]] || fail "expected one line in $name, got several."
  printf '%s=%s\n' "$name" "$value" >>"$settings"
}

# Not by `source`: a password may hold what a shell would act on. Nothing is exported: each server gets
# its own passwords and not the others'.
load_settings() {
  local line
  while IFS= read -r line; do
    [[ "$line" =~ ^[A-Z_]+= ]] && declare -g +x "${line%%=*}=${line#*=}"
  done <"$settings"
  return 0
}

make_settings() {
  touch "$settings"
  chmod 600 "$settings"
  setting RNNFLOW_POSTGRES_PORT 55432
  setting RNNFLOW_MLFLOW_PORT 5000
  setting RNNFLOW_PREFECT_PORT 4200
  setting POSTGRES_PASSWORD "$(random_password)"
  setting MLFLOW_DATABASE_PASSWORD "$(random_password)"
  setting PREFECT_DATABASE_PASSWORD "$(random_password)"
  setting MLFLOW_AUTH_ADMIN_USERNAME admin
  setting MLFLOW_AUTH_ADMIN_PASSWORD "$(random_password)"
  setting MLFLOW_TRACKING_USERNAME pipeline
  setting MLFLOW_TRACKING_PASSWORD "$(random_password)"
  setting MLFLOW_FLASK_SERVER_SECRET_KEY "$(random_password)"
  setting PREFECT_API_AUTH_STRING "rnnflow:$(random_password)"
}

# Programs of the version that made the data: another one does not read them.
find_postgres() {
  local version=""
  [[ -e "$data/PG_VERSION" ]] && version="$(as_postgres cat "$data/PG_VERSION")"
  local candidates=(/usr/lib/postgresql/${version:-*}/bin)
  postgres_bin="${candidates[-1]}"
  [[ -x "$postgres_bin/initdb" ]] ||
    fail "expected PostgreSQL ${version} in $postgres_bin: install Debian's package postgresql${version:+-$version}."
}

# PostgreSQL refuses to run as root; all others run it themselves.
as_postgres() {
  if [[ "$EUID" == 0 ]]; then
    setpriv --reuid=postgres --regid=postgres --init-groups -- env --chdir=/ "$@"
  else
    "$@"
  fi
}

administer() {
  PGHOST=127.0.0.1 PGPORT="$RNNFLOW_POSTGRES_PORT" PGPASSWORD="$POSTGRES_PASSWORD" \
    POSTGRES_USER=postgres MLFLOW_DATABASE_PASSWORD="$MLFLOW_DATABASE_PASSWORD" \
    PREFECT_DATABASE_PASSWORD="$PREFECT_DATABASE_PASSWORD" "$@" >>"$directory/postgres.log" 2>&1
}

postgres_runs() { as_postgres "$postgres_bin/pg_ctl" status -D "$data" >/dev/null 2>&1; }

start_postgres() {
  postgres_runs && return
  expect_free_port PostgreSQL "$RNNFLOW_POSTGRES_PORT" RNNFLOW_POSTGRES_PORT
  note "starting PostgreSQL on port $RNNFLOW_POSTGRES_PORT"
  # A start that was cut off before the databases were there has left nothing worth keeping.
  [[ -e "$directory/databases_made" ]] || rm -rf "$data"
  if [[ ! -e "$data" ]]; then
    install -d -m 0700 "$data"
    printf '%s\n' "$POSTGRES_PASSWORD" >"$data.password"
    [[ "$EUID" != 0 ]] || chown postgres:postgres "$data" "$data.password"
    as_postgres "$postgres_bin/initdb" -D "$data" --username=postgres --auth=scram-sha-256 \
      --pwfile="$data.password" --encoding=UTF8 --locale=C.UTF-8 >>"$directory/postgres.log" 2>&1 9>&- ||
      fail "PostgreSQL cannot be initialised: see $directory/postgres.log."
    rm "$data.password"
  fi
  # On loopback TCP alone: the path of a socket may have 107 bytes at most.
  as_postgres "$postgres_bin/pg_ctl" start -D "$data" --wait --timeout="$STARTUP_SECONDS" --silent -o \
    "-c listen_addresses=127.0.0.1 -p $RNNFLOW_POSTGRES_PORT -c unix_socket_directories=''" \
    </dev/null >>"$directory/postgres.log" 2>&1 9>&- ||
    fail "PostgreSQL does not start: see $directory/postgres.log."
  [[ -e "$directory/databases_made" ]] && return
  administer "$here/shared/create-databases.sh" ||
    fail "the databases cannot be made: see $directory/postgres.log."
  touch "$directory/databases_made"
}

# Of a process: state, parent, group and so on; its name, which comes before them, may hold anything.
stat_of() {
  local line
  { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null && printf '%s\n' "${line##*) }"
}

# A server is a process group: its leader's id, when that started, and in which boot of the machine.
started_at() {
  local fields
  read -ra fields < <(stat_of "$1") || return 1
  printf '%s %s' "${fields[19]}" "$(</proc/sys/kernel/random/boot_id)"
}

# The id of the group of server NAME if any process of it is left.
group_of() {
  local group at boot now process fields
  [[ -e "$directory/$1.pid" ]] && read -r group at boot <"$directory/$1.pid" || return 1
  [[ "$boot" == "$(</proc/sys/kernel/random/boot_id)" ]] || return 1
  # The id belongs to another process by now.
  if now="$(started_at "$group")" && [[ "$now" != "$at $boot" ]]; then return 1; fi
  for process in /proc/[0-9]*; do
    read -ra fields < <(stat_of "${process##*/}") || continue
    if [[ "${fields[2]}" == "$group" && "${fields[0]}" != Z ]]; then
      printf '%s' "$group"
      return 0
    fi
  done
  return 1
}

answers() {
  local port="$1" path="$2" status
  {
    exec 8<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1:%s\r\n\r\n' "$path" "$port" >&8
    IFS= read -r -t 5 status <&8
    exec 8>&-
  } 2>/dev/null
  [[ "$status" == *" 200 "* ]]
}

expect_free_port() {
  local name="$1" port="$2" setting="$3"
  if (exec 8<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    fail "expected port $port to be free for $name, but something listens there: give another one in $setting of $settings."
  fi
}

# start_server NAME PORT PATH COMMAND...: in a session of its own, with its output in NAME.log.
start_server() {
  local name="$1" port="$2" path="$3" pid deadline=$((SECONDS + STARTUP_SECONDS))
  shift 3
  group_of "$name" >/dev/null && return
  expect_free_port "$name" "$port" "RNNFLOW_${name^^}_PORT"
  note "starting $name on port $port"
  (cd "$directory/$name" && exec setsid "$@" </dev/null >>"$directory/$name.log" 2>&1 9>&-) &
  pid=$!
  printf '%s %s\n' "$pid" "$(started_at "$pid")" >"$directory/$name.pid"
  until answers "$port" "$path"; do
    [[ "$(stat_of "$pid")" == [!Z]* ]] || fail "$name has ended: see $directory/$name.log."
    ((SECONDS < deadline)) || fail "$name did not answer within $STARTUP_SECONDS s: see $directory/$name.log."
    sleep 0.5
  done
}

stop_server() {
  local name="$1" group deadline=$((SECONDS + SHUTDOWN_SECONDS)) signal=TERM
  while group="$(group_of "$name")"; do
    ((SECONDS < deadline)) || signal=KILL
    kill -"$signal" -- -"$group" 2>/dev/null || true
    # Again and again would cut short what the first SIGTERM lets it finish.
    until ((SECONDS >= deadline)) || ! group_of "$name" >/dev/null; do sleep 0.2; done
  done
  rm -f "$directory/$name.pid"
}

stop() {
  stop_server mlflow
  stop_server prefect
  # Fast: it ends its sessions and writes a checkpoint.
  if postgres_runs; then
    as_postgres "$postgres_bin/pg_ctl" stop -D "$data" --mode=fast --wait --silent
  fi
}

start() {
  trap 'note "start failed; ending what runs"; stop' EXIT
  install -d "$directory/mlflow" "$directory/prefect"
  start_postgres
  local address="127.0.0.1:$RNNFLOW_POSTGRES_PORT"
  sed "s|@postgres:5432/|@$address/|" "$here/shared/basic_auth.ini" >"$directory/mlflow/basic_auth.ini"
  # Before the command and not as words of it: the words of a command are seen by all users.
  PGPASSWORD="$MLFLOW_DATABASE_PASSWORD" \
    MLFLOW_AUTH_CONFIG_PATH="$directory/mlflow/basic_auth.ini" \
    MLFLOW_AUTH_ADMIN_USERNAME="$MLFLOW_AUTH_ADMIN_USERNAME" \
    MLFLOW_AUTH_ADMIN_PASSWORD="$MLFLOW_AUTH_ADMIN_PASSWORD" \
    MLFLOW_FLASK_SERVER_SECRET_KEY="$MLFLOW_FLASK_SERVER_SECRET_KEY" \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true \
    start_server mlflow "$RNNFLOW_MLFLOW_PORT" /health \
    mlflow server --host=127.0.0.1 --port="$RNNFLOW_MLFLOW_PORT" --workers=1 --app-name=basic-auth \
    --allowed-hosts="localhost:$RNNFLOW_MLFLOW_PORT,127.0.0.1:$RNNFLOW_MLFLOW_PORT" \
    --backend-store-uri="postgresql://mlflow@$address/mlflow" \
    --serve-artifacts --artifacts-destination="$directory/mlflow/artifacts"
  # As compose's service `pipeline-user`.
  if [[ ! -e "$directory/pipeline_user_made" ]]; then
    # In this order: each assignment sees those before it.
    MLFLOW_PIPELINE_USERNAME="$MLFLOW_TRACKING_USERNAME" \
      MLFLOW_PIPELINE_PASSWORD="$MLFLOW_TRACKING_PASSWORD" \
      MLFLOW_TRACKING_URI="http://127.0.0.1:$RNNFLOW_MLFLOW_PORT" \
      MLFLOW_TRACKING_USERNAME="$MLFLOW_AUTH_ADMIN_USERNAME" \
      MLFLOW_TRACKING_PASSWORD="$MLFLOW_AUTH_ADMIN_PASSWORD" MLFLOW_DISABLE_TELEMETRY=true \
      python "$here/shared/pipeline_user.py" >>"$directory/mlflow.log" 2>&1 9>&- ||
      fail "the pipeline's user of MLflow cannot be made: see $directory/mlflow.log."
    touch "$directory/pipeline_user_made"
  fi
  export PREFECT_HOME="$directory/prefect"
  PREFECT_SERVER_DATABASE_DRIVER=postgresql+asyncpg \
    PREFECT_SERVER_DATABASE_HOST=127.0.0.1 \
    PREFECT_SERVER_DATABASE_PORT="$RNNFLOW_POSTGRES_PORT" \
    PREFECT_SERVER_DATABASE_NAME=prefect \
    PREFECT_SERVER_DATABASE_USER=prefect \
    PREFECT_SERVER_DATABASE_PASSWORD="$PREFECT_DATABASE_PASSWORD" \
    PREFECT_SERVER_API_AUTH_STRING="$PREFECT_API_AUTH_STRING" \
    PREFECT_SERVER_UI_API_URL="http://127.0.0.1:$RNNFLOW_PREFECT_PORT/api" \
    PREFECT_SERVER_UI_STATIC_DIRECTORY="$directory/prefect/ui" \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    start_server prefect "$RNNFLOW_PREFECT_PORT" /api/ready \
    prefect server start --host=127.0.0.1 --port="$RNNFLOW_PREFECT_PORT"
  # As compose's service `automation`: a run whose process was killed becomes Crashed.
  if [[ ! -e "$directory/automation_made" ]]; then
    PREFECT_API_URL="http://127.0.0.1:$RNNFLOW_PREFECT_PORT/api" \
      PREFECT_API_AUTH_STRING="$PREFECT_API_AUTH_STRING" \
      prefect automation create --from-file "$here/shared/killed_runs.yaml" \
      >>"$directory/prefect.log" 2>&1 9>&- || fail "the automation cannot be made: see $directory/prefect.log."
    touch "$directory/automation_made"
  fi
  trap - EXIT
  printf 'export %s=%q\n' \
    MLFLOW_TRACKING_URI "http://127.0.0.1:$RNNFLOW_MLFLOW_PORT" \
    MLFLOW_TRACKING_USERNAME "$MLFLOW_TRACKING_USERNAME" \
    MLFLOW_TRACKING_PASSWORD "$MLFLOW_TRACKING_PASSWORD" \
    PREFECT_API_URL "http://127.0.0.1:$RNNFLOW_PREFECT_PORT/api" \
    PREFECT_API_AUTH_STRING "$PREFECT_API_AUTH_STRING"
}

[[ $# == 2 && ("$1" == start || "$1" == stop) ]] || fail "usage: $0 start|stop DIRECTORY"
command -v mlflow >/dev/null && command -v prefect >/dev/null || PATH="$here/../.venv/bin:$PATH"
# Other servers' addresses are no part of these.
unset "${!PG@}" MLFLOW_TRACKING_URI MLFLOW_REGISTRY_URI PREFECT_API_URL

if [[ "$1" == start ]]; then
  # The user postgres passes through it.
  [[ -d "$2" ]] || install -d -m 0711 "$2"
elif [[ ! -d "$2" ]]; then
  fail "expected a directory that start has made, got $2."
fi
directory="$(cd "$2" && pwd)"
settings="$directory/settings.env"
data="$directory/postgres"
exec 9>"$directory/lock"
flock --wait 600 9 || fail "another start or stop of $directory has been going on for 600 s."
if [[ "$1" == start ]]; then
  as_postgres test -x "$directory" ||
    fail "expected that the user postgres can reach $directory; root starts PostgreSQL as that user: chmod o+x it and its parents."
  make_settings
fi
[[ -e "$settings" ]] || fail "expected a directory that start has made, but $settings is not there."
load_settings
find_postgres
"$1"
