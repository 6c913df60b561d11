{{/* Every role: owners first. An owner runs migrations, the other runs the program. */}}
{{- define "postgres.roles" -}}
{{- range .Values.services }}
- {role: {{ . }}_owner, secret: postgres-{{ . }}-owner}
- {role: {{ . }}, secret: postgres-{{ . }}}
{{- end }}
{{- range .Values.owners }}
- {role: {{ . }}_owner, secret: postgres-{{ . }}-owner}
{{- end }}
{{- end }}

{{- define "postgres.image" -}}
{{ required "image: say which PostgreSQL runs, as in k8s/versions.env (--set image=...)" .Values.image }}
{{- end }}
