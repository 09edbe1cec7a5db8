import { z } from 'zod';
import type { Setting } from '../runtime/config.ts';
import { markFault } from './licenceServer/api/schema/parts.ts';

/** Labels or annotations as a JSON object of texts, such as `{"release":"kube-prometheus-stack"}`; none if it is unset. */
const markSetting = (kind: 'label' | 'annotation', help: string, fallback = '{}'): Setting<Record<string, string>> => ({
  help: `${help}, as a JSON object of texts`,
  schema: z
    .string()
    .optional()
    .transform((text, ctx) => {
      const refuse = (message: string) => {
        ctx.addIssue({ code: 'custom', message });
        return z.NEVER;
      };
      let read: unknown;
      try {
        read = JSON.parse(text === undefined || text.trim() === '' ? fallback : text);
      } catch {
        return refuse(`must be a JSON object of texts, such as {"team":"office"}, not "${text}"`);
      }
      const marks = z.record(z.string(), z.string()).safeParse(read);
      if (!marks.success) return refuse(`must be a JSON object of texts, such as {"team":"office"}, not "${text}"`);
      for (const [name, value] of Object.entries(marks.data)) {
        const fault = markFault(kind, name, value);
        if (fault !== undefined) return refuse(`is not usable: ${fault}`);
      }
      return marks.data;
    }),
  ...(fallback === '{}' ? {} : { shownDefault: fallback }),
});

/** What stands on the children of every LicenceServer. */
export const markSettings = {
  OPERATOR_COMMON_LABELS: markSetting('label', 'labels of everything that is made for a licence server'),
  OPERATOR_COMMON_ANNOTATIONS: markSetting('annotation', 'annotations of everything that is made for a licence server'),
  OPERATOR_MONITORING_LABELS: markSetting('label', 'labels of ServiceMonitors and PrometheusRules'),
  OPERATOR_DASHBOARD_LABELS: markSetting('label', 'labels of dashboards', '{"grafana_dashboard":"1"}'),
  OPERATOR_DASHBOARD_ANNOTATIONS: markSetting('annotation', 'annotations of dashboards, such as their folder'),
} as const;
