#!/usr/bin/env bash
# Make a base backup of the databases now, and wait until it is stored.
#   k8s/backup.sh ENVIRONMENT
set -euo pipefail
# shellcheck source=k8s/lib.sh
. "$(dirname "$0")/lib.sh"

environment "${1:-}" "k8s/backup.sh ENVIRONMENT"
need_common
made="$(kubectl -n smartcity create -o name -f - <<BACKUP
apiVersion: postgresql.cnpg.io/v1
kind: Backup
metadata:
  generateName: by-hand-
spec:
  cluster:
    name: $DATABASE
  method: plugin
  pluginConfiguration:
    name: barman-cloud.cloudnative-pg.io
BACKUP
)"
kubectl -n smartcity wait "$made" --for='jsonpath={.status.phase}=completed' --timeout=60m
