{{- define "authority.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "authority.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "authority.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "authority.selector" -}}
app.kubernetes.io/name: {{ include "authority.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "authority.labels" -}}
{{ include "authority.selector" . }}
app.kubernetes.io/component: authority
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- range $name, $value := .Values.commonLabels }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* `annotations:` of an object, of the common ones and those given. Arguments: list CONTEXT ANNOTATIONS */}}
{{- define "authority.annotations" -}}
{{- with merge (dict) (index . 1) (index . 0).Values.commonAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "authority.tokens" -}}
{{- default (printf "%s-tokens" (include "authority.fullname" .)) .Values.tokens.existingSecret -}}
{{- end -}}

{{- define "authority.claim" -}}
{{- default (printf "%s-data" (include "authority.fullname" .)) .Values.persistence.existingClaim -}}
{{- end -}}

{{/* Where people find the cabinet, if that is known. */}}
{{- define "authority.cabinetUrl" -}}
{{- if .Values.cabinet.url -}}
{{- .Values.cabinet.url -}}
{{- else if and .Values.ingress.enabled .Values.ingress.host -}}
https://{{ .Values.ingress.host }}/
{{- end -}}
{{- end -}}

{{/* What no schema can say: values that do not fit together. */}}
{{- define "authority.checks" -}}
{{- range $name, $_ := .Values.commonLabels -}}
{{- if has $name (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart") -}}
{{- fail (printf "commonLabels: %s is set by the chart itself" $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.enabled=true needs ingress.host" -}}
{{- end -}}
{{- with .Values.cabinet.oidc -}}
{{- if and .issuer (not (and .clientId .existingSecret)) -}}
{{- fail "cabinet.oidc.issuer needs cabinet.oidc.clientId and cabinet.oidc.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.cabinet.oidc.issuer (not (include "authority.cabinetUrl" .)) -}}
{{- fail "cabinet.oidc.issuer needs cabinet.url, or an ingress with a host" -}}
{{- end -}}
{{- if and .Values.persistence.existingClaim .Values.persistence.storageClassName -}}
{{- fail "persistence.existingClaim and persistence.storageClassName exclude each other: an existing claim has its class" -}}
{{- end -}}
{{- end -}}

{{/* "true" if the pod names its uid and gid itself; OpenShift gives each namespace its own, and refuses others. */}}
{{- define "authority.fixedIds" -}}
{{- if eq .Values.fixedIds "Auto" -}}
{{- if not (.Capabilities.APIVersions.Has "security.openshift.io/v1") -}}true{{- end -}}
{{- else if eq .Values.fixedIds "Enabled" -}}true{{- end -}}
{{- end -}}

{{/* Variables of the proxy. Names and addresses of the cluster are inside; that of the API server each program knows by itself. */}}
{{- define "authority.proxy" -}}
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
