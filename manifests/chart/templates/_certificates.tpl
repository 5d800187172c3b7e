{{- define "nfs-mount-guard.certificatesName" -}}
{{- printf "%s-certificates" (include "nfs-mount-guard.fullname" . | trunc 50 | trimSuffix "-") -}}
{{- end -}}

{{- define "nfs-mount-guard.certificatesServiceAccountName" -}}
{{- with .Values.certificates.serviceAccount -}}
{{- if .create -}}
{{- default (include "nfs-mount-guard.certificatesName" $) .name -}}
{{- else -}}
{{- required "certificates.serviceAccount.create is false: certificates.serviceAccount.name has to say which one to use" .name -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "nfs-mount-guard.caSecretName" -}}
{{- default (printf "%s-built-in-ca" (include "nfs-mount-guard.fullname" .)) .Values.certificates.caSecretName -}}
{{- end -}}

{{/* Not those of the webhook: nothing that selects its Pods may select this one. */}}
{{- define "nfs-mount-guard.certificatesSelectorLabels" -}}
app.kubernetes.io/name: {{ include "nfs-mount-guard.name" . | trunc 50 | trimSuffix "-" }}-certificates
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "nfs-mount-guard.certificatesLabels" -}}
{{ include "nfs-mount-guard.certificatesSelectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
