{{/* Every enabled workload: its block over the defaults, as YAML; read it with fromYaml. */}}
{{- define "smartcity.workloads" -}}
{{- range $name, $given := .Values.workloads }}
{{- $block := mergeOverwrite (deepCopy $.Values.workloadDefaults) (deepCopy (default dict $given)) }}
{{- if $block.enabled }}
{{- $database := $block.database }}
{{- if not $database.name }}{{ $_ := set $database "name" $name }}{{ end }}
{{- if not $database.role }}{{ $_ := set $database "role" $database.name }}{{ end }}
{{- if not $database.existingSecret }}{{ $_ := set $database "existingSecret" (printf "postgres-%s" ($database.role | replace "_" "-")) }}{{ end }}
{{- if not $database.ownerRole }}{{ $_ := set $database "ownerRole" (printf "%s_owner" $database.name) }}{{ end }}
{{- if not $database.ownerExistingSecret }}{{ $_ := set $database "ownerExistingSecret" (printf "postgres-%s" ($database.ownerRole | replace "_" "-")) }}{{ end }}
{{- toYaml (dict $name $block) }}
{{ end }}
{{- end }}
{{- end }}

{{- define "smartcity.port.grpc" }}50051{{ end }}
{{- define "smartcity.port.health" }}50052{{ end }}
{{- define "smartcity.port.http" }}8080{{ end }}
{{- define "smartcity.port.metrics" }}9101{{ end }}
{{- define "smartcity.folder" }}/etc/smartcity{{ end }}

{{/* "yes" where the workload shows a certificate to the others. */}}
{{- define "smartcity.workload.certified" -}}
{{- if and .root.Values.mutualTls.enabled (or (ne .block.kind "worker") .block.calls) -}}yes{{- end -}}
{{- end }}

{{/* The fewest pods that there are. */}}
{{- define "smartcity.workload.fewest" -}}
{{- if .block.lag.enabled }}{{ .block.lag.minReplicas }}{{ else if .block.autoscaling.enabled }}{{ .block.autoscaling.minReplicas }}{{ else }}{{ .block.replicas }}{{ end -}}
{{- end }}

{{- define "smartcity.workload.grace" -}}
{{- with .block.shutdown }}{{ add .leaveSeconds .drainSeconds .marginSeconds }}{{ end -}}
{{- end }}

{{/* What the chart knows of the workload's settings, without the block's own env. */}}
{{- define "smartcity.workload.environment" -}}
{{- $values := .root.Values }}
{{- $needs := .block.needs }}
SMARTCITY_LOG_LEVEL: {{ $values.telemetry.logLevel | quote }}
SMARTCITY_METRICS_ADDRESS: "0.0.0.0:{{ include "smartcity.port.metrics" . }}"
{{- if ne .block.kind "gateway" }}
SMARTCITY_HEALTH_ADDRESS: "0.0.0.0:{{ include "smartcity.port.health" . }}"
{{- end }}
{{- if eq .block.kind "service" }}
SMARTCITY_GRPC_ADDRESS: "0.0.0.0:{{ include "smartcity.port.grpc" . }}"
{{- end }}
{{- if ne .block.kind "worker" }}
SMARTCITY_LEAVE_S: {{ .block.shutdown.leaveSeconds | quote }}
SMARTCITY_DRAIN_S: {{ .block.shutdown.drainSeconds | quote }}
{{- end }}
{{- if include "smartcity.workload.certified" . }}
SMARTCITY_TLS_FOLDER: {{ include "smartcity.folder" . }}/tls
{{- end }}
{{- if has "database" $needs }}
SMARTCITY_DATABASE_URL: {{ include "smartcity.database.url" (dict "root" .root "scheme" "postgresql" "role" .block.database.role "name" .block.database.name) }}
SMARTCITY_DATABASE_PASSWORD_FILE: {{ include "smartcity.folder" . }}/secrets/database-password
{{- end }}
{{- if has "bus" $needs }}
{{- include "smartcity.bus.environment" .root }}
{{- end }}
{{- if has "issuer" $needs }}
SMARTCITY_OIDC_ISSUER: {{ $values.identity.issuer | quote }}
SMARTCITY_OIDC_AUDIENCE: {{ $values.identity.audience | quote }}
SMARTCITY_OIDC_GROUPS_CLAIM: {{ $values.identity.groupsClaim | quote }}
{{- if $values.identity.authority.existingSecret }}
SMARTCITY_OIDC_CA_FILE: {{ include "smartcity.folder" . }}/secrets/issuer-ca.crt
{{- end }}
{{- end }}
{{- if and (has "collector" $needs) $values.telemetry.otlpAddress }}
SMARTCITY_OTLP_ADDRESS: {{ $values.telemetry.otlpAddress | quote }}
SMARTCITY_TRACE_RATIO: {{ $values.telemetry.traceRatio | quote }}
{{- end }}
{{- if has "contactKeys" $needs }}
SMARTCITY_CONTACT_KEYS_FILE: {{ include "smartcity.folder" . }}/secrets/contact-keys.json
{{- end }}
{{- if eq .block.kind "gateway" }}
{{- include "smartcity.gateway.environment" . }}
{{- end }}
{{- end }}

{{- define "smartcity.gateway.environment" }}
SMARTCITY_HTTP_ADDRESS: "0.0.0.0:{{ include "smartcity.port.http" . }}"
SMARTCITY_PAGES_ADDRESS: 127.0.0.1:8081
SMARTCITY_GRPC_ADDRESS: 127.0.0.1:50060
SMARTCITY_ENVOY_ADMIN_ADDRESS: 127.0.0.1:9901
SMARTCITY_STATE_FOLDER: /run/smartcity
SMARTCITY_UPSTREAMS: {{ include "smartcity.upstreams" .root | squote }}
{{- end }}

{{/* Every service's headless name: a package smartcity.<name>.v1 is sent to the service <name>. */}}
{{- define "smartcity.upstreams" -}}
{{- $upstreams := dict }}
{{- range $name, $block := include "smartcity.workloads" . | fromYaml }}
{{- if eq $block.kind "service" }}
{{- $host := include "smartcity.workload.host" (dict "root" $ "name" $name) }}
{{- $_ := set $upstreams $name (printf "%s:%s" $host (include "smartcity.port.grpc" $)) }}
{{- end }}
{{- end }}
{{- toJson $upstreams }}
{{- end }}

{{- define "smartcity.bus.environment" }}
SMARTCITY_NATS_URL: {{ .Values.bus.url | quote }}
SMARTCITY_NATS_REPLICAS: {{ .Values.bus.replicas | quote }}
{{- if .Values.bus.seed.existingSecret }}
SMARTCITY_NATS_SEED_FILE: {{ include "smartcity.folder" . }}/secrets/nats-seed
{{- end }}
{{- if .Values.bus.authority.existingSecret }}
SMARTCITY_NATS_CA_FILE: {{ include "smartcity.folder" . }}/secrets/nats-ca.crt
{{- end }}
{{- end }}

{{/* A URL without a password: root, scheme, role, name. */}}
{{- define "smartcity.database.url" -}}
{{- $database := .root.Values.database -}}
{{ .scheme }}://{{ .role }}@{{ $database.host }}:{{ $database.port }}/{{ .name }}?sslmode={{ $database.sslMode }}
{{- if eq $database.sslMode "verify-full" }}&sslrootcert={{ include "smartcity.folder" . }}/secrets/database-ca.crt{{ end }}
{{- end }}
