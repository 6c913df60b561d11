{{/* A Job before each install and upgrade, with a network policy that lives as long as it does.
     root, name, weight, args, database (whose owner it is; nil: none), bus (whether it speaks to it) */}}
{{- define "smartcity.job" -}}
{{- $secret := "" }}
{{- with .database }}{{ $secret = .ownerExistingSecret }}{{ end }}
{{- $secrets := include "smartcity.secrets" (dict "root" .root "database" $secret "bus" .bus "issuer" false "contactKeys" false) }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "smartcity.workload.fullname" . }}
  labels: {{- include "smartcity.workload.labels" . | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: {{ .weight | quote }}
    # One that failed stays, so that its log can be read.
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 3
  activeDeadlineSeconds: {{ with .database }}{{ .migrateSeconds }}{{ else }}600{{ end }}
  template:
    metadata:
      labels: {{- include "smartcity.workload.labels" . | nindent 8 }}
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- include "smartcity.pod.pullSecrets" .root | trim | nindent 6 }}
      securityContext: {{- include "smartcity.pod.security" . | nindent 8 }}
      containers:
        - name: {{ .name }}
          image: {{ include "smartcity.image" (dict "root" .root "image" "services") }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: {{- toYaml .args | nindent 12 }}
          env: {{- include "smartcity.job.environment" . | trim | nindent 12 }}
          resources:
            requests: {cpu: 50m, memory: 96Mi}
            limits: {memory: 256Mi}
          securityContext: {{- include "smartcity.container.security" . | nindent 12 }}
          volumeMounts:
            - {name: temporary, mountPath: /tmp}
            {{- if $secrets }}
            - {name: secrets, mountPath: {{ include "smartcity.folder" . }}/secrets, readOnly: true}
            {{- end }}
      volumes:
        - {name: temporary, emptyDir: {sizeLimit: 64Mi}}
        {{- with $secrets }}
        - name: secrets
          projected:
            defaultMode: 0440
            sources: {{- . | trim | nindent 14 }}
        {{- end }}
{{- if .root.Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "smartcity.workload.fullname" . }}
  labels: {{- include "smartcity.workload.labels" . | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "-10"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  podSelector:
    matchLabels: {{- include "smartcity.workload.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "smartcity.network.dns" .root | trim | nindent 4 }}
    {{- if .database }}
    {{- include "smartcity.network.to" (dict "root" .root "peer" "database") | trim | nindent 4 }}
    {{- end }}
    {{- if .bus }}
    {{- include "smartcity.network.to" (dict "root" .root "peer" "bus") | trim | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}

{{- define "smartcity.job.environment" -}}
{{- $environment := dict }}
{{- with .database }}
{{- $_ := set $environment "SMARTCITY_MIGRATION_URL" (include "smartcity.database.url" (dict "root" $.root "scheme" "postgres" "role" .ownerRole "name" .name)) }}
{{- $_ := set $environment "SMARTCITY_DATABASE_PASSWORD_FILE" (printf "%s/secrets/database-password" (include "smartcity.folder" $)) }}
{{- end }}
{{- if .bus }}
{{- $environment = include "smartcity.bus.environment" .root | fromYaml }}
{{- end }}
{{- range $name, $value := $environment }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}
