#!/usr/bin/env bash
# Make a base backup of the databases now, and wait until it is stored.
set -euo pipefail
# shellcheck source=k8s/lib.sh
. "$(dirname "$0")/lib.sh"

need kubectl "see kubernetes.io/docs/tasks/tools"
made="$(kubectl -n smartcity create -o name -f - <<'BACKUP'
apiVersion: postgresql.cnpg.io/v1
kind: Backup
metadata:
  generateName: by-hand-
spec:
  cluster:
    name: postgres
  method: plugin
  pluginConfiguration:
    name: barman-cloud.cloudnative-pg.io
BACKUP
)"
kubectl -n smartcity wait "$made" --for='jsonpath={.status.phase}=completed' --timeout=60m
