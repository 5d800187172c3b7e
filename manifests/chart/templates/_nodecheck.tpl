{{- define "nfs-mount-guard.nodeCheckName" -}}
{{- printf "%s-node-check" (include "nfs-mount-guard.fullname" . | trunc 47 | trimSuffix "-") -}}
{{- end -}}

{{/* Not those of the webhook: its Service must not find these Pods. */}}
{{- define "nfs-mount-guard.nodeCheckSelectorLabels" -}}
app.kubernetes.io/name: {{ include "nfs-mount-guard.name" . | trunc 52 | trimSuffix "-" }}-node-check
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "nfs-mount-guard.nodeCheckLabels" -}}
{{ include "nfs-mount-guard.nodeCheckSelectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
