{{- define "nfs-mount-guard.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "nfs-mount-guard.fullname" -}}
{{- $name := include "nfs-mount-guard.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "nfs-mount-guard.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "nfs-mount-guard.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.create is false: serviceAccount.name has to say which one to use" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "nfs-mount-guard.secretName" -}}
{{- default (printf "%s-tls" (include "nfs-mount-guard.fullname" .)) .Values.certificates.secretName -}}
{{- end -}}

{{- define "nfs-mount-guard.policyName" -}}
{{- printf "%s-policy" (include "nfs-mount-guard.fullname" .) -}}
{{- end -}}

{{- define "nfs-mount-guard.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "nfs-mount-guard.selectorLabels" -}}
app.kubernetes.io/name: {{ include "nfs-mount-guard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "nfs-mount-guard.labels" -}}
{{ include "nfs-mount-guard.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
