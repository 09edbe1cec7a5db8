{{/* What no schema can say: values that do not fit together. Included first by the Deployment. */}}
{{- define "operator.checks" -}}
{{- if and .Values.watch.namespaces .Values.watch.selector -}}
{{- fail "watch.namespaces and watch.selector exclude each other: name the namespaces, or choose them by label" -}}
{{- end -}}
{{- if and .Values.watch.selector (not .Values.rbac.clusterWide) .Values.rbac.create -}}
{{- fail "watch.selector needs rbac.clusterWide=true: a Role cannot be made in a namespace that is not known yet" -}}
{{- end -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection) -}}
{{- fail (printf "replicas=%d needs leaderElection=true: otherwise every pod would act" (int .Values.replicas)) -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) .Values.rbac.create -}}
{{- fail "serviceAccount.create=false needs serviceAccount.name: the rights would go to the namespace's default account" -}}
{{- end -}}
{{- range $name, $_ := .Values.commonLabels -}}
{{- if or (has $name (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart")) (hasPrefix "licensing.softonit.ru/" $name) -}}
{{- fail (printf "commonLabels: %s is set by the chart and the operator themselves" $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.crds.annotations (not .Values.crds.enabled) -}}
{{- fail "crds.annotations has no effect with crds.enabled=false" -}}
{{- end -}}
{{- end -}}
