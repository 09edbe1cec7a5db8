import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { fingerprintOf, rawPublicKey } from '../../../licence/fingerprint.ts';
import type { Logger } from '../../../runtime/log.ts';
import { ApiError, isAlreadyExists, isForbidden, isInvalid, isUnreadable } from '../../kube/apiError.ts';
import { type Applier, OwnedByAnother } from '../../kube/apply.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isControlledBy, type KubeObject } from '../../kube/object.ts';
import { kinds, type ResourceKind } from '../../kube/resourceKind.ts';
import { namesOf, secretKeys } from '../api/names.ts';
import { contentDigest, fieldManager, finalizer, type LicenceServer, licenceServerKind } from '../api/types.ts';
import { type Children, kindOf, removable } from '../build/children.ts';
import { identitySecret } from '../build/identitySecret.ts';
import { keysSecret } from '../build/keysSecret.ts';
import type { Child } from '../build/object.ts';
import { tokensSecret } from '../build/tokensSecret.ts';
import type { Fault, Valid } from '../decide/validate.ts';
import { desiredKeysOf, readKeySource } from '../observe/keySources.ts';
import type { LookUp } from '../observe/lookUp.ts';
import type { Stores } from '../observe/stores.ts';

/** The only place that writes children. */
export interface ApplyOptions {
  readonly client: KubeClient;
  readonly applier: Applier;
  readonly stores: Stores;
  readonly lookUp: LookUp;
}

/** What a pass wrote, for its log line. */
interface Written {
  readonly kind: string;
  readonly name: string;
  readonly outcome: string;
  /** Fields that differed. */
  readonly changed?: readonly string[];
}
type Tell = (written: Written) => void;

/**
 * Brings the children to what was built; writes nothing where nothing differs. All but the Deployment at one time: none of
 * them needs another (but a RoleBinding its Role), and a pod needs them all.
 * @returns what the API server refused for good, by the spec's fault: the others were applied all the same
 * @throws for everything that is worth trying again
 */
export async function applyChildren(
  options: ApplyOptions,
  server: LicenceServer,
  valid: Valid,
  children: Children,
  signal: AbortSignal,
  log: Logger,
): Promise<readonly Fault[]> {
  const written: Written[] = [];
  const tell: Tell = (what) => written.push(what);
  try {
    await keepFinalizer(options, server, valid);
    await allOf([makeSecrets(options, server, valid, tell), makeKeysCopy(options, server, valid, signal, tell)]);
    const apply = async (name: keyof Children): Promise<Fault | undefined> => {
      const child = children[name];
      return child === undefined ? undefined : applyChild(options, kindOf[name], child, tell);
    };
    const { deployment: _, podRoleBinding: __, ...others } = kindOf;
    const names = Object.keys(others) as (keyof Children)[];
    const refused = await allOf(names.map(apply));
    // A role is handed on only once the API server knows what is in it.
    refused.push(await apply('podRoleBinding'));
    // A pod whose settings were refused would only hang.
    if (refused[names.indexOf('config')] === undefined) refused.push(await apply('deployment'));
    for (const [name, nameOf] of Object.entries(removable) as [keyof typeof removable, (name: string) => string][]) {
      if (children[name] === undefined) await remove(options, server, kindOf[name], nameOf(valid.owner.name));
    }
    return refused.filter((refusal) => refusal !== undefined);
  } finally {
    if (written.length > 0) log.info({ written }, 'applied');
  }
}

/** All of them, each to its end: what is under way when another one fails must not be left behind. */
async function allOf<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(work);
  return ended.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
}

async function applyChild(
  options: ApplyOptions,
  kind: ResourceKind,
  child: Child,
  tell: Tell,
): Promise<Fault | undefined> {
  const { namespace, name } = child.metadata;
  const observed = options.stores.get(kind, namespace, name);
  // Known by metadata only: its name or its digest tells whether it is the same.
  if (kind === kinds.ConfigMap && observed !== undefined) {
    const digest = child.metadata.annotations?.[contentDigest];
    if (digest === undefined || digest === observed.metadata.annotations?.[contentDigest]) return undefined;
  }
  try {
    await write(options, kind, child, observed, tell);
    return undefined;
  } catch (error) {
    if (error instanceof OwnedByAnother) {
      return { reason: 'NameTaken', message: `${child.kind} ${name} belongs to something else; rename one of them` };
    }
    if (!isInvalid(error) && !isForbidden(error) && !isUnreadable(error)) throw error;
    const detail = error instanceof ApiError ? error.message.slice(0, 500) : '';
    return { reason: `${child.kind}Refused`, message: `the API server refused the ${child.kind} ${name}: ${detail}` };
  }
}

async function write(
  { applier, client, stores }: ApplyOptions,
  kind: ResourceKind,
  child: Child,
  observed: KubeObject | undefined,
  tell: Tell,
): Promise<void> {
  const { namespace, name } = child.metadata;
  const told = (outcome: string, changed: readonly string[] = []) => {
    if (outcome === 'unchanged') return;
    tell({ kind: kind.kind, name, outcome, ...(changed.length === 0 ? {} : { changed }) });
  };
  if (kind === kinds.ConfigMap) {
    stores.configMaps.assume(await client.apply(kind, child, { fieldManager }));
    return told(observed === undefined ? 'created' : 'updated');
  }
  try {
    const { outcome, changed } = await applier.apply({ kind, object: child }, observed);
    told(outcome, changed);
  } catch (error) {
    if (!isInvalid(error) || observed === undefined) throw error;
    // Somebody's edit and ours may be valid each, but not together (two ports of one name): ours replaces theirs, as a whole.
    const replaced = await client.mergePatch(kind, namespace, name, { spec: child.spec });
    const { changed } = await applier.apply({ kind, object: child }, replaced);
    told('replaced', changed);
  }
}

/** The finalizer is there exactly while something has to be removed that garbage collection would leave. */
async function keepFinalizer({ client, stores }: ApplyOptions, server: LicenceServer, valid: Valid): Promise<void> {
  const finalizers = server.metadata.finalizers ?? [];
  const isWanted = valid.spec.storage.reclaimPolicy === 'Delete';
  if (finalizers.includes(finalizer) === isWanted) return;
  const next = isWanted ? [...finalizers, finalizer] : finalizers.filter((f) => f !== finalizer);
  const { namespace, name, resourceVersion } = server.metadata;
  const patch = { metadata: { finalizers: next, resourceVersion } };
  stores.licenceServers.assume(await client.mergePatch(licenceServerKind, namespace, name, patch));
}

/** Identity and tokens: made once, then never touched. */
async function makeSecrets(
  { client, stores, lookUp }: ApplyOptions,
  server: LicenceServer,
  valid: Valid,
  tell: Tell,
): Promise<void> {
  const { owner } = valid;
  const names = namesOf(owner.name);
  const isThere = (name: string) => stores.get(kinds.Secret, owner.namespace, name) !== undefined;
  const make = async (secret: KubeObject) => {
    try {
      const made = await client.create(kinds.Secret, secret);
      stores.secrets.assume(made);
      lookUp.learn(server, made);
      tell({ kind: 'Secret', name: secret.metadata.name, outcome: 'created' });
    } catch (error) {
      // The store is a moment behind; what is there stays.
      if (!isAlreadyExists(error)) throw error;
    }
  };
  const makeIdentity = async () => {
    if (!valid.makesIdentity || isThere(names.identity)) return;
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await make(identitySecret(owner, pem, fingerprintOf(rawPublicKey(privateKey))));
  };
  const makeTokens = async () => {
    if (isThere(names.tokens)) return;
    const tokens = secretKeys.tokens.map((role) => [role, randomBytes(32).toString('base64url')]);
    await make(tokensSecret(owner, Object.fromEntries(tokens)));
  };
  await allOf([makeIdentity(), makeTokens()]);
}

/** The immutable copy of the keys that the spec refers to, if it is not there yet. */
async function makeKeysCopy(
  { client, stores, lookUp }: ApplyOptions,
  server: LicenceServer,
  valid: Valid,
  signal: AbortSignal,
  tell: Tell,
): Promise<void> {
  const { desiredKeys, owner, spec } = valid;
  if (!desiredKeys.ok || stores.get(kinds.Secret, owner.namespace, desiredKeys.copy) !== undefined) return;
  const files = await lookUp.keyFiles(server, spec, signal);
  const reread = desiredKeysOf(
    owner.name,
    (spec.keys ?? []).map((key) => readKeySource(key, spec.activation.mode, encoded(key, files[key.name]))),
  );
  if (!reread.ok || reread.copy !== desiredKeys.copy) throw new Error('the keys changed while they were being read');
  const digests = Object.fromEntries(Object.entries(desiredKeys.keys).map(([name, { digest }]) => [name, digest]));
  const texts = Object.assign({}, ...Object.values(files));
  const copy = keysSecret(owner, desiredKeys.copy, texts, digests, lookUp.keyOrigins(server, spec));
  try {
    stores.secrets.assume(await client.create(kinds.Secret, copy));
    tell({ kind: 'Secret', name: desiredKeys.copy, outcome: 'created' });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

/** A key's files as the data of the Secret that they came from. */
function encoded(
  key: { readonly name: string; readonly secretRef: { readonly key: string } },
  files: Readonly<Record<string, string>> | undefined,
): Record<string, string> | undefined {
  if (files === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(files).map(([file, text]) => [
      file.replace(key.name, key.secretRef.key),
      Buffer.from(text).toString('base64'),
    ]),
  );
}

async function remove(options: ApplyOptions, server: LicenceServer, kind: ResourceKind, name: string): Promise<void> {
  const observed = options.stores.get(kind, server.metadata.namespace, name);
  if (observed === undefined || !isControlledBy(observed, server)) return;
  await options.applier.delete(kind, observed);
}
