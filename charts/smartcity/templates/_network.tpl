{{/* Network policies: peers are where something is, arrows are what a workload needs. */}}

{{/* The entries of `from` or `to` for a peer of values: networks, or pods by labels. */}}
{{- define "smartcity.peer" -}}
{{- if not .cidrs }}
- podSelector: {{- if .pods }} {matchLabels: {{ toJson .pods }}}{{ else }} {}{{ end }}
  {{- if .namespace }}
  namespaceSelector: {matchLabels: {{ toJson .namespace }}}
  {{- end }}
{{- end }}
{{- range .cidrs }}
- ipBlock: {cidr: {{ . | quote }}}
{{- end }}
{{- end }}

{{/* The same for networks with exceptions: only those of its own family fit in each. */}}
{{- define "smartcity.networks" -}}
{{- $except := .except }}
{{- range $cidr := .cidrs }}
{{- $within := list }}
{{- range $except }}
{{- if and (eq (contains ":" .) (contains ":" $cidr)) (ne . $cidr) (hasSuffix "/0" $cidr) }}{{ $within = append $within . }}{{ end }}
{{- end }}
- ipBlock:
    cidr: {{ $cidr | quote }}
    {{- with $within }}
    except: {{ toJson . }}
    {{- end }}
{{- end }}
{{- end }}

{{- define "smartcity.tcp" -}}
{{- range . }}
- {port: {{ int . }}, protocol: TCP}
{{- end }}
{{- end }}

{{- define "smartcity.network.dns" -}}
{{- $dns := .Values.networkPolicy.peers.dns }}
- to: {{- include "smartcity.peer" $dns | trim | nindent 4 }}
  ports:
    {{- range $dns.ports }}
    - {port: {{ int . }}, protocol: UDP}
    - {port: {{ int . }}, protocol: TCP}
    {{- end }}
{{- end }}

{{- define "smartcity.network.to" -}}
{{- $peer := index .root.Values.networkPolicy.peers .peer }}
- to: {{- include "smartcity.peer" $peer | trim | nindent 4 }}
  ports: {{- include "smartcity.tcp" $peer.ports | trim | nindent 4 }}
{{- end }}

{{- define "smartcity.network.component" -}}
- podSelector:
    matchLabels: {{- include "smartcity.workload.selector" . | nindent 6 }}
{{- end }}

{{/* A workload's own policy. */}}
{{- define "smartcity.network" -}}
{{- $values := .root.Values }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "smartcity.workload.fullname" . }}
  labels: {{- include "smartcity.workload.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "smartcity.workload.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress: {{- include "smartcity.network.in" . | trim | nindent 4 }}
  egress:
    {{- include "smartcity.network.dns" .root | trim | nindent 4 }}
    {{- range $peer := list "database" "bus" "issuer" "collector" }}
    {{- if has $peer $.block.needs }}
    {{- if or (ne $peer "collector") $values.telemetry.otlpAddress }}
    {{- include "smartcity.network.to" (dict "root" $.root "peer" $peer) | trim | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- end }}
    {{- range $called := .calls }}
    - to: {{- include "smartcity.network.component" (dict "root" $.root "name" $called) | trim | nindent 8 }}
      ports: [{port: {{ include "smartcity.port.grpc" $ }}, protocol: TCP}]
    {{- end }}
    {{- if has "notifications" .block.needs }}
    - to: {{- include "smartcity.networks" $values.networkPolicy.notifications | trim | nindent 8 }}
      ports: {{- include "smartcity.tcp" $values.networkPolicy.notifications.ports | trim | nindent 8 }}
    {{- end }}
    {{- if has "probes" .block.needs }}
    # Without ports every protocol is meant, ICMP too.
    - to: {{- include "smartcity.networks" $values.networkPolicy.probes | trim | nindent 8 }}
    {{- end }}
{{- end }}

{{/* Probes of the kubelet come from the node, which no policy keeps out. */}}
{{- define "smartcity.network.in" -}}
{{- $peers := .root.Values.networkPolicy.peers }}
- from: {{- include "smartcity.peer" $peers.prometheus | trim | nindent 4 }}
  ports: [{port: {{ include "smartcity.port.metrics" . }}, protocol: TCP}]
{{- if eq .block.kind "gateway" }}
- from:
    {{- include "smartcity.peer" $peers.ingress | trim | nindent 4 }}
    {{- include "smartcity.network.component" (dict "root" .root "name" "test") | trim | nindent 4 }}
  ports: [{port: {{ include "smartcity.port.http" . }}, protocol: TCP}]
{{- end }}
{{- with .callers }}
- from:
    {{- range . }}
    {{- include "smartcity.network.component" (dict "root" $.root "name" .) | trim | nindent 4 }}
    {{- end }}
  ports: [{port: {{ include "smartcity.port.grpc" $ }}, protocol: TCP}]
{{- end }}
{{- end }}
