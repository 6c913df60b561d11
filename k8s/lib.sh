# shellcheck shell=bash
# What the scripts of k8s/ share: words for people, the versions, and the tools that must be there.

K8S="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PYTHON="${PYTHON:-$K8S/../.venv/bin/python}"
# Scripts of Python ask the same kubectl as those of the shell.
PATH="$PATH:$(dirname "$PYTHON")"
set -a
# shellcheck source=k8s/versions.env
. "$K8S/versions.env"
set +a

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'k8s: %s\n' "$*" >&2; exit 1; }

# need COMMAND HOW: stop with advice when a command is not there.
need() {
  command -v "$1" >/dev/null || fail "$1 is needed and not on the PATH: $2"
}

need_common() {
  need kubectl "make install puts one into .venv/bin; or see kubernetes.io/docs/tasks/tools"
  need helm "make install puts one into .venv/bin; or see helm.sh/docs/intro/install"
  [ -x "$PYTHON" ] || fail "$PYTHON is not there: make install"
}

# filled FILE NAME=VALUE...: print the file with each @NAME@ replaced.
filled() {
  local file="$1" pair text
  shift
  text="$(<"$file")"
  for pair in "$@"; do
    text="${text//@${pair%%=*}@/${pair#*=}}"
  done
  printf '%s\n' "$text"
}

# with_environment PART: the words of helm for an environment's own values of a part, if it has some.
with_environment() {
  local file="$K8S/environments/$ENVIRONMENT.$1.yaml"
  [ ! -f "$file" ] || printf -- '--values\n%s\n' "$file"
}

# install NAMESPACE RELEASE CHART VERSION WORD...: install or upgrade one chart, and wait for it PATIENCE long.
install() {
  local namespace="$1" release="$2" chart="$3" version="$4"
  shift 4
  helm upgrade --install "$release" "$chart" ${version:+--version "$version"} \
    --namespace "$namespace" --create-namespace --wait --timeout "${PATIENCE:-15m}" "$@" >/dev/null
}

# environment NAME USAGE: read who and where an installation is, or say how the script is used.
environment() {
  ENVIRONMENT="$1"
  [ -f "$K8S/environments/$ENVIRONMENT.env" ] ||
    fail "usage: $2; an environment is one of: $(cd "$K8S/environments" && echo *.env)"
  # shellcheck source=/dev/null
  . "$K8S/environments/$ENVIRONMENT.env"
}

# database_cluster NAME WORD...: install or upgrade a cluster of the environment's databases; wait until it serves.
database_cluster() {
  local name="$1" own PATIENCE=2h # a recovery fetches all of a backup
  shift
  mapfile -t own < <(with_environment postgres)
  install smartcity "$name" "$K8S/postgres" "" --set "name=$name" --set "image=$POSTGRES_IMAGE" \
    --set "backup.destination=$BACKUP_DESTINATION" --set "backup.endpoint=$BACKUP_ENDPOINT" "${own[@]}" "$@"
  kubectl -n smartcity wait --for=condition=Ready "cluster.postgresql.cnpg.io/$name" --timeout=15m
}
