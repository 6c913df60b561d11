{{/* The smaller objects of a workload. */}}

{{- define "smartcity.serviceaccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "smartcity.workload.fullname" . }}
  labels: {{- include "smartcity.workload.labels" . | nindent 4 }}
  {{- with .block.serviceAccountAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}

{{- define "smartcity.configmap.data" -}}
{{- toYaml (merge (include "smartcity.workload.environment" . | fromYaml) .block.env) }}
{{- end }}

{{- define "smartcity.configmap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "smartcity.workload.fullname" . }}
  labels: {{- include "smartcity.workload.labels" . | nindent 4 }}
data: {{- include "smartcity.configmap.data" . | nindent 2 }}
{{- end }}

{{/* Headless, so that callers see every pod and spread their calls; the edge has an address. */}}
{{- define "smartcity.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "smartcity.workload.fullname" . }}
  labels: {{- include "smartcity.workload.labels" . | nindent 4 }}
spec:
  selector: {{- include "smartcity.workload.selector" . | nindent 4 }}
  {{- if eq .block.kind "gateway" }}
  type: ClusterIP
  ports:
    - {name: http, port: 80, targetPort: http, appProtocol: http}
    - {name: grpc, port: 8080, targetPort: http, appProtocol: kubernetes.io/h2c}
  {{- else }}
  clusterIP: None
  # The edge asks each pod's health itself. While the database is away no pod is ready, and monitoring
  # still accepts measurements: it must be found.
  publishNotReadyAddresses: true
  ports:
    - {name: grpc, port: {{ include "smartcity.port.grpc" . }}, targetPort: grpc, appProtocol: kubernetes.io/h2c}
  {{- end }}
{{- end }}

{{- define "smartcity.disruption" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "smartcity.workload.fullname" . }}
  labels: {{- include "smartcity.workload.labels" . | nindent 4 }}
spec:
  {{- if ne (toString .block.disruption.minAvailable) "" }}
  minAvailable: {{ .block.disruption.minAvailable }}
  {{- else }}
  maxUnavailable: {{ .block.disruption.maxUnavailable }}
  {{- end }}
  # A pod that never became ready must not hold up the drain of its node.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "smartcity.workload.selector" . | nindent 6 }}
{{- end }}

{{- define "smartcity.autoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "smartcity.workload.fullname" . }}
  labels: {{- include "smartcity.workload.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "smartcity.workload.fullname" . }}}
  minReplicas: {{ .block.autoscaling.minReplicas }}
  maxReplicas: {{ .block.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .block.autoscaling.cpuPercent }}}
{{- end }}

{{- define "smartcity.lag" -}}
{{- $root := .root }}
{{- $own := printf "nats-headless.%s.svc.%s:8222" $root.Release.Namespace $root.Values.clusterDomain }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ include "smartcity.workload.fullname" . }}
  labels: {{- include "smartcity.workload.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "smartcity.workload.fullname" . }}}
  minReplicaCount: {{ .block.lag.minReplicas }}
  maxReplicaCount: {{ .block.lag.maxReplicas }}
  triggers:
    {{- range .block.lag.consumers }}
    - type: nats-jetstream
      metadata:
        natsServerMonitoringEndpoint: {{ default $own $root.Values.bus.monitoringAddress | quote }}
        account: {{ $root.Values.bus.account | quote }}
        stream: {{ .stream }}
        consumer: {{ .consumer }}
        lagThreshold: {{ .each | quote }}
    {{- end }}
{{- end }}

{{- define "smartcity.certificate" -}}
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ include "smartcity.workload.fullname" . }}
  labels: {{- include "smartcity.workload.labels" . | nindent 4 }}
spec:
  secretName: {{ include "smartcity.workload.fullname" . }}-tls
  duration: {{ .root.Values.mutualTls.duration }}
  renewBefore: {{ .root.Values.mutualTls.renewBefore }}
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  usages: [digital signature, server auth, client auth]
  # No common name: it is limited to 64 letters, and nobody reads it.
  dnsNames: [{{ include "smartcity.workload.host" . }}]
  issuerRef: {{- include "smartcity.mutualTls.issuer" .root | nindent 4 }}
{{- end }}

{{- define "smartcity.mutualTls.issuer" -}}
{{- if .Values.mutualTls.createAuthority -}}
name: {{ include "smartcity.fullname" . }}-authority
kind: Issuer
group: cert-manager.io
{{- else -}}
{{- toYaml .Values.mutualTls.issuer }}
{{- end -}}
{{- end }}
