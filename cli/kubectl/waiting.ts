import { setTimeout as pause } from 'node:timers/promises';
import type { LicenceServer } from '../../operator/licenceServer/api/types.ts';
import { licenceServer } from './cluster.ts';
import type { Context } from './context.ts';
import { CommandFault, exitStatus } from './exitStatus.ts';

/** How a thing that is waited for stands: done, a line of progress, or a refusal that ends the wait. */
export type Progress =
  | { readonly done: true; readonly says: string }
  | { readonly done: false; readonly says: string }
  | { readonly done: 'never'; readonly says: string; readonly todo?: string | undefined };

const betweenMs = 1_000;

/**
 * Looks at the resource once a second until it is done, and says each step once.
 * @throws CommandFault (status 2) when it will not come, or not in time; what was begun goes on
 */
export async function waitUntil(
  context: Context,
  server: LicenceServer,
  limitSeconds: number,
  how: (server: LicenceServer) => Progress,
): Promise<void> {
  const began = Date.now();
  let said: string | undefined;
  const { signal } = context.cluster;
  const cluster = { ...context.cluster, namespace: server.metadata.namespace };
  for (;;) {
    const progress = how(await licenceServer(cluster, server.metadata.name));
    const seconds = Math.round((Date.now() - began) / 1_000);
    if (progress.says !== said && progress.done !== 'never')
      context.say(`${String(seconds).padStart(4)} s  ${progress.says}`);
    said = progress.says;
    if (progress.done === true) return;
    if (progress.done === 'never') throw new CommandFault(progress.says, progress.todo, exitStatus.unwell);
    if (seconds >= limitSeconds) {
      throw new CommandFault(
        `not done in ${limitSeconds} s: ${progress.says}`,
        `it goes on by itself; "kubectl licence status ${server.metadata.name} -n ${server.metadata.namespace}" shows how it stands`,
        exitStatus.unwell,
      );
    }
    await pause(betweenMs, undefined, { signal });
  }
}
