{{/* What every pod of the release has in common: workloads, Jobs and the test. */}}

{{- define "smartcity.pod.security" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "smartcity.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "smartcity.pod.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Files of existing Secrets in one folder. root; database: the Secret of its password or "";
     bus, issuer, contactKeys: whether they are needed. */}}
{{- define "smartcity.secrets" -}}
{{- $values := .root.Values }}
{{- $sources := list }}
{{- if .database }}
{{- $sources = append $sources (dict "secret" .database "key" "password" "path" "database-password") }}
{{- if eq $values.database.sslMode "verify-full" }}
{{- $sources = append $sources (dict "secret" $values.database.authority.existingSecret "key" $values.database.authority.key "path" "database-ca.crt") }}
{{- end }}
{{- end }}
{{- if .bus }}
{{- $sources = append $sources (dict "secret" $values.bus.seed.existingSecret "key" $values.bus.seed.key "path" "nats-seed") }}
{{- $sources = append $sources (dict "secret" $values.bus.authority.existingSecret "key" $values.bus.authority.key "path" "nats-ca.crt") }}
{{- end }}
{{- if .issuer }}
{{- $sources = append $sources (dict "secret" $values.identity.authority.existingSecret "key" $values.identity.authority.key "path" "issuer-ca.crt") }}
{{- end }}
{{- if .contactKeys }}
{{- $sources = append $sources (dict "secret" $values.contactKeys.existingSecret "key" $values.contactKeys.key "path" "contact-keys.json") }}
{{- end }}
{{- range $sources }}
{{- if .secret }}
- secret:
    name: {{ .secret }}
    items: [{key: {{ .key }}, path: {{ .path }}}]
{{- end }}
{{- end }}
{{- end }}

{{/* The same for a workload, by its needs. */}}
{{- define "smartcity.workload.secrets" -}}
{{- $needs := .block.needs }}
{{- $database := ternary .block.database.existingSecret "" (has "database" $needs) }}
{{- include "smartcity.secrets" (dict "root" .root "database" $database "bus" (has "bus" $needs) "issuer" (has "issuer" $needs) "contactKeys" (has "contactKeys" $needs)) }}
{{- end }}
