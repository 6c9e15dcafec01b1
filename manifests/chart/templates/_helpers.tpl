{{/* One of our files, for the release's namespace. Takes a list: context, file name. */}}
{{- define "heartbeats.file" -}}
{{- $context := index . 0 -}}
{{- $text := $context.Files.Get (printf "files/%s" (index . 1)) -}}
{{- $text | replace "heartbeats-system" $context.Release.Namespace -}}
{{- end }}

{{/* The image, by digest if there is one. */}}
{{- define "heartbeats.image" -}}
{{- with .Values.image -}}
{{- .repository -}}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}

{{/* What selects the pods of a role. */}}
{{- define "heartbeats.labels" -}}
app.kubernetes.io/name: heartbeats
app.kubernetes.io/component: {{ . }}
{{- end }}
