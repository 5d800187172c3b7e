{{- define "nfs-mount-guard.scanName" -}}
{{- printf "%s-scan" (include "nfs-mount-guard.fullname" . | trunc 47 | trimSuffix "-") -}}
{{- end -}}

{{- define "nfs-mount-guard.scanServiceAccountName" -}}
{{- with .Values.scan.serviceAccount -}}
{{- if .create -}}
{{- default (include "nfs-mount-guard.scanName" $) .name -}}
{{- else -}}
{{- required "scan.serviceAccount.create is false: scan.serviceAccount.name has to say which one to use" .name -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Not those of the webhook: its Service must not find these Pods. */}}
{{- define "nfs-mount-guard.scanSelectorLabels" -}}
app.kubernetes.io/name: {{ include "nfs-mount-guard.name" . | trunc 58 | trimSuffix "-" }}-scan
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "nfs-mount-guard.scanLabels" -}}
{{ include "nfs-mount-guard.scanSelectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "nfs-mount-guard.scanPod" -}}
{{- $scan := .Values.scan -}}
metadata:
  labels:
    {{- include "nfs-mount-guard.scanLabels" . | nindent 4 }}
spec:
  serviceAccountName: {{ include "nfs-mount-guard.scanServiceAccountName" . }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  restartPolicy: {{ empty $scan.interval | ternary "Never" "Always" }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: scan
      image: {{ include "nfs-mount-guard.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - scan
        - --policy=/policy/policy.yaml
        # Findings are in the report, the reports and the metrics; a Job that fails did not see everything.
        - --exit-zero
        - --reports={{ $scan.reports }}
        - --max-results={{ int $scan.maxResults }}
        - --qps={{ int $scan.qps }}
        {{- if $scan.interval }}
        - --interval={{ $scan.interval }}
        - {{ printf "--status-listen=%s:%d" .Values.server.address (int .Values.server.statusPort) | quote }}
        {{- end }}
        {{- range $scan.extraArgs }}
        - {{ . | quote }}
        {{- end }}
      {{- if $scan.interval }}
      ports:
        - name: status
          containerPort: {{ .Values.server.statusPort }}
      readinessProbe:
        httpGet: {path: /readyz, port: status}
        periodSeconds: 10
      livenessProbe:
        httpGet: {path: /healthz, port: status}
        periodSeconds: 10
        failureThreshold: 3
      {{- end }}
      resources:
        {{- toYaml $scan.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        - name: policy
          mountPath: /policy
          readOnly: true
  volumes:
    - name: policy
      configMap:
        name: {{ include "nfs-mount-guard.policyName" . }}
{{- end -}}
