import type { TemplateFacts } from '../pod/facts.ts';

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
