import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject } from '../../kube/object.ts';
import { kinds } from '../../kube/resourceKind.ts';
import { fieldManager } from '../api/coordinates.ts';
import type { Defaults } from '../api/defaults.ts';
import { labels } from '../api/metadata.ts';
import { namesOf } from '../api/names.ts';
import { restoreJob, restoreLabels, restoreSecret } from '../build/restoreJob.ts';
import { partsOf } from '../decide/target.ts';
import type { Valid } from '../decide/validate.ts';
import type { Observed } from '../observe/observed.ts';
import type { Stores } from '../observe/stores.ts';
import { Ensure, type EnsureOptions } from './ensure.ts';
import { isOwn } from './ownership.ts';

/** How often a Job that is under way is looked after: it is not watched. */
const lookEveryMs = 15_000;

/**
 * Has one Job restore, and removes it with all that was made for it once its outcome stands in the status.
 * @returns when to look again
 */
export async function runRestore(
  options: EnsureOptions,
  valid: Valid,
  observed: Observed,
  defaults: Defaults,
): Promise<number | undefined> {
  const { restore, owner, spec } = valid;
  if (restore.kind === 'tidy') {
    await removeJobs(options.client, valid);
    await removeSecret(options, valid);
    return undefined;
  }
  const from = spec.restoreFrom;
  if (restore.kind !== 'running' || from === undefined) return undefined;
  // Its name is of no matter: the keys are not mounted.
  const parts = partsOf(valid, observed, defaults, 'none');
  if (parts === undefined) return undefined;
  const ensure = new Ensure(options, valid, () => {});
  const { fault } = await ensure.ensure(kinds.Secret, restoreSecret(owner), { immutable: true });
  if (fault !== undefined) throw new Error(fault.message);
  const job = restoreJob(owner, spec, parts, from, observed.identityExists, defaults);
  const jobs = await removeJobs(options.client, valid, job.metadata.name);
  if (jobs.length === 0) await ensure.ensure(kinds.Job, job, { immutable: true });
  return observed.atMs + lookEveryMs;
}

/** Removes all of its Jobs but one. @returns those that are there, or still are */
async function removeJobs(client: KubeClient, { owner }: Valid, but?: string): Promise<readonly KubeObject[]> {
  const selector = {
    [labels.managedBy]: fieldManager,
    [labels.instance]: owner.name,
    [labels.component]: restoreLabels.component,
  };
  const labelSelector = Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const { items } = await client.list(kinds.Job, { namespace: owner.namespace, labelSelector });
  const others = items.filter((job: KubeObject) => job.metadata.name !== but && isOwn(owner, job));
  // Its pod has to have ended before the next one may mount the volume.
  for (const { metadata } of others) {
    await client.delete(kinds.Job, owner.namespace, metadata.name, { uid: metadata.uid, propagation: 'Foreground' });
  }
  return items;
}

async function removeSecret(
  { client, stores }: { client: KubeClient; stores: Stores },
  { owner }: Valid,
): Promise<void> {
  const { restored } = namesOf(owner.name);
  const secret = stores.get(kinds.Secret, owner.namespace, restored);
  if (secret === undefined || !isOwn(owner, secret)) return;
  await client.delete(kinds.Secret, owner.namespace, restored, { uid: secret.metadata.uid });
}
