#!/usr/bin/env bash
# Bring the databases back as a new cluster beside the old one, as they were at a moment.
#   k8s/restore.sh ENVIRONMENT NAME [MOMENT]     MOMENT as 2026-11-26T04:30:00Z; without it the last there is
# Nothing of the old cluster changes; k8s/README.md says how the platform moves over.
set -euo pipefail
# shellcheck source=k8s/lib.sh
. "$(dirname "$0")/lib.sh"

USAGE="k8s/restore.sh ENVIRONMENT NAME [MOMENT]"
environment "${1:-}" "$USAGE"
name="${2:-}" moment="${3:-}"
[ -n "$name" ] && [ "$name" != "$DATABASE" ] ||
  fail "usage: $USAGE; NAME is that of the new cluster, not $DATABASE"
[[ -z "$moment" || "$moment" =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$ ]] ||
  fail "MOMENT must be as 2026-11-26T04:30:00Z or 2026-11-26T12:30:00+08:00, with its zone; it is '$moment'"
need_common

# on_primary STATEMENT: ask the old cluster's database.
on_primary() {
  kubectl -n smartcity exec "$primary" -c postgres -- psql -qAtX -c "$1"
}

# A moment of just now lies in a log that is not full yet: without it the recovery would not get there.
say "the old cluster's last log goes to the archive, if it still runs"
primary="$(kubectl -n smartcity get "cluster.postgresql.cnpg.io/$DATABASE" -o 'jsonpath={.status.currentPrimary}' 2>/dev/null || true)"
# The restore point is a first entry: a log without any is neither ended nor archived.
if [ -n "$primary" ] &&
  log="$(on_primary "SELECT pg_walfile_name(pg_switch_wal()) FROM pg_create_restore_point('restore')")"; then
  deadline=$((SECONDS + 300))
  until [ "$(on_primary "SELECT left(last_archived_wal, 24) >= '$log' FROM pg_stat_archiver")" = t ]; do
    [ "$SECONDS" -lt "$deadline" ] || fail "log $log is not in the archive after 5 minutes: see why $primary cannot archive"
    sleep 2
  done
else
  echo "it does not answer: what was archived before counts"
fi

say "cluster $name, as $DATABASE was ${moment:+at }${moment:-last}"
database_cluster "$name" --set "recovery.from=$DATABASE" --set-string "recovery.until=$moment"
