import type { Condition, Picture } from './picture.ts';

/** In the order in which each depends on the one before, so that the first that is broken is the cause of the others. */
const steps = [
  'operator',
  'resource',
  'volume',
  'deployment',
  'pod',
  'server',
  'keys',
  'authority',
  'seats',
  'rules',
  'backups',
  'support',
] as const;
/** One stretch of the way from the resource to the authority, and how it is. */
export interface Step {
  readonly step: (typeof steps)[number];
  /** `wait`: it comes right by itself. */
  readonly state: 'ok' | 'wait' | 'warn' | 'fail' | 'unknown';
  /** One sentence. */
  readonly says: string;
  /** What a person does about it; absent when nothing has to be done. */
  readonly todo?: string | undefined;
}
export const ok = (step: Step['step'], says: string): Step => ({ step, state: 'ok', says });
const make =
  (state: Step['state']) =>
  (step: Step['step'], says: string, todo?: string): Step => ({ step, state, says, todo });
export const wait = make('wait');
export const warn = make('warn');
export const fail = make('fail');
export const unknown = make('unknown');
export const conditionOf = ({ server }: Picture, type: string): Condition | undefined =>
  server.status?.conditions?.find((condition) => condition.type === type);
export const namedOf = ({ server: { metadata } }: Picture) => ({ namespace: metadata.namespace, name: metadata.name });
export const specOf = ({ server }: Picture) =>
  server.spec as {
    readonly suspend?: boolean;
    readonly storage?: { readonly existingClaim?: string };
    readonly backup?: unknown;
    readonly activation?: { readonly mode?: string; readonly authority?: { readonly url?: string } };
  };
export const isPaused = ({ server }: Picture): boolean =>
  server.metadata.annotations?.['licensing.softonit.ru/pause'] === 'true';

/** Somebody wants that nothing is made or changed now. */
export const isHeldBack = (picture: Picture): boolean => (specOf(picture).suspend ?? false) || isPaused(picture);
