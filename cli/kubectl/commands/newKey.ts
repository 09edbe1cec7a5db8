import { counted } from '../../../licence/counted.ts';
import { momentOf } from '../../../licence/moment.ts';
import { requests } from '../../../operator/licenceServer/api/requests.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { annotate } from '../cluster.ts';
import type { Context } from '../context.ts';
import { CommandFault } from '../exitStatus.ts';
import { type Progress, waitUntil } from '../waiting.ts';
import { rotationProgress, specKey } from './rotate.ts';

/** `regenerate NAME [KEY]`: a new key of the same licence, for a move or after a loss. The budget is shown before it is spent. */
export async function regenerate(
  context: Context,
  [name, keyName]: readonly string[],
  options: { timeout: string },
): Promise<undefined> {
  const server = await context.server(name);
  const key = specKey(server, keyName);
  const view = server.status?.keys?.find((one) => one.name === key.name);
  const { regenerationsLeft: left, regenerationsResetAt: until } = view ?? {};
  if (left === 0) {
    throw new CommandFault(
      `no regeneration is left this month${until === undefined ? '' : `; the next one frees up on ${until.slice(0, 10)}`}`,
      'the vendor can allow one beyond that',
    );
  }
  const budget =
    left === undefined ? 'what is left of the budget is asked first' : `${left} left this month, ${left - 1} after it`;
  await context.confirm(
    `Make a new key for ${key.name} of ${server.metadata.name}? The old one then works on no other computer. (${budget})`,
  );
  const request = `${key.name}@${momentOf(Date.now())}`;
  await annotate(context.cluster, server, { [requests.regenerateAt]: request });
  await waitUntil(context, server, Number(options.timeout), regenerationProgress(server, request, key.name));
  return undefined;
}

/** How a request for a new key stands, up to the proof that it works. Pure. */
export const regenerationProgress =
  (before: LicenceServer, request: string, name: string) =>
  (server: LicenceServer): Progress => {
    const asked = server.status?.regeneration;
    if (asked?.request !== request) return { done: false, says: 'waiting for the operator to see it' };
    const { phase, message, newKeyId, regenerationsLeft } = asked;
    if (phase === 'Refused')
      return { done: 'never', says: `refused, and nothing was spent: ${message ?? asked.reason}` };
    if (phase !== 'Made' || newKeyId === undefined)
      return { done: false, says: `${phase}: ${message ?? 'the authority is asked'}` };
    const proof = rotationProgress(before, name, newKeyId)(server);
    const where = `it is in Secret ${server.metadata.name}-regenerated-${newKeyId}; copy it to where your keys come from`;
    return proof.done === true
      ? {
          done: true,
          says: `${proof.says}; ${where}; ${regenerationsLeft === undefined ? '? regenerations' : counted(regenerationsLeft, 'regeneration')} left`,
        }
      : proof;
  };

/** `reactivate NAME`: deletes the activations and activates every key again, on the same computer; uncounted. */
export async function reactivate(
  context: Context,
  [name]: readonly string[],
  options: { timeout: string },
): Promise<undefined> {
  const server = await context.server(name);
  await context.confirm(
    `Activate every key of ${server.metadata.name} again? Its pod restarts; seats stay with their holders.`,
  );
  const request = momentOf(Date.now());
  await annotate(context.cluster, server, { [requests.reactivateAt]: request });
  await waitUntil(context, server, Number(options.timeout), ({ status }) => {
    const asked = status?.reactivation;
    if (asked?.request !== request) return { done: false, says: 'waiting for the operator to see it' };
    if (asked.provenAt !== undefined) return { done: true, says: 'every key has a new activation' };
    return {
      done: false,
      says: asked.message ?? `${counted(asked.pending.length, 'key is', 'keys are')} still to be activated`,
    };
  });
  return undefined;
}
