{{- define "smartcity.deployment" -}}
{{- $block := .block }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "smartcity.workload.fullname" . }}
  labels: {{- include "smartcity.workload.labels" . | nindent 4 }}
spec:
  {{- if not (or $block.autoscaling.enabled $block.lag.enabled) }}
  replicas: {{ $block.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels: {{- include "smartcity.workload.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "smartcity.workload.labels" . | nindent 8 }}
        {{- with $block.podLabels }}{{- toYaml . | nindent 8 }}{{- end }}
      annotations:
        # A changed setting begins new pods.
        checksum/config: {{ include "smartcity.configmap.data" . | sha256sum }}
        {{- with $block.podAnnotations }}{{- toYaml . | nindent 8 }}{{- end }}
    spec:
      serviceAccountName: {{ include "smartcity.workload.fullname" . }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- include "smartcity.pod.pullSecrets" .root | trim | nindent 6 }}
      # It serves on {{ $block.shutdown.leaveSeconds }} s, then ends calls in {{ $block.shutdown.drainSeconds }} s.
      terminationGracePeriodSeconds: {{ include "smartcity.workload.grace" . }}
      securityContext:
        {{- include "smartcity.pod.security" . | nindent 8 }}
        {{- if $block.pingSockets }}
        sysctls: [{name: net.ipv4.ping_group_range, value: "65532 65532"}]
        {{- end }}
      containers:
        - name: {{ .name }}
          image: {{ include "smartcity.image" (dict "root" .root "image" $block.image) }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: {{- toYaml $block.args | nindent 12 }}
          envFrom: [{configMapRef: {name: {{ include "smartcity.workload.fullname" . }}}}]
          ports: {{- include "smartcity.ports" . | trim | nindent 12 }}
          {{- include "smartcity.probes" . | trim | nindent 10 }}
          resources: {{- toYaml $block.resources | nindent 12 }}
          securityContext: {{- include "smartcity.container.security" . | nindent 12 }}
          volumeMounts: {{- include "smartcity.mounts" . | trim | nindent 12 }}
      volumes: {{- include "smartcity.volumes" . | trim | nindent 8 }}
      topologySpreadConstraints: {{- include "smartcity.spread" . | trim | nindent 8 }}
      {{- with $block.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $block.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $block.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $block.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
{{- end }}

{{- define "smartcity.ports" -}}
{{- if eq .block.kind "gateway" }}
- {name: http, containerPort: {{ include "smartcity.port.http" . }}}
{{- end }}
{{- if eq .block.kind "service" }}
- {name: grpc, containerPort: {{ include "smartcity.port.grpc" . }}}
{{- end }}
{{- if ne .block.kind "gateway" }}
- {name: health, containerPort: {{ include "smartcity.port.health" . }}}
{{- end }}
- {name: metrics, containerPort: {{ include "smartcity.port.metrics" . }}}
{{- end }}

{{/* Liveness asks whether the process answers at all: a database that is away restarts nobody. */}}
{{- define "smartcity.probes" -}}
{{- $times := .block.probes }}
{{- $live := printf "{grpc: {port: %s, service: liveness}}" (include "smartcity.port.health" .) | fromYaml }}
{{- $ready := printf "{grpc: {port: %s, service: ''}}" (include "smartcity.port.health" .) | fromYaml }}
{{- if eq .block.kind "gateway" }}
{{- $live = "{httpGet: {path: /healthz, port: http}}" | fromYaml }}
{{- $ready = "{httpGet: {path: /readyz/edge, port: http}}" | fromYaml }}
{{- end }}
{{- $every := dict "periodSeconds" $times.periodSeconds "timeoutSeconds" $times.timeoutSeconds }}
{{- $starts := divf $times.startupSeconds $times.periodSeconds | ceil | int }}
startupProbe: {{- toYaml (merge (dict "failureThreshold" $starts) $live $every) | nindent 2 }}
livenessProbe: {{- toYaml (merge (dict "failureThreshold" $times.failures) $live $every) | nindent 2 }}
readinessProbe: {{- toYaml (merge (dict "failureThreshold" 2) $ready $every) | nindent 2 }}
{{- end }}

{{- define "smartcity.mounts" -}}
- {name: temporary, mountPath: /tmp}
{{- if eq .block.kind "gateway" }}
- {name: state, mountPath: /run/smartcity}
{{- end }}
{{- if include "smartcity.workload.secrets" . }}
- {name: secrets, mountPath: {{ include "smartcity.folder" . }}/secrets, readOnly: true}
{{- end }}
{{- if include "smartcity.workload.certified" . }}
- {name: tls, mountPath: {{ include "smartcity.folder" . }}/tls, readOnly: true}
{{- end }}
{{- end }}

{{- define "smartcity.volumes" -}}
- {name: temporary, emptyDir: {sizeLimit: {{ .block.temporary }}}}
{{- if eq .block.kind "gateway" }}
- {name: state, emptyDir: {medium: Memory, sizeLimit: 16Mi}}
{{- end }}
{{- with include "smartcity.workload.secrets" . }}
- name: secrets
  projected:
    defaultMode: 0440
    sources: {{- . | trim | nindent 6 }}
{{- end }}
{{- if include "smartcity.workload.certified" . }}
- name: tls
  secret: {secretName: {{ include "smartcity.workload.fullname" . }}-tls, defaultMode: 0440}
{{- end }}
{{- end }}

{{/* Counted within one revision, so that the pods of the last one do not push the new ones away. */}}
{{- define "smartcity.spread" -}}
{{- range $key, $unsatisfiable := dict "topology.kubernetes.io/zone" .block.spread.zone "kubernetes.io/hostname" .block.spread.node }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: {{ $unsatisfiable }}
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels: {{- include "smartcity.workload.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
