{{- define "injector.name" -}}
{{- regexReplaceAll "[-.]+$" (default .Chart.Name .Values.nameOverride | trunc 63) "" }}
{{- end }}

{{- /* The longest name derived from it is thirteen characters longer. */}}
{{- define "injector.fullname" -}}
{{- $name := include "injector.name" . }}
{{- $made := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- regexReplaceAll "[-.]+$" (default $made .Values.fullnameOverride | trunc 50) "" }}
{{- end }}

{{- /* The Secret with the webhook's CAs. */}}
{{- define "injector.authorities" -}}
{{ include "injector.fullname" . }}-authorities
{{- end }}

{{- /* The Secret with cert-manager's certificate. */}}
{{- define "injector.certificates" -}}
{{ include "injector.fullname" . }}-cert-manager
{{- end }}

{{- define "injector.serviceAccount" -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) }}
{{- fail "serviceAccount.name is required if serviceAccount.create is false" }}
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

{{- /* The same with more labels of the object's own. A key that is in both is written once: kustomize refuses it twice. */}}
{{- define "injector.labelsAnd" -}}
{{- $labels := include "injector.labels" (index . 0) | fromYaml }}
{{- include "injector.strings" (mergeOverwrite $labels (default dict (index . 1))) }}
{{- end }}

{{- /* A value as text. Numbers in values files are floats, which would be printed as 1.6777216e+07. */}}
{{- define "injector.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{- /* A map with string values, for labels and annotations. */}}
{{- define "injector.strings" -}}
{{- $strings := dict }}
{{- range $name, $value := . }}
{{- $_ := set $strings $name (include "injector.text" $value) }}
{{- end }}
{{- toYaml $strings }}
{{- end }}

{{- /* The name of an image, with the registry of all images, if there is one, in place of its own. */}}
{{- define "injector.repository" -}}
{{- $registry := ((index . 1).Values.global).imageRegistry }}
{{- if $registry }}
{{- trimSuffix "/" $registry }}/{{ regexReplaceAll "^[^/]*[.:][^/]*/" (index . 0) "" }}
{{- else }}
{{- index . 0 }}
{{- end }}
{{- end }}

{{- /* An image with its digest or tag. The default tag is the chart's appVersion. */}}
{{- define "injector.image" -}}
{{- with index . 0 }}
{{- include "injector.repository" (list .repository (index $ 1)) }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default (index $ 1).Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- /* Annotation for cert-manager's CA injector. */}}
{{- define "injector.caInjection" -}}
{{- if .Values.certificates.certManager.enabled }}
cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "injector.certificates" . }}
{{- end }}
{{- end }}

{{- /* The annotations of an object: those of all objects, and more of its own. */}}
{{- define "injector.annotations" -}}
{{- $own := dict }}
{{- if gt (len .) 1 }}
{{- $own = default dict (index . 1) }}
{{- end }}
{{- with mergeOverwrite (deepCopy (index . 0).Values.commonAnnotations) $own }}
  annotations:
    {{- include "injector.strings" . | nindent 4 }}
{{- end }}
{{- end }}

{{- /* CEL: does the pod have volumes of the Secrets Store CSI Driver that are to be replaced? An invalid annotation is for the webhook to refuse. */}}
{{- define "injector.hasCsiVolumes" -}}
(object.metadata.?annotations[?'aws-secrets-injector.io/csi-volumes'].orValue('{{ .Values.csiVolumes }}').trim() != 'ignore' && object.spec.?volumes.orValue([]).exists(v, v.?csi.?driver.orValue('') == 'secrets-store.csi.k8s.io'))
{{- end }}

{{- /* CEL: does the pod request secrets by its annotations, or was it injected already? */}}
{{- define "injector.isAnnotated" -}}
['aws-secrets-injector.io/secret-provider-class', 'aws-secrets-injector.io/objects', 'aws-secrets-injector.io/replaced-volumes'].exists(name, name in object.metadata.?annotations.orValue({}))
{{- end }}

{{- /* A selector from the values, which the caller extends. */}}
{{- define "injector.matchLabels" -}}
{{- with .matchLabels -}}
matchLabels:
  {{- include "injector.strings" . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The webhook's objectSelector. */}}
{{- define "injector.objectSelector" -}}
{{- with (include "injector.matchLabels" .Values.webhook.objectSelector) -}}
{{ . }}
{{ end -}}
{{- with (.Values.webhook.objectSelector).matchExpressions -}}
matchExpressions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Excludes the webhook's own pods and those that the cluster needs to start it, so that they do not depend on it. */}}
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

{{- /* How a monitor of the Prometheus operator scrapes. */}}
{{- define "injector.scrape" -}}
interval: {{ .interval | toYaml }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . | toYaml }}
{{- end }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
