import { podMarks } from '../api/types.ts';

/**
 * Why a pod rolls: a readable list of checks, each of which gives its reason or nothing. The reason is the annotation on
 * the pod template, the Event's note, the metric's label and `status.lastRoll` alike. Pure.
 */
export const restartReasons = [
  'ImageChanged',
  'KeysChanged',
  'ConfigChanged',
  'TemplateChanged',
  'StaleSeats',
  'RestartRequested',
  'Reactivation',
] as const;
export type RestartReason = (typeof restartReasons)[number];

/** What a pod template was made of, as far as reasons go. */
export interface TemplateFacts {
  readonly image: string;
  /** Name of the keys copy. */
  readonly keys: string;
  /** Names of the configuration copies and digests of what else configures the server. */
  readonly config: string;
  /** Digest of everything else in the template. */
  readonly rest: string;
  readonly clearing: string | undefined;
  readonly rolledAt: string | undefined;
  readonly reactivation: string | undefined;
}

type Check = (before: TemplateFacts, after: TemplateFacts) => boolean;

const checks: Readonly<Record<RestartReason, Check>> = {
  ImageChanged: (a, b) => a.image !== b.image,
  KeysChanged: (a, b) => a.keys !== b.keys,
  ConfigChanged: (a, b) => a.config !== b.config,
  TemplateChanged: (a, b) => a.rest !== b.rest,
  StaleSeats: (a, b) => a.clearing !== b.clearing,
  RestartRequested: (a, b) => a.rolledAt !== b.rolledAt,
  Reactivation: (a, b) => a.reactivation !== b.reactivation,
};

/** Every reason for which the pod has to roll, in the list's order; none: it runs on. */
export const restartReasonsOf = (before: TemplateFacts, after: TemplateFacts): readonly RestartReason[] =>
  restartReasons.filter((reason) => checks[reason](before, after));

/** The marks of a template, from its annotations. */
export const marksOf = (annotations: Readonly<Record<string, string>> = {}) => ({
  clearing: annotations[podMarks.clearing],
  rolledAt: annotations[podMarks.rolledAt],
  reactivation: annotations[podMarks.reactivation],
  restartReason: annotations[podMarks.restartReason],
});

/**
 * The id for which the server clears stale seats at its start, from the marks: a clearing's, and that of a restart which
 * a person asked for, since a restart by hand has always cleared them. Undefined: none was ever asked for.
 */
export function clearingIdOf(clearing: string | undefined, rolledAt: string | undefined): string | undefined {
  const parts = [clearing, rolledAt].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join('.').replaceAll(/[^A-Za-z0-9.-]/g, '-');
}
