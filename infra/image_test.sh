#!/usr/bin/env bash
# Builds the image without a container engine and without a registry, and runs the pipeline inside as
# uid 1000. Debian's buildah does the building (chroot isolation), debootstrap makes a base that looks
# like python:3.11-slim. Needs root, about 15 GB below TMPDIR and about 10 minutes; leaves nothing behind.
#
#   KEEP=1            keeps the scratch directory, to look into it
#   DEBIAN_MIRROR=…   where debootstrap finds Debian 12; by default as this machine's apt does
set -euo pipefail
cd "$(dirname "$0")/.."

readonly BASE=localhost/python:3.11-slim IMAGE=localhost/rnnflow:test
readonly CONFIG=/app/pipelines/configs/japanese_vowels.yaml
SCRATCH="$(mktemp --directory "${TMPDIR:-/tmp}/rnnflow-image.XXXXXX")"
readonly SCRATCH
# buildah keeps its blobs below TMPDIR; the default is /var/tmp, which may be small.
export TMPDIR="$SCRATCH" BUILDAH_ISOLATION=chroot

say() { printf 'image-test: %s\n' "$*"; }
fail() { say "FAILED: $*" >&2; exit 1; }
engine() { buildah --root "$SCRATCH/storage" --runroot "$SCRATCH/run" "$@"; }

clean_up() {
  local status=$?
  if [[ -n "${KEEP:-}" ]]; then
    say "kept $SCRATCH"
  else
    engine umount --all >/dev/null 2>&1 || true
    engine rm --all >/dev/null 2>&1 || true
    rm -rf --one-file-system "$SCRATCH"
  fi
  ((status == 0)) || say "FAILED (exit code $status)" >&2
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

install_tools() {
  ((EUID == 0)) || fail "expected root (chroot isolation and debootstrap need it); run it with sudo"
  if command -v buildah debootstrap >/dev/null; then return; fi
  command -v apt-get >/dev/null || fail "expected buildah and debootstrap; install both and try again"
  say "installing buildah and debootstrap ..."
  apt-get install --yes --no-install-recommends buildah debootstrap >"$SCRATCH/apt.log" 2>&1 \
    || { tail -n 20 "$SCRATCH/apt.log" >&2; fail "apt-get could not install buildah and debootstrap"; }
}

make_base() {
  # Debian 12 is the release whose Python is 3.11; by default its mirror is the one of this machine.
  local root="$SCRATCH/base" mirror="${DEBIAN_MIRROR:-}"
  [[ -n "$mirror" ]] || mirror="$(
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | sed -n 1p
  )"
  [[ -n "$mirror" ]] || fail "expected a Debian 12 mirror in apt's sources; name one in DEBIAN_MIRROR"
  say "making a base like python:3.11-slim ..."
  debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
    bookworm "$root" "$mirror" >"$SCRATCH/debootstrap.log" 2>&1 \
    || { tail -n 20 "$SCRATCH/debootstrap.log" >&2; fail "debootstrap could not make the base"; }
  ln -s python3 "$root/usr/bin/python"
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
  local container
  container="$(engine from --pull-never scratch)"
  engine copy --quiet "$container" "$root" / >/dev/null
  engine commit --quiet --rm "$container" "$BASE" >/dev/null
  rm -rf "$root"
}

# This machine's pip configuration and the local files it names are there while the image is built, and
# in no layer of it.
build_image() {
  local paths path mounts=()
  paths="$(python3 -m pip config list | python3 infra/pip_configuration.py "$SCRATCH/pip.conf")" \
    || fail "expected to read this machine's pip configuration with: python3 -m pip config list"
  while IFS= read -r path; do [[ -z "$path" ]] || mounts+=(--volume "$path:$path:ro"); done <<<"$paths"
  say "building the image (installs about 3 GB) ..."
  engine build --quiet --layers=false --pull=never --network host \
    --build-arg "BASE_IMAGE=$BASE" --build-arg REVISION=image-test \
    --secret "id=pip.conf,src=$SCRATCH/pip.conf" "${mounts[@]}" \
    --tag "$IMAGE" . >"$SCRATCH/build.log" 2>&1 \
    || { tail -n 40 "$SCRATCH/build.log" >&2; fail "the image does not build"; }
}

inside() { engine run --user 1000:1000 "$CONTAINER" -- "$@"; }

check() {
  local what="$1"
  shift
  "$@" || fail "expected that $what"
  say "ok: $what"
}

field_is() { [[ "$(engine inspect --type image --format "{{$1}}" "$IMAGE")" == "$2" ]]; }
no_trace_of_the_build() {
  local described
  described="$(engine inspect --type image "$IMAGE")"
  [[ -n "$described" && ! -s "$ROOT/etc/pip.conf" ]] && ! grep -qiE 'PIP_|proxy=' <<<"$described"
}
# Asked of the environment's own Python, as uid 1000.
holds_what_runs_and_no_more() {
  inside python - <<'PY'
import importlib.util, os, shutil, sysconfig
packages = sysconfig.get_path("purelib")
assert packages.startswith("/opt/rnnflow/") and not os.access(packages, os.W_OK), packages
for name in ("pip", "pytest", "mypy", "hypothesis", "kubernetes_validate"):
    assert importlib.util.find_spec(name) is None, f"{name} is in the image"
for name in ("gcc", "g++", "cc", "git"):
    assert shutil.which(name) is None, f"{name} is in the image"
PY
}
trains_natively() {
  inside python -c 'from rnn_core.kernels import library; assert library.operations()'
}
# Whatever the account owns outside these two places could not have been written with a read-only root.
wrote_only_to_work_and_tmp() {
  local written
  written="$(find "$ROOT" -xdev \( -path "$ROOT/work" -o -path "$ROOT/tmp" \) -prune -o -uid 1000 -print)"
  [[ -z "$written" ]] || { sed -n 1,20p <<<"$written" >&2; return 1; }
}

check_image() {
  check "the image runs as uid 1000" field_is .OCIv1.Config.User 1000:1000
  check "the entry point is rnnflow" field_is .OCIv1.Config.Entrypoint "[rnnflow]"
  check "it starts in /work" field_is .OCIv1.Config.WorkingDir /work
  check "nothing of the build's configuration is left in it" no_trace_of_the_build
  check "uid 1000 finds what runs, cannot change it, and no pip, compiler or development tool" \
    holds_what_runs_and_no_more
  check "tensorflow is importable" inside python -c 'import tensorflow'
  check "the native recurrent layers are there" trains_natively
  check "rnnflow answers" inside rnnflow --help
}

run_pipeline() {
  say "running the bundled pipeline as uid 1000 ..."
  check "the pipeline ends with a promoted model" inside rnnflow run "$CONFIG"
  check "its results are in /work" inside test -d /work/.rnnflow
  check "it wrote to /work and /tmp only" wrote_only_to_work_and_tmp
  say "running it again: every stage is there already ..."
  check "a second run ends well too" inside rnnflow run "$CONFIG"
}

install_tools
make_base
build_image
CONTAINER="$(engine from --pull-never "$IMAGE")"
ROOT="$(engine mount "$CONTAINER")"
readonly CONTAINER ROOT
check_image
run_pipeline
say "passed"
