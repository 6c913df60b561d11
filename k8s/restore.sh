#!/usr/bin/env bash
# Bring the databases back as a new cluster beside the old one, as they were at a moment.
#   k8s/restore.sh ENVIRONMENT NAME [MOMENT]     MOMENT as 2026-11-26T04:30:00Z; without it the last there is
# Nothing of the old cluster changes; k8s/README.md says how the platform moves over.
set -euo pipefail
# shellcheck source=k8s/lib.sh
. "$(dirname "$0")/lib.sh"

ENVIRONMENT="${1:-}" name="${2:-}" moment="${3:-}"
[ -f "$K8S/environments/$ENVIRONMENT.env" ] && [ -n "$name" ] && [ "$name" != postgres ] ||
  fail "usage: k8s/restore.sh ENVIRONMENT NAME [MOMENT]; NAME is that of the new cluster, not postgres"
[[ -z "$moment" || "$moment" =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$ ]] ||
  fail "MOMENT must be as 2026-11-26T04:30:00Z or 2026-11-26T12:30:00+08:00, with its zone; it is '$moment'"
need_common
# shellcheck source=/dev/null
. "$K8S/environments/$ENVIRONMENT.env"

say "the old cluster's last log goes to the archive, if it still runs"
primary="$(kubectl -n smartcity get cluster.postgresql.cnpg.io/postgres -o 'jsonpath={.status.currentPrimary}' 2>/dev/null || true)"
[ -z "$primary" ] ||
  kubectl -n smartcity exec "$primary" -c postgres -- psql -qAtX -c 'SELECT pg_switch_wal()' ||
  echo "it does not answer: what was archived before counts"

say "cluster $name, as postgres was ${moment:+at }${moment:-last}"
mapfile -t own < <(with_environment postgres)
install smartcity "$name" "$K8S/postgres" "" --set "image=$POSTGRES_IMAGE" \
  --set "backup.destination=$BACKUP_DESTINATION" --set "backup.endpoint=$BACKUP_ENDPOINT" \
  --set "name=$name" --set recovery.from=postgres --set-string "recovery.until=$moment" "${own[@]}"
kubectl -n smartcity wait --for=condition=Ready "cluster.postgresql.cnpg.io/$name" --timeout=60m
