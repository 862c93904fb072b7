{{- define "verifier.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $default := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $default | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "verifier.selector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "verifier.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "verifier.selector" . }}
{{- end -}}

{{- /* Refuse values that do not work together, each with a sentence. */ -}}
{{- define "verifier.refuse" -}}
{{- $several := or (gt (int .Values.replicaCount) 1) .Values.autoscaling.enabled -}}
{{- if not (or .Values.auth.existingSecret .Values.auth.keysSecret .Values.auth.insecure) -}}
{{- fail "auth: no client would have access. Name a secret in auth.existingSecret or auth.keysSecret, or set auth.insecure=true" -}}
{{- end -}}
{{- if and .Values.persistence.enabled $several -}}
{{- fail "persistence.enabled: only one pod can use the database file. Set replicaCount=1 and autoscaling.enabled=false, or name a PostgreSQL in database.existingSecret" -}}
{{- end -}}
{{- if and .Values.persistence.enabled .Values.database.existingSecret -}}
{{- fail "persistence.enabled: the file would stay empty, because database.existingSecret is set. Unset one of the two" -}}
{{- end -}}
{{- if and .Values.database.existingSecret .Values.networkPolicy.enabled (not .Values.networkPolicy.egress) -}}
{{- fail "networkPolicy.egress: it is empty, so pods could not reach the PostgreSQL in database.existingSecret. List it and the cluster's DNS" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not .Values.autoscaling.submissionsInHand) (not .Values.autoscaling.cpuPercent) -}}
{{- fail "autoscaling: submissionsInHand and cpuPercent are both 0. Set at least one of them" -}}
{{- end -}}
{{- if lt (int .Values.autoscaling.maxReplicas) (int .Values.autoscaling.minReplicas) -}}
{{- fail (printf "autoscaling.maxReplicas: %v is less than minReplicas, %v" .Values.autoscaling.maxReplicas .Values.autoscaling.minReplicas) -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.host: it is empty. Set it to the host name that clients use" -}}
{{- end -}}
{{- $drain := .Values.settings.VERIFIER_DRAIN_S | default 30 -}}
{{- if le (int .Values.terminationGracePeriodSeconds) (int $drain) -}}
{{- fail (printf "terminationGracePeriodSeconds: %v is not longer than VERIFIER_DRAIN_S, %v: requests in flight would be cut off" .Values.terminationGracePeriodSeconds $drain) -}}
{{- end -}}
{{- range $name, $_ := .Values.settings -}}
{{- if has $name (list "VERIFIER_HOST" "VERIFIER_PORT" "VERIFIER_RUNNER" "VERIFIER_BOXES" "VERIFIER_MATH_WORKERS" "VERIFIER_STATE_DIR" "VERIFIER_ALLOWED_HOSTS" "VERIFIER_DATABASE_URL" "VERIFIER_API_KEY" "VERIFIER_API_KEY_FILE" "VERIFIER_KEYS_FILE" "VERIFIER_INSECURE") -}}
{{- fail (printf "settings.%s: the chart sets it, from service, resources, database or auth" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The host names that clients can use. */ -}}
{{- define "verifier.hosts" -}}
{{- $name := include "verifier.fullname" . -}}
{{- $hosts := list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s.svc.cluster.local" $name .Release.Namespace) -}}
{{- if .Values.ingress.enabled }}{{ $hosts = append $hosts .Values.ingress.host }}{{ end -}}
{{- if .Values.service.allowedHosts }}{{ $hosts = append $hosts .Values.service.allowedHosts }}{{ end -}}
{{- join "," $hosts -}}
{{- end -}}
