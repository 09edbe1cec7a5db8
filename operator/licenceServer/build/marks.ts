import type { MarkDefaults, Marks } from '../api/defaults.ts';
import type { Spec } from '../api/types.ts';
import type { Child } from './object.ts';

/** Of the same label the later one counts. */
const together = (...all: readonly (Marks | undefined)[]): Marks => ({
  labels: Object.assign({}, ...all.map((marks) => marks?.labels)),
  annotations: Object.assign({}, ...all.map((marks) => marks?.annotations)),
});

/** What every child has: the resource's wish goes before the operator's. */
export const commonMarks = (spec: Spec, defaults: MarkDefaults): Marks =>
  together(defaults.common, { labels: spec.commonLabels, annotations: spec.commonAnnotations });

export const monitoringMarks = ({ monitoring }: Spec, defaults: MarkDefaults): Marks =>
  together(defaults.monitoring, { labels: monitoring.labels, annotations: monitoring.annotations });

export const dashboardMarks = ({ monitoring }: Spec, defaults: MarkDefaults): Marks =>
  together(defaults.dashboards, { labels: monitoring.dashboardLabels, annotations: monitoring.dashboardAnnotations });

/** The child with these on it; what it has of its own stays. Only the object itself: a pod template is another thing. */
export function marked<C extends Child>(child: C, ...marks: readonly Marks[]): C {
  const { labels, annotations } = together(...marks, child.metadata);
  const isBare = Object.keys(annotations ?? {}).length === 0;
  return { ...child, metadata: { ...child.metadata, labels, ...(isBare ? {} : { annotations }) } };
}
