{{/* The rules of both webhooks. */}}
{{- define "nfs-mount-guard.rules" -}}
- apiGroups: [storage.k8s.io]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [storageclasses]
  scope: Cluster
- apiGroups: [""]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  # The kubelet reads an annotation, and that changes with the status, too.
  resources: [persistentvolumes, persistentvolumes/status]
  scope: Cluster
{{- end -}}

{{/* Further rules of the validating webhook: the parameters of these objects are never patched. */}}
{{- define "nfs-mount-guard.validatingRules" -}}
{{ include "nfs-mount-guard.rules" . }}
- apiGroups: [snapshot.storage.k8s.io]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [volumesnapshotclasses]
  scope: Cluster
{{- end -}}

{{/* Pods, whose volumes never change. */}}
{{- define "nfs-mount-guard.podRules" -}}
- apiGroups: [""]
  apiVersions: [v1]
  operations: [CREATE]
  resources: [pods]
  scope: Namespaced
{{- end -}}

{{/* The rules for templates of Pods. */}}
{{- define "nfs-mount-guard.templateRules" -}}
- apiGroups: [""]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [podtemplates, replicationcontrollers]
  scope: Namespaced
- apiGroups: [apps]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [deployments, statefulsets, daemonsets, replicasets]
  scope: Namespaced
- apiGroups: [batch]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [jobs, cronjobs]
  scope: Namespaced
{{- end -}}

{{/* A generated ValidatingAdmissionPolicy with the chart's labels. */}}
{{- define "nfs-mount-guard.admissionPolicy" -}}
{{- $policy := .root.Files.Get .file | fromYaml -}}
{{- $_ := set $policy.metadata "labels" (include "nfs-mount-guard.labels" .root | fromYaml) -}}
{{- toYaml $policy -}}
{{- end -}}

{{/*
How the API server calls a path. In the modes built-in and cert-manager there
is no caBundle here: what writes it owns it.
*/}}
{{- define "nfs-mount-guard.clientConfig" -}}
{{- $root := .root -}}
service:
  namespace: {{ $root.Release.Namespace }}
  name: {{ include "nfs-mount-guard.fullname" $root }}
  path: {{ .path }}
  port: {{ $root.Values.service.port }}
{{- if and (eq $root.Values.certificates.mode "existing-secret") $root.Values.certificates.caBundle }}
caBundle: {{ b64enc $root.Values.certificates.caBundle }}
{{- end }}
{{- end -}}

{{- define "nfs-mount-guard.webhookAnnotations" -}}
{{- $annotations := dict -}}
{{- if eq .Values.certificates.mode "cert-manager" -}}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/%s" .Release.Namespace (include "nfs-mount-guard.fullname" .)) -}}
{{- else if and (eq .Values.certificates.mode "existing-secret") (not .Values.certificates.caBundle) (not .Values.webhooks.annotations) -}}
{{- fail "certificates.mode is existing-secret, and the CA of that certificate is not known: set certificates.caBundle (--set-file certificates.caBundle=ca.crt), or webhooks.annotations that make something in the cluster inject it" -}}
{{- end -}}
{{- $annotations = merge (deepCopy .Values.webhooks.annotations) $annotations -}}
{{- with $annotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
CEL that is true if the policy among the values declares the object's driver as NFS, or
that of one of its inline volumes: the generated conditions know the table of drivers only.
Empty where it names none.
*/}}
{{- define "nfs-mount-guard.declaredNfs" -}}
{{- $key := .key -}}
{{- $patterns := list -}}
{{- range .root.Values.policy.drivers -}}
{{- if .nfs -}}{{- $patterns = append $patterns (regexQuoteMeta .name | replace "\\*" ".*") -}}{{- end -}}
{{- end -}}
{{- with $patterns -}}
{{- $pattern := printf "^(%s)$" (join "|" .) | toJson -}}
{{- if eq $key "inline" -}}
object.?spec.?jobTemplate.?spec.?template.?spec.or(object.?spec.?template.?spec).or(object.?template.?spec).or(object.?spec)
  .?volumes.orValue([]).exists(v, v.?csi.?driver.orValue('').matches({{ $pattern }}))
{{- else -}}
object.?provisioner.or(object.?spec.?csi.?driver).or(object.?spec.?flexVolume.?driver).or(object.?driver).orValue('').matches({{ $pattern }})
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
True if a name in the policy among the values may be that of one of the kubelet's own
plugins, "kubernetes.io/" and a word without a dot.
*/}}
{{- define "nfs-mount-guard.declaresPlugins" -}}
{{- range .root.Values.policy.drivers -}}
{{- $start := .name | splitList "*" | first -}}
{{- $mayStart := or (hasPrefix "kubernetes.io/" $start) (and (contains "*" .name) (hasPrefix $start "kubernetes.io/")) -}}
{{- if and .nfs $mayStart (not (regexMatch "\\.([^i*]|i[^o*])" .name)) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* The generated conditions of one webhook, and those of the values. */}}
{{- define "nfs-mount-guard.matchConditions" -}}
{{- $webhooks := .root.Values.webhooks -}}
{{- $conditions := list -}}
{{- with $webhooks.excluded.users -}}
{{- $conditions = append $conditions (dict "name" "user-is-not-excluded" "expression" (printf "!(request.userInfo.username in %s)" (toJson .))) -}}
{{- end -}}
{{- with $webhooks.excluded.groups -}}
{{- $conditions = append $conditions (dict "name" "group-is-not-excluded" "expression" (printf "!request.userInfo.groups.exists(group, group in %s)" (toJson .))) -}}
{{- end -}}
{{- /* Without its condition the webhook for Pods would be called for every Pod. */ -}}
{{- if or $webhooks.matchConditions (eq .key "inline") -}}
{{- $generated := .root.Files.Get "files/match-conditions.yaml" | fromYaml -}}
{{- range get $generated .key -}}
{{- $condition := . -}}
{{- with include "nfs-mount-guard.declaredNfs" $ -}}
{{- if eq $condition.name "source-may-be-nfs" -}}
{{- if include "nfs-mount-guard.declaresPlugins" $ -}}{{- $condition = dict -}}{{- end -}}
{{- else if ne $condition.name "changes-what-counts" -}}
{{- $condition = dict "name" $condition.name "expression" (printf "%s ||\n%s" . $condition.expression) -}}
{{- end -}}
{{- end -}}
{{- if $condition -}}{{- $conditions = append $conditions $condition -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $conditions = concat $conditions $webhooks.extraMatchConditions -}}
{{- with $conditions -}}
matchConditions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
