#!/usr/bin/env bash
# Delete the kind cluster of the laptop with everything in it.
set -euo pipefail
# shellcheck source=k8s/lib.sh
. "$(dirname "$0")/../lib.sh"

need kind "go install sigs.k8s.io/kind@v$KIND_VERSION, or see kind.sigs.k8s.io"
if kind get clusters 2>/dev/null | grep -qx smartcity; then
  kind delete cluster --name smartcity
else
  echo "there is no kind cluster smartcity"
fi
