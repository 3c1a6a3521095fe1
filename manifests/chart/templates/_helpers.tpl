{{- define "injector.name" -}}
{{- regexReplaceAll "[-.]+$" (default .Chart.Name .Values.nameOverride | trunc 63) "" }}
{{- end }}

{{- /* The longest name that is made of it has thirteen characters more. */}}
{{- define "injector.fullname" -}}
{{- $name := include "injector.name" . }}
{{- $made := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- regexReplaceAll "[-.]+$" (default $made .Values.fullnameOverride | trunc 50) "" }}
{{- end }}

{{- /* The Secret with the webhook's certificates: cert-manager leaves its own behind, so it has a name of its own. */}}
{{- define "injector.certificates" -}}
{{ include "injector.fullname" . }}-{{ ternary "cert-manager" "certificates" .Values.certificates.certManager.enabled }}
{{- end }}

{{- define "injector.serviceAccount" -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) }}
{{- fail "serviceAccount.name is required where serviceAccount.create is false" }}
{{- end }}
{{- default (include "injector.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "injector.selector" -}}
app.kubernetes.io/name: {{ include "injector.name" . | toYaml }}
app.kubernetes.io/instance: {{ .Release.Name | toYaml }}
app.kubernetes.io/component: webhook
{{- end }}

{{- define "injector.labels" -}}
{{ include "injector.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ include "injector.strings" . }}
{{- end }}
{{- end }}

{{- /* A value as text. Numbers of a file of values are floats, which would be written as 1.6777216e+07. */}}
{{- define "injector.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{- /* A map whose values have to be strings: labels, annotations. */}}
{{- define "injector.strings" -}}
{{- $strings := dict }}
{{- range $name, $value := . }}
{{- $_ := set $strings $name (include "injector.text" $value) }}
{{- end }}
{{- toYaml $strings }}
{{- end }}

{{- /* An image by its tag, or by its digest; the chart's appVersion is the tag without one. */}}
{{- define "injector.image" -}}
{{- with index . 0 }}
{{- .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default (index $ 1).Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- /* What cert-manager's CA injector looks at. */}}
{{- define "injector.caInjection" -}}
{{- if .Values.certificates.certManager.enabled }}
annotations:
  cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "injector.certificates" . }}
{{- end }}
{{- end }}

{{- /* A selector of the values, to which the caller adds. */}}
{{- define "injector.matchLabels" -}}
{{- with .matchLabels -}}
matchLabels:
  {{- include "injector.strings" . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The webhook's own pods, and those that the cluster needs to bring it up, never depend on it. */}}
{{- define "injector.namespaceSelector" -}}
{{- with (include "injector.matchLabels" .Values.webhook.namespaceSelector) -}}
{{ . }}
{{ end -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: [{{ .Release.Namespace | toYaml }}, kube-system]
  {{- with (.Values.webhook.namespaceSelector).matchExpressions }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
