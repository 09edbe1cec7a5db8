import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { fingerprintOf, rawPublicKey } from '../../../licence/fingerprint.ts';
import type { Logger } from '../../../runtime/log.ts';
import { ApiError } from '../../kube/apiError.ts';
import { type KubeObject, keyOf } from '../../kube/object.ts';
import { kinds, type ResourceKind } from '../../kube/resourceKind.ts';
import type { Fault } from '../api/fault.ts';
import { labels } from '../api/metadata.ts';
import { namesOf, secretKeys } from '../api/names.ts';
import type { LicenceServer } from '../api/types.ts';
import { type Children, kindOf, removable } from '../build/children.ts';
import { identitySecret } from '../build/identitySecret.ts';
import { keysSecret } from '../build/keysSecret.ts';
import { tokensSecret } from '../build/tokensSecret.ts';
import type { Valid } from '../decide/validate.ts';
import { desiredKeysOf, readKeySource } from '../observe/keySources.ts';
import type { LookUp } from '../observe/lookUp.ts';
import type { Observed } from '../observe/observed.ts';
import { Ensure, type EnsureOptions, isOptional, type Written } from './ensure.ts';
import { isOwn } from './ownership.ts';

/** The only place that writes children. */
export interface ApplyOptions extends EnsureOptions {
  readonly lookUp: LookUp;
}

/** A LicenceServer in the pass under way. */
interface Pass {
  readonly options: ApplyOptions;
  readonly server: LicenceServer;
  readonly valid: Valid;
  readonly ensure: Ensure;
  readonly signal: AbortSignal;
}

/**
 * Brings the children to what was built; writes nothing where nothing differs. All but the Deployment at one time: none of
 * them needs another (but a RoleBinding its Role), and a pod needs them all. A LicenceServer that has nothing running writes
 * nothing at all while one of its names is somebody else's.
 * @returns what the API server refused for good, by the spec's fault, and names that are taken: the others were applied all
 * the same
 * @throws for everything that is worth trying again
 */
export async function applyChildren(
  options: ApplyOptions,
  server: LicenceServer,
  valid: Valid,
  observed: Observed,
  children: Children,
  signal: AbortSignal,
  log: Logger,
): Promise<readonly Fault[]> {
  const written: Written[] = [];
  const ensure = new Ensure(options, valid, (what) => written.push(what));
  const pass: Pass = { options, server, valid, ensure, signal };
  try {
    const taken = await takenNames(pass, observed, children);
    if (taken.length > 0 && observed.deployment === undefined) return taken;
    const brought = await broughtBack(pass);
    const secrets = await allOf([makeIdentity(pass, brought), makeTokens(pass, brought), makeKeysCopy(pass)]);
    const apply = async (name: keyof Children): Promise<Fault | undefined> => {
      const child = children[name];
      if (child === undefined) return undefined;
      const immutable = child.metadata.labels?.[labels.copy] !== undefined;
      return (await ensure.ensure(kindOf[name], child, { immutable })).fault;
    };
    const { deployment: _, podRoleBinding: __, restoreRoleBinding: ___, ...others } = kindOf;
    const names = Object.keys(others) as (keyof Children)[];
    const refused = await allOf([...names.map(apply), ...marksOfToday(pass)]);
    // A role is handed on only once the API server knows what is in it.
    refused.push(await apply('podRoleBinding'), await apply('restoreRoleBinding'));
    // A pod whose settings or Secrets were refused would only hang.
    const mounted = [refused[names.indexOf('config')], refused[names.indexOf('trust')], ...secrets];
    if (mounted.every((fault) => fault === undefined)) refused.push(await apply('deployment'));
    if (valid.spec.httpRoute !== undefined && observed.knowsRoutes === false) refused.push(unknownRoutes);
    for (const [name, nameOf] of Object.entries(removable) as [keyof typeof removable, (name: string) => string][]) {
      if (children[name] !== undefined) continue;
      refused.push(await remove(options, server, kindOf[name], nameOf(valid.owner.name)));
    }
    return [...secrets, ...refused].filter((refusal) => refusal !== undefined);
  } finally {
    if (written.length > 0) log.info({ written }, 'applied');
  }
}

/** What was made once has the labels of its day: that changes no content, and so no pod. */
function marksOfToday({ options: { stores }, server, ensure }: Pass): Promise<Fault | undefined>[] {
  const { namespace, name } = server.metadata;
  return [
    ...stores.ownSecrets(keyOf(server)).map((secret) => ensure.remark(kinds.Secret, secret)),
    ...stores.copies('configMaps', namespace, name).map((copy) => ensure.remark(kinds.ConfigMap, copy)),
  ];
}

const unknownRoutes: Fault = {
  reason: 'HTTPRouteRefused',
  message:
    'the cluster does not know the kind HTTPRoute (gateway.networking.k8s.io/v1); install the Gateway API, or remove spec.httpRoute',
};

/** All of them, each to its end: what is under way when another one fails must not be left behind. */
async function allOf<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(work);
  return ended.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
}

/**
 * The faults of all names that a LicenceServer is to have and that somebody else's objects have. An identity or tokens that a
 * person put there are used as they are, if they can be: nobody takes them over.
 */
async function takenNames(
  { options, server, valid, ensure }: Pass,
  observed: Observed,
  children: Children,
): Promise<readonly Fault[]> {
  const { owner, desiredKeys } = valid;
  const names = namesOf(owner.name);
  const secretOf = async (name: string, isUsable: () => Promise<boolean> | boolean) => {
    const fault = await ensure.taken(kinds.Secret, name);
    return fault === undefined || (await isUsable()) ? undefined : fault;
  };
  const hasToken = async () => (await options.lookUp.adminToken(server)?.read()) !== undefined;
  const built = (Object.keys(kindOf) as (keyof Children)[]).map(async (name) => {
    const child = children[name];
    const kind = kindOf[name];
    try {
      return child && (await ensure.taken(kind, child.metadata.name));
    } catch (error) {
      // A kind that the cluster has broken keeps nothing else from being made.
      if (isOptional(options.stores, kind)) return undefined;
      throw error;
    }
  });
  const faults = await allOf([
    ...built,
    secretOf(names.identity, () => observed.fingerprint !== undefined),
    secretOf(names.tokens, hasToken),
    desiredKeys.ok ? ensure.taken(kinds.Secret, desiredKeys.copy) : Promise.resolve(undefined),
  ]);
  return faults.filter((fault) => fault !== undefined);
}

type Secrets = Readonly<Record<string, string>>;

/** Identity and tokens that a restored archive held, by their keys in the Secrets. */
async function broughtBack({ options, valid: { owner, restore } }: Pass): Promise<Secrets> {
  if (restore.kind !== 'over') return {};
  const secret = await options.client.get<KubeObject & { readonly data?: Secrets }>(
    kinds.Secret,
    owner.namespace,
    namesOf(owner.name).restored,
  );
  return Object.fromEntries(
    Object.entries(secret?.data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64').toString('utf8')]),
  );
}

/** The identity: made once, or brought back, then never touched. */
async function makeIdentity({ valid, ensure }: Pass, brought: Secrets): Promise<Fault | undefined> {
  if (!valid.makesIdentity) return undefined;
  const known = brought[secretKeys.identity];
  const privateKey = known === undefined ? generateKeyPairSync('ed25519').privateKey : createPrivateKey(known);
  const pem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const identity = identitySecret(valid.owner, pem, fingerprintOf(rawPublicKey(privateKey)));
  return (await ensure.ensure(kinds.Secret, identity, { immutable: true })).fault;
}

/** The tokens: made once, then a person's to change. */
async function makeTokens(
  { options, server, valid: { owner, restore }, ensure }: Pass,
  brought: Secrets,
): Promise<Fault | undefined> {
  if (restore.kind === 'running') return undefined; // the archive may hold them
  if (options.stores.get(kinds.Secret, owner.namespace, namesOf(owner.name).tokens) !== undefined) return undefined;
  const tokens = secretKeys.tokens.map((role) => [role, brought[role] ?? randomBytes(32).toString('base64url')]);
  const secret = tokensSecret(owner, Object.fromEntries(tokens));
  const { fault, made } = await ensure.ensure(kinds.Secret, secret, { immutable: true });
  if (made !== undefined) options.lookUp.learn(server, made);
  return fault;
}

/** The immutable copy of the keys that the spec refers to, if it is not there yet. */
async function makeKeysCopy({ options, server, valid, ensure, signal }: Pass): Promise<Fault | undefined> {
  const { lookUp, stores } = options;
  const { desiredKeys, owner, spec } = valid;
  if (!desiredKeys.ok) return undefined;
  if (stores.get(kinds.Secret, owner.namespace, desiredKeys.copy) !== undefined) {
    return ensure.taken(kinds.Secret, desiredKeys.copy);
  }
  const files = await lookUp.keyFiles(server, spec, signal);
  const reread = desiredKeysOf(
    owner.name,
    (spec.keys ?? []).map((key) => readKeySource(key, spec.activation.mode, encoded(key, files[key.name]))),
  );
  if (!reread.ok || reread.copy !== desiredKeys.copy) throw new Error('the keys changed while they were being read');
  const digests = Object.fromEntries(Object.entries(desiredKeys.keys).map(([name, { digest }]) => [name, digest]));
  const texts = Object.assign({}, ...Object.values(files));
  const copy = keysSecret(owner, desiredKeys.copy, texts, digests, lookUp.keyOrigins(server, spec));
  return (await ensure.ensure(kinds.Secret, copy, { immutable: true })).fault;
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

async function remove(
  options: ApplyOptions,
  server: LicenceServer,
  kind: ResourceKind,
  name: string,
): Promise<Fault | undefined> {
  const observed = options.stores.get(kind, server.metadata.namespace, name);
  if (observed === undefined || !isOwn(server.metadata, observed)) return undefined;
  try {
    await options.applier.delete(kind, observed);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError && isOptional(options.stores, kind))) throw error;
    const message = `the API server does not let the ${kind.kind} ${name} go: ${error.message.slice(0, 500)}`;
    return { reason: `${kind.kind}Refused`, message };
  }
}
