import { momentOf } from '../../../licence/moment.ts';
import { licenceServerKind } from '../../../operator/licenceServer/api/coordinates.ts';
import { requests } from '../../../operator/licenceServer/api/requests.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { annotate } from '../cluster.ts';
import type { Context } from '../context.ts';
import { CommandFault } from '../exitStatus.ts';
import { gitOpsOwnerOf } from '../ownedByGitOps.ts';
import { waitUntil } from '../waiting.ts';

const whoOf = ({ metadata }: LicenceServer) => `${metadata.namespace}/${metadata.name}`;
const isReady = ({ status }: LicenceServer) =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;

/** `roll NAME`: restarts the pod now, which clears stale seats; all others stay with their holders. */
export async function roll(
  context: Context,
  [name]: readonly string[],
  options: { timeout: string },
): Promise<undefined> {
  const server = await context.server(name);
  await context.confirm(`Restart ${whoOf(server)} now? Programs go on working; check-outs wait some seconds.`);
  await annotate(context.cluster, server, { [requests.rollAt]: momentOf(Date.now()) });
  const rolledBefore = server.status?.lastRoll?.at;
  await waitUntil(context, server, Number(options.timeout), (latest) => {
    const rolled = latest.status?.lastRoll?.at;
    if (rolled === undefined || rolled === rolledBefore)
      return { done: false, says: 'waiting for the operator to roll the pod' };
    return isReady(latest)
      ? { done: true, says: 'the server is ready again' }
      : { done: false, says: 'the pod restarts' };
  });
  return undefined;
}

/** `suspend NAME` and `resume NAME`: stops the server and keeps everything; starts it again. */
export const suspend =
  (suspended: boolean) =>
  async (context: Context, [name]: readonly string[], options: { force?: boolean }): Promise<undefined> => {
    const server = await context.server(name);
    const owner = gitOpsOwnerOf(server);
    if (owner !== undefined && !options.force) {
      throw new CommandFault(
        `${whoOf(server)} is looked after by ${owner}, which would undo it`,
        `set spec.suspend: ${suspended} there; or --force`,
      );
    }
    if (suspended)
      await context.confirm(
        `Stop ${whoOf(server)}? Nobody gets a seat until it is resumed; volume, identity and seats are kept.`,
      );
    const { client, signal } = context.cluster;
    const { namespace, name: found } = server.metadata;
    await client.mergePatch(licenceServerKind, namespace, found, { spec: { suspend: suspended } }, undefined, signal);
    context.out(`${whoOf(server)} ${suspended ? 'is suspended' : 'is resumed'}\n`);
    return undefined;
  };

/** `pause NAME` and `unpause NAME`: the operator changes nothing meanwhile; the server goes on. */
export const pause =
  (paused: boolean) =>
  async (context: Context, [name]: readonly string[]): Promise<undefined> => {
    const server = await context.server(name);
    await annotate(context.cluster, server, { [requests.pause]: paused ? 'true' : null });
    context.out(`changes of ${whoOf(server)} ${paused ? 'are paused' : 'go on'}\n`);
    return undefined;
  };
