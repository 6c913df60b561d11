#!/usr/bin/env bash
# Run a command of the inventory that only its database's owner may, from here on the cluster's database.
#   k8s/inventory.sh ENVIRONMENT COMMAND...
#   k8s/inventory.sh paser load --region 64.01 data/paser | verify | tell
set -euo pipefail
# shellcheck source=k8s/lib.sh
. "$(dirname "$0")/lib.sh"

USAGE="k8s/inventory.sh ENVIRONMENT COMMAND..., as k8s/inventory.sh paser load --region 64.01 data/paser"
environment "${1:-}" "$USAGE"
shift
[[ "${1:-}" =~ ^(load|verify|tell)$ ]] ||
  fail "usage: $USAGE; COMMAND is load, verify or tell: others run in a pod (docs/operations.md)"
need_common
folder="$(mktemp -d)" forward=
trap '[ -z "$forward" ] || kill "$forward" 2>/dev/null || true; rm -rf "$folder"' EXIT
kubectl -n smartcity get secret postgres-inventory-owner -o 'jsonpath={.data.password}' |
  base64 -d >"$folder/password"
kubectl -n smartcity port-forward "service/$DATABASE-rw" :5432 >"$folder/forward" &
forward=$!
until port="$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$folder/forward")" && [ -n "$port" ]; do
  kill -0 "$forward" 2>/dev/null || fail "no way to the database: kubectl port-forward ended"
  sleep 0.2
done
SMARTCITY_DATABASE_URL="postgresql://inventory_owner@127.0.0.1:$port/inventory?sslmode=require" \
  SMARTCITY_DATABASE_PASSWORD_FILE="$folder/password" "$PYTHON" -m inventory "$@"
