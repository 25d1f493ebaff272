{{- define "mnist-api.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "mnist-api.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mnist-api.labels" -}}
{{ include "mnist-api.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* The retraining's name, and labels of its pods, which no selector of the service matches. */ -}}
{{- define "mnist-api.retrainName" -}}
{{- /* At most 52 characters, to which Kubernetes adds the time. */ -}}
{{ include "mnist-api.fullname" . | trunc 44 | trimSuffix "-" }}-retrain
{{- end }}

{{- define "mnist-api.retrainLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-retrain
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: retrain
{{- end }}

{{- define "mnist-api.image" -}}
{{ include "mnist-api.reference" (dict "image" .Values.image "version" .Chart.AppVersion) }}
{{- end }}

{{- define "mnist-api.retrainImage" -}}
{{ include "mnist-api.reference" (dict "image" .Values.retrain.image "version" .Chart.AppVersion) }}
{{- end }}

{{- define "mnist-api.reference" -}}
{{- with .image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.version }}{{ end }}
{{- end }}
{{- end }}

{{- define "mnist-api.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "mnist-api.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- /* Values that are each right and together wrong: refused here, with what to do. */ -}}
{{- define "mnist-api.check" -}}
{{- with .Values.model }}
{{- if and (eq .source "image") (not .image.reference) }}{{ fail "model.source is image: set model.image.reference" }}{{ end }}
{{- if and (eq .source "claim") (not .claim.name) }}{{ fail "model.source is claim: set model.claim.name" }}{{ end }}
{{- if and (eq .source "url") (not (and .url.address .url.sha256)) }}{{ fail "model.source is url: set model.url.address and model.url.sha256" }}{{ end }}
{{- if and (eq .source "url") $.Values.networkPolicy.enabled (not $.Values.networkPolicy.egress) }}{{ fail "model.source is url, but the pods may connect to nowhere: allow the address and DNS in networkPolicy.egress" }}{{ end }}
{{- end }}
{{- if and .Values.retrain.enabled (not .Values.retrain.trackingUri) }}{{ fail "retrain.enabled: set retrain.trackingUri to the MLflow server's address, or what is trained is lost with its pod" }}{{ end }}
{{- if le (int .Values.terminationGracePeriodSeconds) (add (int .Values.preStopDelaySeconds) (int .Values.settings.shutdown_s)) }}{{ fail "terminationGracePeriodSeconds must be more than preStopDelaySeconds and settings.shutdown_s together, or requests under way are cut off" }}{{ end }}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) }}{{ fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" }}{{ end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}{{ fail "ingress.enabled: name at least one host in ingress.hosts" }}{{ end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}{{ fail "httpRoute.enabled: name the gateway in httpRoute.parentRefs" }}{{ end }}
{{- if and .Values.prometheusRule.enabled (not .Values.prometheusRule.runbookUrl) }}{{ fail "prometheusRule.enabled: set prometheusRule.runbookUrl to the address at which deploy/RUNBOOK.md of your copy of the repository can be read" }}{{ end }}
{{- end }}

{{- define "mnist-api.modelDir" -}}
{{- if eq .Values.model.source "bundled" }}/srv/deploy/model{{ else if eq .Values.model.source "url" }}/model/bundle{{ else }}{{ printf "/model/%s" .Values.model.path | trimSuffix "/" }}{{ end }}
{{- end }}

{{- /* A setting as the service reads it: Helm would write 4194304 as 4.194304e+06. */ -}}
{{- define "mnist-api.plain" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- /* The volume with the model, where that is one of the cluster's. */ -}}
{{- define "mnist-api.modelVolume" -}}
{{- with .Values.model }}
{{- if eq .source "image" }}
- name: model
  image: {reference: {{ .image.reference | quote }}, pullPolicy: {{ .image.pullPolicy }}}
{{- else if eq .source "claim" }}
- name: model
  persistentVolumeClaim: {claimName: {{ .claim.name | quote }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
