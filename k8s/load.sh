#!/usr/bin/env bash
# Load a region's data into the inventory of the cluster, as its database's owner.
#   k8s/load.sh REGION FOLDER      k8s/load.sh 64.01 data/paser
set -euo pipefail
# shellcheck source=k8s/lib.sh
. "$(dirname "$0")/lib.sh"

[ $# -eq 2 ] || fail "usage: k8s/load.sh REGION FOLDER, as k8s/load.sh 64.01 data/paser"
need_common
folder="$(mktemp -d)"
trap 'kill "$forward" 2>/dev/null || true; rm -rf "$folder"' EXIT
kubectl -n smartcity get secret postgres-inventory-owner -o 'jsonpath={.data.password}' |
  base64 -d >"$folder/password"
kubectl -n smartcity port-forward service/postgres-rw :5432 >"$folder/forward" &
forward=$!
until port="$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$folder/forward")" && [ -n "$port" ]; do
  kill -0 "$forward" 2>/dev/null || fail "no way to the database: kubectl port-forward ended"
  sleep 0.2
done
url="postgresql://inventory_owner@127.0.0.1:$port/inventory?sslmode=require"
SMARTCITY_DATABASE_URL="$url" SMARTCITY_MIGRATION_URL="$url" \
  SMARTCITY_DATABASE_PASSWORD_FILE="$folder/password" \
  "$PYTHON" -m inventory load --region "$1" "$2"
