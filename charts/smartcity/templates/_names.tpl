{{/* Names and labels. A workload's templates get a dict: root (the chart), name, block (merged). */}}

{{- define "smartcity.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 32 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 32 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 32 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* The pods of the release. */}}
{{- define "smartcity.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What every object of the release carries. */}}
{{- define "smartcity.labels" -}}
{{ include "smartcity.selector" . }}
app.kubernetes.io/part-of: smartcity
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "smartcity.workload.fullname" -}}
{{ include "smartcity.fullname" .root }}-{{ .name }}
{{- end }}

{{- define "smartcity.workload.selector" -}}
{{ include "smartcity.selector" .root }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "smartcity.workload.labels" -}}
{{ include "smartcity.labels" .root }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{/* The name that other pods call a workload by; also the one in its certificate. */}}
{{- define "smartcity.workload.host" -}}
{{ include "smartcity.workload.fullname" . }}.{{ .root.Release.Namespace }}.svc.{{ .root.Values.clusterDomain }}
{{- end }}

{{- define "smartcity.image" -}}
{{- $image := index .root.Values.image .image -}}
{{- with .root.Values.image.registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest -}}@{{ $image.digest }}{{- else -}}:{{ default .root.Chart.AppVersion .root.Values.image.tag }}{{- end -}}
{{- end }}
