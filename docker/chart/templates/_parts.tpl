{{/* What pods of the service and of index jobs share. */}}
{{- define "cskt.name" -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{- end }}

{{- define "cskt.labels" -}}
app.kubernetes.io/name: cskt
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cskt.image" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* Everything that opens the gallery runs on one node. */}}
{{- define "cskt.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- include "cskt.labels" . | nindent 12 }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "cskt.hardened" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "cskt.environment" -}}
- {name: CSKT_GALLERY, value: /data/gallery}
- {name: CSKT_AUDIT_KEY_FILE, value: /run/secrets/cskt/audit_key}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "cskt.mounts" -}}
- {name: data, mountPath: /data}
- {name: tmp, mountPath: /tmp}
- {name: audit-key, mountPath: /run/secrets/cskt, readOnly: true}
{{- if .Values.encoders.existingClaim }}
- {name: encoders, mountPath: /encoders, readOnly: true}
{{- end }}
{{- end }}

{{- define "cskt.volumes" -}}
- name: data
  persistentVolumeClaim: {claimName: {{ .Values.storage.existingClaim | default (printf "%s-gallery" (include "cskt.name" .)) }}}
- name: tmp
  emptyDir: {sizeLimit: 2Gi}
- name: audit-key
  secret: {secretName: {{ .Values.auditSecret }}}
{{- if .Values.encoders.existingClaim }}
- name: encoders
  persistentVolumeClaim: {claimName: {{ .Values.encoders.existingClaim }}, readOnly: true}
{{- end }}
{{- end }}

{{/* A pod that makes one key and is gone: the service does not start without one, so nobody can be asked in it. */}}
{{- define "cskt.keyPod" -}}
metadata:
  labels:
    {{- include "cskt.labels" . | nindent 4 }}
    app.kubernetes.io/component: key
spec:
  {{- include "cskt.pod" . | nindent 2 }}
  restartPolicy: Never
  containers:
    - name: cskt-key
      {{- include "cskt.image" . | nindent 6 }}
      args: [key, create, --name, first, --scopes, SCOPES, --gallery, /data/gallery]
      {{- include "cskt.hardened" . | nindent 6 }}
      env: {{- include "cskt.environment" . | nindent 8 }}
      volumeMounts: {{- include "cskt.mounts" . | nindent 8 }}
  volumes: {{- include "cskt.volumes" . | nindent 4 }}
{{- end }}
