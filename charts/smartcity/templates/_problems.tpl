{{/* One sentence a line: which values, what is wrong, what to do. */}}
{{- define "smartcity.problems" -}}
{{- $workloads := include "smartcity.workloads" . | fromYaml }}
{{- include "smartcity.problems.identity" . }}
{{- include "smartcity.problems.edge" . }}
{{- include "smartcity.problems.tls" . }}
{{- include "smartcity.problems.together" (dict "root" . "workloads" $workloads) }}
{{- range $name, $block := $workloads }}
{{- include "smartcity.problems.workload" (dict "root" $ "name" $name "block" $block "workloads" $workloads) }}
{{- end }}
{{- end }}

{{- define "smartcity.problems.identity" }}
{{- if not .Values.identity.issuer }}
identity.issuer is empty: without it every call would be refused; set it to the https URL of the OpenID Connect issuer, such as https://keycloak.example.go.id/realms/smartcity
{{- end }}
{{- if not (regexMatch "^(https://[^/?#@ ]+(/[^?# ]*)?)?$" .Values.identity.issuer) }}
identity.issuer is {{ .Values.identity.issuer }}: it must be an https URL with a host, without user, query or fragment, since the keys of all tokens come from there
{{- end }}
{{- range splitList "," .Values.bus.url }}
{{- if not (regexMatch "^(nats|tls)://[^@/ ]+$" (trim .)) }}
bus.url has {{ regexReplaceAll "//.*@" . "//...@" }}: give each server as tls://HOST:PORT, joined by commas, without user and password; bus.seed names the Secret that lets the platform in
{{- end }}
{{- end }}
{{- with .Values.telemetry.otlpAddress }}
{{- if not (regexMatch "^[^/ ]+:[0-9]+$" .) }}
telemetry.otlpAddress is {{ . }}: give HOST:PORT of the collector's gRPC listener, such as otel-collector.observability:4317
{{- end }}
{{- end }}
{{- with .Values.database }}
{{- if and (eq .sslMode "verify-full") (not .authority.existingSecret) }}
database.sslMode is verify-full, but database.authority.existingSecret is empty: name the Secret with the authority's certificate, or set database.sslMode to require
{{- end }}
{{- end }}
{{- end }}

{{- define "smartcity.problems.edge" }}
{{- $edge := .Values.edgeTls }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
ingress.enabled is true, but ingress.host is empty: set the name that people call, such as api.paserkab.go.id
{{- end }}
{{- with .Values.ingress }}
{{- if and .enabled .host (eq .host .grpc.host) }}
ingress.grpc.host is {{ .host }} as ingress.host is: native gRPC needs a host of its own, such as grpc.{{ .host }}
{{- end }}
{{- end }}
{{- with .Values.gatewayApi }}
{{- if and .enabled (not .parents) }}
gatewayApi.enabled is true, but gatewayApi.parents is empty: name the Gateway, such as [{name: edge, namespace: edge}]
{{- end }}
{{- if and .enabled (not .hostnames) }}
gatewayApi.enabled is true, but gatewayApi.hostnames is empty: set the names that people call, such as [api.paserkab.go.id]
{{- end }}
{{- $hostnames := .hostnames }}
{{- range .grpcHostnames }}
{{- if has . $hostnames }}
gatewayApi.grpcHostnames has {{ . }} as gatewayApi.hostnames has: a Gateway takes only one kind of route for a host; give gRPC another one, such as grpc.{{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (not (or $edge.existingSecret $edge.issuer.name $edge.elsewhere)) }}
ingress.enabled is true without TLS, and tokens would cross the network in the clear: set edgeTls.issuer.name or edgeTls.existingSecret, or edgeTls.elsewhere where a load balancer ends TLS
{{- end }}
{{- if and $edge.issuer.name (not (or .Values.ingress.enabled .Values.gatewayApi.enabled)) }}
edgeTls.issuer.name is {{ $edge.issuer.name }}, but there is no host to certify: set ingress.enabled or gatewayApi.enabled with their hosts, or empty edgeTls.issuer.name
{{- end }}
{{- if and $edge.issuer.name (or $edge.existingSecret $edge.elsewhere) }}
edgeTls has more than one of issuer.name, existingSecret and elsewhere: keep the one that is meant
{{- end }}
{{- end }}

{{- define "smartcity.problems.tls" }}
{{- with .Values.mutualTls }}
{{- if and .enabled (not .issuer.name) (not .createAuthority) }}
mutualTls.enabled is true, but nobody signs: set mutualTls.issuer.name to a cert-manager issuer, or mutualTls.createAuthority to true
{{- end }}
{{- if and .enabled .issuer.name .createAuthority }}
mutualTls has both issuer.name ({{ .issuer.name }}) and createAuthority: keep one
{{- end }}
{{- end }}
{{- end }}

{{/* What concerns several workloads: root, workloads. */}}
{{- define "smartcity.problems.together" }}
{{- $edges := list }}
{{- $owners := dict }}
{{- range $name, $block := .workloads }}
{{- if eq $block.kind "gateway" }}{{ $edges = append $edges $name }}{{ end }}
{{- if $block.database.migrate }}
{{- if hasKey $owners $block.database.name }}
workloads.{{ $name }}.database.migrate migrates the database {{ $block.database.name }}, which workloads.{{ get $owners $block.database.name }} migrates already: set it to [] in one of them
{{- end }}
{{- $_ := set $owners $block.database.name $name }}
{{- end }}
{{- end }}
{{- if ne (len $edges) 1 }}
there must be one workload of kind gateway, and there are {{ len $edges }}{{ with $edges }} ({{ join ", " . }}){{ end }}: enable or remove some
{{- end }}
{{- end }}

{{/* root, name, block, workloads */}}
{{- define "smartcity.problems.workload" }}
{{- $at := printf "workloads.%s" .name }}
{{- $block := .block }}
{{- $known := include "smartcity.workload.environment" . | fromYaml }}
{{- if not (regexMatch "^[a-z][a-z0-9-]{0,20}$" .name) }}
{{ $at }}: a workload's name must be small letters, digits and dashes, 21 at most: rename it
{{- end }}
{{- range $variable, $_ := $block.env }}
{{- if not (regexMatch "^SMARTCITY_[A-Z0-9_]+$" $variable) }}
{{ $at }}.env has {{ $variable }}, which no process of ours reads: settings begin with SMARTCITY_
{{- end }}
{{- if hasKey $known $variable }}
{{ $at }}.env sets {{ $variable }}, which the chart sets from other values: remove it and change those
{{- end }}
{{- end }}
{{- if not $block.args }}
{{ $at }}.args is empty: say what runs, as the words after `python -m`, such as [{{ .name }}]
{{- end }}
{{- if and $block.database.migrate (not (has "database" $block.needs)) }}
{{ $at }}.database.migrate is set, but {{ $at }}.needs lacks database: add it, or set migrate to []
{{- end }}
{{- range $block.calls }}
{{- $called := get $.workloads . }}
{{- if not $called }}
{{ $at }}.calls has {{ . }}, which is no enabled workload: enable workloads.{{ . }}, or remove the call
{{- else if ne $called.kind "service" }}
{{ $at }}.calls has {{ . }}, which is a {{ $called.kind }} and answers no gRPC: remove the call
{{- end }}
{{- end }}
{{- include "smartcity.problems.scale" . }}
{{- end }}

{{- define "smartcity.problems.scale" }}
{{- $at := printf "workloads.%s" .name }}
{{- $block := .block }}
{{- if and $block.autoscaling.enabled $block.lag.enabled }}
{{ $at }} has both autoscaling and lag enabled, and they would undo each other: disable one
{{- end }}
{{- range $key := list "autoscaling" "lag" }}
{{- $scale := get $block $key }}
{{- if and $scale.enabled (gt (int $scale.minReplicas) (int $scale.maxReplicas)) }}
{{ $at }}.{{ $key }}.minReplicas is {{ $scale.minReplicas }}, above maxReplicas ({{ $scale.maxReplicas }}): lower it, or raise maxReplicas
{{- end }}
{{- end }}
{{- if and $block.lag.enabled (not $block.lag.consumers) }}
{{ $at }}.lag.enabled is true, but lag.consumers is empty: name the stream, the consumer and how many events each replica bears
{{- end }}
{{- $fewest := include "smartcity.workload.fewest" . | int }}
{{- $stay := toString $block.disruption.minAvailable }}
{{- if and $block.disruption.enabled (ne $stay "") (ge (int $stay) $fewest) }}
{{ $at }}.disruption.minAvailable is {{ $stay }}, but there may be no more than {{ $fewest }} pod(s): no node could be drained; lower it, or raise the replicas
{{- end }}
{{- end }}
