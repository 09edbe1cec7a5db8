{{- define "operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "operator.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Names of cluster-wide objects carry the namespace: two releases of one name may live side by side. */}}
{{- define "operator.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "operator.fullname" .) -}}
{{- end -}}

{{- define "operator.serviceAccount" -}}
{{- default (ternary (include "operator.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "operator.selector" -}}
app.kubernetes.io/name: {{ include "operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "operator.labels" -}}
{{ include "operator.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- range $name, $value := .Values.commonLabels }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* `annotations:` of an object, of the common ones and those given. Arguments: list CONTEXT ANNOTATIONS */}}
{{- define "operator.annotations" -}}
{{- with merge (dict) (index . 1) (index . 0).Values.commonAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* repository:tag@digest of an image. Arguments: list IMAGE DEFAULT_TAG */}}
{{- define "operator.image" -}}
{{- $image := index . 0 -}}
{{- printf "%s:%s" $image.repository (default (index . 1) $image.tag) -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* The namespaces that get a Role, as a JSON list. */}}
{{- define "operator.namespaces" -}}
{{- default (list .Release.Namespace) .Values.watch.namespaces | uniq | toJson -}}
{{- end -}}

{{/* "true" if an optional object is to be made. Arguments: list WISH CAPABILITIES KIND */}}
{{- define "operator.wanted" -}}
{{- $wish := index . 0 -}}
{{- $known := (index . 1).APIVersions.Has (printf "monitoring.coreos.com/v1/%s" (index . 2)) -}}
{{- if or (eq $wish "Enabled") (and (eq $wish "Auto") $known) -}}true{{- end -}}
{{- end -}}

{{/* Where the runbooks are: published somewhere, or as the operator serves them. */}}
{{- define "operator.runbooks" -}}
{{- .Values.monitoring.runbooksUrl | default (printf "http://%s.%s.svc:8080/runbooks" (include "operator.fullname" .) .Release.Namespace) | trimSuffix "/" -}}
{{- end -}}

{{/* Of dashboards: where the sidecar puts them, and what else is wanted. */}}
{{- define "operator.dashboardAnnotations" -}}
{{- $folder := dict -}}
{{- with .Values.monitoring.dashboardFolder -}}{{- $folder = dict "grafana_folder" . -}}{{- end -}}
{{- merge (dict) .Values.monitoring.dashboardAnnotations $folder | toYaml -}}
{{- end -}}

{{/* "true" if the pod names its uid and gid itself; OpenShift gives each namespace its own, and refuses others. */}}
{{- define "operator.fixedIds" -}}
{{- if eq .Values.fixedIds "Auto" -}}
{{- if not (.Capabilities.APIVersions.Has "security.openshift.io/v1") -}}true{{- end -}}
{{- else if eq .Values.fixedIds "Enabled" -}}true{{- end -}}
{{- end -}}

{{/* Variables of the proxy. Names and addresses of the cluster are inside; that of the API server each program knows by itself. */}}
{{- define "operator.proxy" -}}
{{- with .Values.proxy -}}
{{- if .existingSecret }}
- name: HTTPS_PROXY
  valueFrom: { secretKeyRef: { name: {{ .existingSecret }}, key: url } }
- name: HTTP_PROXY
  valueFrom: { secretKeyRef: { name: {{ .existingSecret }}, key: url } }
{{- else if or .httpsProxy .httpProxy }}
{{- with .httpsProxy }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
- name: HTTP_PROXY
  value: {{ .httpProxy | default .httpsProxy | quote }}
{{- end }}
{{- if or .existingSecret .httpsProxy .httpProxy }}
- name: NO_PROXY
  value: {{ concat (list "localhost" "127.0.0.1" "::1" ".svc" ".cluster.local" "kubernetes.default") .noProxy | join "," | quote }}
{{- end }}
{{- end }}
{{- end -}}
