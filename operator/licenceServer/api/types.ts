import type { z } from 'zod';
import type { KubeObject, ObjectMeta } from '../../kube/object.ts';
import type { licenceServerSpec } from './schema/spec.ts';
import type { licenceServerStatus } from './schema/status.ts';

/** `spec` with every default of the API filled in. */
export type Spec = z.output<typeof licenceServerSpec>;
/** `spec` as a person writes it. */
export type SpecInput = z.input<typeof licenceServerSpec>;
export type Status = z.output<typeof licenceServerStatus>;

export type RotationStatus = NonNullable<Status['rotation']>;
export type RotationPhase = RotationStatus['phase'];
export type RegenerationStatus = NonNullable<Status['regeneration']>;
export type ReactivationStatus = NonNullable<Status['reactivation']>;
export type StaleSeatsStatus = NonNullable<Status['staleSeats']>;
export type NextDisruption = NonNullable<Status['nextDisruption']>;
export type KeyView = NonNullable<Status['keys']>[number];
export type Window = NonNullable<Spec['staleSeats']['windows']>[number];

/** A LicenceServer as the API server gives it. `spec` is judged by `validate`. */
export interface LicenceServer extends KubeObject {
  readonly metadata: ObjectMeta & { readonly namespace: string; readonly uid: string };
  readonly spec: unknown;
  readonly status?: Status;
}
