import { parseKey } from '../../../licence/key.ts';
import { passingFaults } from '../../../licence/keyFaults.ts';
import { momentOf } from '../../../licence/moment.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import { requests } from '../../../operator/licenceServer/api/requests.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { annotate } from '../cluster.ts';
import type { Context } from '../context.ts';
import { CommandFault } from '../exitStatus.ts';
import { gitOpsOwnerOf } from '../ownedByGitOps.ts';
import { textOfFile } from '../textOfFile.ts';
import { type Progress, waitUntil } from '../waiting.ts';
import { aboutKey } from '../whatToDo.ts';

export interface SpecKey {
  readonly name: string;
  readonly secretRef: { readonly name: string; readonly key: string };
}

/** The entry of spec.keys that a person names; without a name the only one. @throws CommandFault */
export function specKey(server: LicenceServer, name: string | undefined): SpecKey {
  const keys = (server.spec as { readonly keys?: readonly SpecKey[] }).keys ?? [];
  const names = keys.map((key) => key.name).join(', ');
  const found = name === undefined && keys.length === 1 ? keys[0] : keys.find((key) => key.name === name);
  if (found !== undefined) return found;
  throw new CommandFault(
    name === undefined ? 'which key?' : `LicenceServer ${server.metadata.name} has no key "${name}" in spec.keys`,
    keys.length === 0 ? 'add it to spec.keys first' : `it has ${names}`,
  );
}

/** `rotate NAME KEY --from-file FILE`: writes the key into its Secret and waits until it is proven. */
export async function rotate(
  context: Context,
  [name = '', keyName]: readonly string[],
  options: { fromFile: string; timeout: string; wait: boolean; force?: boolean },
): Promise<undefined> {
  const server = await context.server(name);
  const key = specKey(server, keyName);
  const parsed = parseKey(textOfFile(options.fromFile).trim());
  if (!parsed.ok) throw new CommandFault(parsed.message, 'nothing was changed');
  const before = server.status?.keys?.find((view) => view.name === key.name);
  if (before?.keyId === parsed.keyId && before.state === 'Active') {
    context.say(`key ${key.name} is ${parsed.keyId} already, and active`);
    return undefined;
  }
  const wrote = await writeKey(context, server, key, parsed.key, options.force ?? false);
  context.say(
    wrote
      ? `Secret ${key.secretRef.name} holds ${parsed.keyId} under "${key.secretRef.key}" now`
      : 'the Secret holds that key already',
  );
  if (!wrote) await retryIfHeld(context, server, parsed.keyId);
  if (!options.wait) return undefined;
  await waitUntil(context, server, Number(options.timeout), rotationProgress(server, key.name, parsed.keyId));
  return undefined;
}

/** Whether the Secret had to be written. @throws CommandFault when somebody else looks after it */
async function writeKey(
  context: Context,
  server: LicenceServer,
  key: SpecKey,
  text: string,
  force: boolean,
): Promise<boolean> {
  const { namespace } = server.metadata;
  const { client, signal } = context.cluster;
  const { name, key: entry } = key.secretRef;
  const secret = await client.get(kinds.Secret, namespace, name, signal);
  const value = Buffer.from(text).toString('base64');
  if (secret === undefined) {
    await client.create(kinds.Secret, { metadata: { name, namespace }, type: 'Opaque', data: { [entry]: value } });
    return true;
  }
  const data = (secret.data ?? {}) as Readonly<Record<string, string>>;
  const parsed = parseKey(
    Buffer.from(data[entry] ?? '', 'base64')
      .toString()
      .trim(),
  );
  if (parsed.ok && parsed.key === text) return false;
  const owner = gitOpsOwnerOf(secret);
  if (owner !== undefined && !force) {
    throw new CommandFault(
      `Secret ${name} is looked after by ${owner}, which would put the old key back`,
      `change it there, then: kubectl licence rotate ${server.metadata.name} ${key.name} -n ${namespace} --from-file … follows it; or --force`,
    );
  }
  if (secret.immutable === true) {
    throw new CommandFault(
      `Secret ${name} is immutable`,
      `make another one, and name it in spec.keys[${key.name}].secretRef`,
    );
  }
  await client.mergePatch(kinds.Secret, namespace, name, { data: { [entry]: value } }, undefined, signal);
  return true;
}

/** The same content was refused before: it is asked for once more, as a person who calls again means it. */
async function retryIfHeld(context: Context, server: LicenceServer, keyId: string): Promise<void> {
  const { rotation, keys = [] } = server.status ?? {};
  if (rotation === undefined || rotation.phase === 'Active') return;
  if (rotation.reason === undefined && !keys.some((view) => view.keyId === keyId)) return;
  await annotate(context.cluster, server, { [requests.rotateRetryAt]: momentOf(Date.now()) });
  context.say('it was refused before, and is tried again now');
}

const asLongAs: Readonly<Record<string, string>> = {
  Staged: 'the running server checks it; nobody is disturbed',
  Checked: 'it would work, and waits for its window',
  Rolling: 'the pod restarts with it; seats stay with their holders',
  Proving: 'the new pod activates it',
};

/** How a rotation to `keyId` stands, by the resource's status. Pure. */
export const rotationProgress =
  (before: LicenceServer, name: string, keyId: string) =>
  ({ status, metadata }: LicenceServer): Progress => {
    const view = status?.keys?.find((key) => key.name === name);
    const rotation = status?.rotation;
    const isNew = rotation !== undefined && rotation.copy !== before.status?.rotation?.copy;
    if (view?.keyId === keyId && view.state === 'Active' && (rotation === undefined || rotation.phase === 'Active')) {
      return { done: true, says: `proven: key ${name} is ${keyId}, active, generation ${view.generation ?? '?'}` };
    }
    if (rotation === undefined || (!isNew && rotation.phase === 'Active'))
      return { done: false, says: 'waiting for the operator to see it' };
    const { phase, reason, message } = rotation;
    const isPassing =
      reason === undefined || (passingFaults as readonly string[]).includes(reason) || waits.includes(reason);
    // a first key has nothing that could be put back: it stays in place, and waits for another one
    const isRefused = phase === 'Proving' && view?.keyId === keyId && view.state === 'Refused' && !isPassing;
    if (phase === 'RolledBack' || isRefused || (phase === 'Staged' && !isPassing)) {
      const todo = aboutKey[reason as keyof typeof aboutKey]?.({
        namespace: metadata.namespace,
        name: metadata.name,
        key: name,
      });
      const kept = isRefused
        ? 'and there is no key to go back to'
        : phase === 'RolledBack'
          ? 'the previous key was put back'
          : 'the running key stays';
      return { done: 'never', says: `not proven, ${kept}: ${message ?? reason}`, todo };
    }
    return { done: false, says: `${phase}: ${message ?? asLongAs[phase] ?? 'proven'}` };
  };

const waits = ['ServerUnreachable', 'WaitingForWindow', 'NotProven'];
