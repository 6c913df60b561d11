#!/usr/bin/env bash
# Bring the whole platform up in a kind cluster on this machine. May be run again: it goes on.
set -euo pipefail
# shellcheck source=k8s/lib.sh
. "$(dirname "$0")/../lib.sh"

need docker "see docs.docker.com/engine/install"
docker info >/dev/null 2>&1 || fail "docker does not answer: is its service started, and may you use it?"
need kind "go install sigs.k8s.io/kind@v$KIND_VERSION, or see kind.sigs.k8s.io"
need_common
kind version | grep -qF "$KIND_VERSION" ||
  printf 'k8s: kind %s is what this was written for; this is %s\n' "$KIND_VERSION" "$(kind version)" >&2

say "kind cluster smartcity: $KIND_NODE"
if kind get clusters 2>/dev/null | grep -qx smartcity; then
  echo "is there"
else
  filled "$K8S/kind/cluster.yaml" "KIND_NODE=$KIND_NODE" | kind create cluster --config - --wait 3m
fi
kubectl config use-context kind-smartcity

say "images of this tree, loaded into the cluster"
for image in services gateway; do
  docker build --quiet --file "$K8S/../docker/Dockerfile" --target "$image" \
    --tag "smartcity/$image:laptop" "$K8S/.."
  kind load docker-image "smartcity/$image:laptop" --name smartcity
done

"$K8S/install.sh" laptop namespaces certificates edge

say "the edge at :8443, by the same names inside the cluster"
port='{"type": "StrategicMerge", "value": {"spec": {"ports": [{"port": 8443, "nodePort": 30443}]}}}'
kubectl -n edge patch envoyproxy edge --type merge \
  --patch '{"spec": {"provider": {"kubernetes": {"envoyService": {"patch": '"$port"'}}}}}'
corefile="$(kubectl -n kube-system get configmap coredns -o 'jsonpath={.data.Corefile}')"
if [[ "$corefile" != *smartcity.localhost* ]]; then
  rules=ready
  for name in smartcity.localhost grpc.smartcity.localhost auth.smartcity.localhost; do
    rules+=$'\n'"    rewrite name exact $name edge.envoy-gateway-system.svc.cluster.local"
  done
  kubectl -n kube-system create configmap coredns --from-literal="Corefile=${corefile/ready/$rules}" \
    --dry-run=client -o yaml | kubectl -n kube-system replace -f -
  kubectl -n kube-system rollout restart deployment/coredns
fi

say "an object store for backups: $SEAWEEDFS_IMAGE"
if ! kubectl -n smartcity get secret postgres-backup >/dev/null 2>&1; then
  kubectl create namespace object-store --dry-run=client -o yaml | kubectl apply -f -
  "$PYTHON" "$K8S/kind/object_store_keys.py" | kubectl apply -f -
fi
filled "$K8S/kind/object-store.yaml" "SEAWEEDFS_IMAGE=$SEAWEEDFS_IMAGE" | kubectl apply -f -
kubectl -n object-store rollout status deployment/object-store --timeout=5m
kubectl -n object-store exec deployment/object-store -- \
  sh -c 'echo "s3.bucket.list" | weed shell | grep -q backups || echo "s3.bucket.create -name backups" | weed shell'

"$K8S/install.sh" laptop secrets observe operators database bus keycloak platform
say "ready: https://smartcity.localhost:8443 (its authority: kubectl -n edge get secret edge-tls)"
echo "people: kubectl -n keycloak port-forward service/keycloak-service 8081:8080, then k8s/README.md, People"
