import type { KubeObject } from '../../kube/object.ts';
import type { MarkDefaults, Marks } from '../api/defaults.ts';
import { canonical } from '../api/digest.ts';
import { commonNames, labels } from '../api/metadata.ts';
import type { Spec } from '../api/types.ts';
import { type Child, keptByDeployers } from './object.ts';

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

type Texts = Readonly<Record<string, string>>;
interface Names {
  readonly labels: readonly string[];
  readonly annotations: readonly string[];
}

/** What common marks come to on an object that is made once: what keeps an object that stays from being pruned stays as it is. */
const usableOn = (object: Pick<KubeObject, 'metadata'>, marks: Marks): Required<Marks> => {
  const isRetained = object.metadata.labels?.[labels.server] !== undefined;
  const usable = Object.entries(marks.annotations ?? {}).filter(([name]) => !isRetained || !(name in keptByDeployers));
  return { labels: marks.labels ?? {}, annotations: Object.fromEntries(usable) };
};
const namesTextOf = (marks: Required<Marks>): string | undefined => {
  const names = { labels: Object.keys(marks.labels ?? {}), annotations: Object.keys(marks.annotations ?? {}) };
  return names.labels.length + names.annotations.length === 0 ? undefined : canonical(names);
};

/** A child that is made once, with these on it and a note of which they are: `remarked` has to know. */
export function markedOnce<C extends Child>(child: C, marks: Marks): C {
  const usable = usableOn(child, marks);
  const names = namesTextOf(usable);
  return marked(child, usable, names === undefined ? {} : { annotations: { [commonNames]: names } });
}

/** The merge patch of metadata by which something that was made once gets the marks of today; undefined: it has them. */
export function remarked(object: KubeObject, marks: Marks): Readonly<Record<string, unknown>> | undefined {
  const wanted = usableOn(object, marks);
  const { labels: has = {}, annotations = {} } = object.metadata;
  const before = parseNames(annotations[commonNames]);
  const names = namesTextOf(wanted);
  const patch = {
    labels: changes(wanted.labels ?? {}, has, before.labels),
    annotations: {
      ...changes(wanted.annotations ?? {}, annotations, before.annotations),
      ...(names === annotations[commonNames] ? {} : { [commonNames]: names ?? null }),
    },
  };
  const changed = Object.entries(patch).filter(([, part]) => Object.keys(part).length > 0);
  return changed.length === 0 ? undefined : Object.fromEntries(changed);
}

function changes(wanted: Texts, has: Texts, before: readonly string[]): Readonly<Record<string, string | null>> {
  const gone = before.filter((name) => wanted[name] === undefined && has[name] !== undefined);
  return Object.fromEntries<string | null>([
    ...Object.entries(wanted).filter(([name, value]) => has[name] !== value),
    ...gone.map((name) => [name, null] as const),
  ]);
}

/** None where there is no note, or somebody wrote into it. */
function parseNames(text: string | undefined): Names {
  try {
    const { labels: ofLabels, annotations } = JSON.parse(text ?? '{}') as Partial<Names>;
    const names = (of: unknown) => (Array.isArray(of) ? of.filter((name) => typeof name === 'string') : []);
    return { labels: names(ofLabels), annotations: names(annotations) };
  } catch {
    return { labels: [], annotations: [] };
  }
}
