#!/usr/bin/env bash
# Install what the platform stands on, and the platform, into the cluster of kubectl's context.
#   k8s/install.sh ENVIRONMENT [STEP...]     ENVIRONMENT is a name in k8s/environments, as paser
# It may be run again at any time: what is there is upgraded, Secrets that exist stay.
set -euo pipefail
# shellcheck source=k8s/lib.sh
. "$(dirname "$0")/lib.sh"

STEPS=(namespaces secrets certificates edge observe operators database bus keycloak platform)
# The addresses, the image's registry and tag, where backups go.
environment "${1:-}" "k8s/install.sh ENVIRONMENT [STEP...]"
shift
need_common
kubectl cluster-info >/dev/null 2>&1 || fail "no cluster answers: kubectl config current-context says which is meant"

REGIONS="$K8S/environments/$ENVIRONMENT.toml"
PORT="$([ "$EDGE_PORT" = 443 ] || printf ':%s' "$EDGE_PORT")"

namespaces() {
  say "namespaces"
  kubectl apply -f "$K8S/namespaces.yaml"
}

secrets() {
  say "Secrets: those that are missing"
  "$PYTHON" "$K8S/made_secrets.py" "$REGIONS"
  kubectl -n smartcity get secret postgres-backup >/dev/null 2>&1 ||
    fail "the Secret smartcity/postgres-backup is missing: the object store's ACCESS_KEY_ID and SECRET_ACCESS_KEY (k8s/README.md, Backups)"
}

certificates() {
  say "cert-manager $CERT_MANAGER_CHART, and an authority of the cluster's own"
  install cert-manager cert-manager oci://quay.io/jetstack/charts/cert-manager "$CERT_MANAGER_CHART" \
    --set crds.enabled=true
  kubectl apply -f "$K8S/edge/authority.yaml"
  kubectl wait --for=condition=Ready clusterissuer/platform --timeout=2m
}

edge() {
  say "Envoy Gateway $ENVOY_GATEWAY_CHART, and the gateway at https://$ADDRESS$PORT"
  install envoy-gateway-system envoy-gateway oci://docker.io/envoyproxy/gateway-helm "$ENVOY_GATEWAY_CHART"
  filled "$K8S/edge/gateway.yaml" "ADDRESS=$ADDRESS" "AUTH_ADDRESS=$AUTH_ADDRESS" \
    "PORT=$EDGE_PORT" "ISSUER=$ISSUER" "SERVICE_TYPE=$SERVICE_TYPE" | kubectl apply -f -
  kubectl -n edge wait --for=condition=Ready certificate/edge --timeout=5m
}

observe() {
  say "Prometheus and Grafana $KUBE_PROMETHEUS_STACK_CHART, Loki $LOKI_CHART, Tempo $TEMPO_CHART, OpenTelemetry $OPENTELEMETRY_COLLECTOR_CHART"
  local values="$K8S/observability"
  install observability prometheus oci://ghcr.io/prometheus-community/charts/kube-prometheus-stack \
    "$KUBE_PROMETHEUS_STACK_CHART" --values "$values/prometheus.yaml"
  install observability loki oci://ghcr.io/grafana-community/helm-charts/loki "$LOKI_CHART" \
    --values "$values/loki.yaml"
  install observability tempo oci://ghcr.io/grafana-community/helm-charts/tempo "$TEMPO_CHART" \
    --values "$values/tempo.yaml"
  install observability collector oci://ghcr.io/open-telemetry/opentelemetry-helm-charts/opentelemetry-collector \
    "$OPENTELEMETRY_COLLECTOR_CHART" --values "$values/collector.yaml"
  install observability logs oci://ghcr.io/open-telemetry/opentelemetry-helm-charts/opentelemetry-collector \
    "$OPENTELEMETRY_COLLECTOR_CHART" --values "$values/logs.yaml"
  kubectl apply -f "$K8S/edge/monitor.yaml"
}

operators() {
  say "CloudNativePG $CLOUDNATIVE_PG, its Barman Cloud plugin $BARMAN_PLUGIN, Keycloak's operator $KEYCLOAK"
  local github=https://raw.githubusercontent.com keycloak
  # Server side: the definitions are larger than the annotation of a plain apply.
  kubectl apply --server-side --force-conflicts \
    -f "$github/cloudnative-pg/cloudnative-pg/v$CLOUDNATIVE_PG/releases/cnpg-$CLOUDNATIVE_PG.yaml"
  kubectl -n cnpg-system rollout status deployment/cnpg-controller-manager --timeout=5m
  kubectl apply --server-side --force-conflicts \
    -f "https://github.com/cloudnative-pg/plugin-barman-cloud/releases/download/v$BARMAN_PLUGIN/manifest.yaml"
  kubectl -n cnpg-system rollout status deployment/barman-cloud --timeout=5m
  keycloak="$github/keycloak/keycloak-k8s-resources/$KEYCLOAK/kubernetes"
  kubectl apply --server-side -f "$keycloak/keycloaks.k8s.keycloak.org-v1.yml" \
    -f "$keycloak/keycloakrealmimports.k8s.keycloak.org-v1.yml"
  kubectl -n keycloak apply -f "$keycloak/kubernetes.yml"
  kubectl -n keycloak rollout status deployment/keycloak-operator --timeout=5m
}

database() {
  say "PostgreSQL: cluster $DATABASE of $POSTGRES_IMAGE, backups to $BACKUP_DESTINATION"
  database_cluster "$DATABASE"
}

bus() {
  say "NATS $NATS_IMAGE_TAG by its chart $NATS_CHART: three servers, the accounts of $REGIONS"
  local folder own
  folder="$(mktemp -d)"
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$folder'" EXIT
  "$PYTHON" "$K8S/made_secrets.py" "$REGIONS" --seeds "$folder"
  "$PYTHON" "$K8S/nats/accounts.py" values "$REGIONS" "$folder" >"$folder/accounts.yaml"
  mapfile -t own < <(with_environment nats)
  kubectl apply -f "$K8S/nats/cluster.yaml"
  helm repo add nats https://nats-io.github.io/k8s/helm/charts/ --force-update >/dev/null
  install smartcity nats nats/nats "$NATS_CHART" --values "$K8S/nats/values.yaml" \
    --values "$folder/accounts.yaml" --set "container.image.tag=$NATS_IMAGE_TAG" "${own[@]}"
}

keycloak() {
  say "Keycloak at https://$AUTH_ADDRESS$PORT/realms/smartcity"
  filled "$K8S/keycloak/keycloak.yaml" "URL=https://$AUTH_ADDRESS$PORT" "HOST=$AUTH_ADDRESS" \
    "DATABASE=$DATABASE" | kubectl apply -f -
  kubectl -n keycloak wait --for=condition=Ready keycloak/keycloak --timeout=10m
  # Only creates: a realm that is there stays as it is.
  "$PYTHON" "$K8S/keycloak/realm.py" import "$REGIONS" "https://$ADDRESS$PORT" | kubectl -n keycloak apply -f -
  kubectl -n keycloak wait --for=condition=Done keycloakrealmimport/smartcity --timeout=10m
}

platform() {
  say "the platform, as k8s/environments/$ENVIRONMENT.yaml says"
  local own=()
  # The issuer is reached through the edge: who certified that is whom services trust.
  [ "$ISSUER" != platform ] || own=(--set identity.authority.existingSecret=nats-tls)
  install smartcity smartcity "$K8S/../charts/smartcity" "" \
    --values "$K8S/environments/$ENVIRONMENT.yaml" --set "image.registry=$IMAGE_REGISTRY" \
    --set-string "image.tag=$IMAGE_TAG" --set "database.host=$DATABASE-rw" \
    --set "database.authority.existingSecret=$DATABASE-ca" \
    --set "networkPolicy.peers.database.pods.cnpg\\.io/cluster=$DATABASE" "${own[@]}"
  say "https://$ADDRESS$PORT/readyz answers when the edge's address leads there"
}

known=" ${STEPS[*]} "
for step in "${@:-${STEPS[@]}}"; do
  [[ "$known" == *" $step "* ]] || fail "no step $step; there are:${known}"
done
for step in "${@:-${STEPS[@]}}"; do
  "$step"
done
