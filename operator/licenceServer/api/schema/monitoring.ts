import { z } from 'zod';
import { annotationMap, labelMap } from './parts.ts';

/** Objects for Prometheus and Grafana: `spec.monitoring`. */

const whether = (kind: string) =>
  z
    .enum(['Auto', 'Enabled', 'Disabled'])
    .default('Auto')
    .describe(`Whether a ${kind} is made. Auto: if the cluster knows the kind. Default: Auto.`);

export const monitoring = z.object({
  serviceMonitor: whether('ServiceMonitor'),
  prometheusRule: z
    .enum(['Auto', 'Enabled', 'Disabled'])
    .default('Disabled')
    .describe(
      "Whether a PrometheusRule for this server alone is made. The operator's chart brings alerts for all servers, so this is for those who install without it. Auto: if the cluster knows the kind. Default: Disabled.",
    ),
  dashboard: z
    .enum(['Auto', 'Enabled', 'Disabled'])
    .default('Auto')
    .describe(
      'Whether a ConfigMap with a Grafana dashboard is made. Auto: if the cluster knows the kind ServiceMonitor. Default: Auto.',
    ),
  labels: labelMap()
    .optional()
    .describe(
      "Labels of the ServiceMonitor and the PrometheusRule, by which Prometheus finds them. Default: the operator's (OPERATOR_MONITORING_LABELS). At most 32.",
    ),
  annotations: annotationMap()
    .optional()
    .describe('Annotations of the ServiceMonitor and the PrometheusRule. Default: none. At most 32.'),
  dashboardLabels: labelMap()
    .optional()
    .describe(
      "Labels of the dashboard's ConfigMap, by which Grafana's sidecar finds it. Default: the operator's (OPERATOR_DASHBOARD_LABELS). At most 32.",
    ),
  dashboardAnnotations: annotationMap()
    .optional()
    .describe(
      "Annotations of the dashboard's ConfigMap, such as its folder. Default: the operator's (OPERATOR_DASHBOARD_ANNOTATIONS). At most 32.",
    ),
});
