import { deployment, operator, resource, volume } from './diagnoseCluster.ts';
import { pod } from './diagnosePod.ts';
import { authority, backups, keys, rules, seats, server, support } from './diagnoseServer.ts';
import type { Picture } from './picture.ts';
import type { Step } from './step.ts';

/** How a LicenceServer is, stretch by stretch. */
export interface Diagnosis {
  /** The first cause: what everything else follows from. */
  readonly cause: Step | undefined;
  readonly steps: readonly Step[];
}

/** What is wrong with a LicenceServer, and what to do. Pure. */
export function diagnose(picture: Picture): Diagnosis {
  const looks = [operator, resource, volume, deployment, pod, server, keys, authority, seats, rules, backups, support];
  const found = looks.map((lookAt) => lookAt(picture)).filter((step) => step !== undefined);
  const cause = (['fail', 'wait', 'warn', 'unknown'] as const)
    .map((state) => found.find((step) => step.state === state))
    .find((step) => step !== undefined);
  return { cause, steps: found };
}
