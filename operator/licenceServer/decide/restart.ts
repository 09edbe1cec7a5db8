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

/**
 * What a pod template was made of, as it was rendered. What the cluster made of the template afterwards (images that a policy
 * rewrites, containers and labels that are added at admission) is no part of it, and so no reason to restart.
 */
export interface TemplateFacts {
  readonly image: string;
  /** Name of the keys copy. */
  readonly keys: string;
  /** Name of the copy of the settings. */
  readonly config: string;
  /** Name of the copy of the trusted keys, if there is one. */
  readonly trust: string | undefined;
  /** Digest of the database's connection, if it is an external one. */
  readonly database: string | undefined;
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
  ConfigChanged: (a, b) => a.config !== b.config || a.trust !== b.trust || a.database !== b.database,
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
