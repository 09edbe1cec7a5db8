import { createPrivateKey, createPublicKey } from 'node:crypto';
import { fingerprintOf, isFingerprint } from '../../../licence/fingerprint.ts';
import { parseKey } from '../../../licence/key.ts';
import { holdsCertificates } from '../../../runtime/certificates.ts';
import { proxyFault } from '../../../runtime/proxyUrl.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, keyFor, keyOf } from '../../kube/object.ts';
import { kinds } from '../../kube/resourceKind.ts';
import type { Store } from '../../kube/store.ts';
import { digestOf } from '../api/digest.ts';
import { identityFingerprint } from '../api/metadata.ts';
import { namesOf, secretKeys } from '../api/names.ts';
import type { LicenceServer, Spec } from '../api/types.ts';
import { readDatabase } from './databaseSecret.ts';
import type { Found } from './found.ts';
import { type KeySource, keyFiles, readKeySource, type SecretData } from './keySources.ts';
import { isKeysCopy, type KeyOrigin, keySourceToldBy, versionOf } from './keysCopy.ts';
import { regeneratedIn, successorOf } from './successors.ts';

/**
 * Reads what a LicenceServer refers to. Secrets and ConfigMaps are watched by metadata only and read by name; what was derived
 * from one (digests, key ids, the fingerprint) is kept until that one has another version, so a change costs one read and a
 * settled server none; of keys it stands on their copy as well, for the next operator. No key is kept beyond the pass that
 * read it.
 */
export interface LookedUp {
  readonly keySources: readonly KeySource[];
  readonly trust: Found;
  readonly ca: Found;
  readonly tls: Found;
  readonly databaseCa: Found;
  readonly proxy: Found;
  readonly database: Found;
  readonly fingerprint: string | undefined;
  /** Certificates that the server's own one is checked against: of its authority if they are there, else its own. */
  readonly serverCa: string | undefined;
}

/** A token that is read when it is first needed: a look at a settled server costs no read. */
export interface AdminToken {
  /** Changes with its Secret. */
  readonly version: string;
  /** @returns the token; undefined: the Secret has none
   * @throws when the API server does not answer or refuses */
  readonly read: () => Promise<string | undefined>;
}

export interface LookUpOptions {
  readonly client: Pick<KubeClient, 'get'>;
  /** Metadata of all Secrets and ConfigMaps in the watched namespaces. */
  readonly secrets: Store;
  readonly configMaps: Store;
}

type SecretObject = KubeObject & { readonly data?: Readonly<Record<string, string>> };
type ConfigMapObject = SecretObject;

/** Something derived from one object, as long as the store shows that very version of it. */
interface Part {
  /** What of the spec it depends on: an edit elsewhere costs no read. */
  readonly about: string;
  readonly source: KubeObject | undefined;
  readonly value: unknown;
}

interface Known {
  readonly uid: string | undefined;
  readonly parts: Map<string, Part>;
  /** Secrets that the pass under way has read, by name. */
  readonly fresh: Map<string, { readonly source: KubeObject; readonly data: SecretData }>;
  /** The server's admin token, and the version of the Secret that it is of. */
  adminToken: { readonly version: string; readonly text: string | undefined } | undefined;
}

export class LookUp {
  readonly #options: LookUpOptions;
  readonly #known = new Map<string, Known>();
  /** What ConfigMaps say, by their metadata in the store: many servers refer to the same one. */
  readonly #texts = new WeakMap<KubeObject, Map<string, string | undefined>>();

  constructor(options: LookUpOptions) {
    this.#options = options;
  }

  forget(key: string): void {
    this.#known.delete(key);
  }

  /** The pass over a server has ended: what it read of Secrets is dropped. */
  endPass(key: string): void {
    this.#known.get(key)?.fresh.clear();
  }

  /** @throws when the API server does not answer or refuses */
  async read(server: LicenceServer, spec: Spec, signal: AbortSignal): Promise<LookedUp> {
    const { namespace, name, uid } = server.metadata;
    const names = namesOf(name);
    const known = this.#knownOf(server);
    const used = new Set<string>();
    const part = async <T>(id: string, about: string, source: KubeObject | undefined, derive: () => Promise<T> | T) => {
      used.add(id);
      const before = known.parts.get(id);
      if (before !== undefined && before.about === about && before.source === source) return before.value as T;
      const value = await derive();
      known.parts.set(id, { about, source, value });
      return value;
    };
    const fromSecret = <T>(id: string, of: string, about: string, derive: (data: SecretData) => T): Promise<T> =>
      part(id, `${of}\n${about}`, this.#options.secrets.get(keyFor(namespace, of)), async () =>
        derive(await this.#secret(known, namespace, of, signal)),
      );
    const keySource = (key: NonNullable<Spec['keys']>[number]): Promise<KeySource> => {
      const of = key.secretRef.name;
      const from = `${of}\n${mode}\n${key.secretRef.key}`;
      const source = this.#options.secrets.get(keyFor(namespace, of));
      const derive = async () => {
        const copies = this.#options.secrets.byIndex('instance', keyOf(server)).filter(isKeysCopy);
        const told = source && keySourceToldBy(copies, key.name, from, versionOf(source));
        return told ?? readKeySource(key, mode, await this.#secret(known, namespace, of, signal));
      };
      return part(keyPart(key.name), from, source, derive);
    };
    const foundInSecret = (id: string, of: string, key: string, faultIn?: (text: string) => string | undefined) =>
      fromSecret(id, of, key, (data) =>
        foundIn('Secret', of, key, decoded(data?.[key]), data !== undefined, { faultIn }),
      );
    const foundInConfigMap = (id: string, of: string, key: string, faultIn?: (text: string) => string | undefined) =>
      part(id, `${of}\n${key}`, this.#options.configMaps.get(keyFor(namespace, of)), async () => {
        const text = await this.#text(namespace, of, key, signal);
        return foundIn('ConfigMap', of, key, text.value, text.exists, { keepText: true, faultIn });
      });
    const foundCertificates = (id: string, { configMap, secret }: CaRef = {}): Promise<Found> | Found =>
      configMap
        ? foundInConfigMap(id, configMap.name, configMap.key, certificatesFault)
        : secret
          ? foundInSecret(id, secret.name, secret.key, certificatesFault)
          : unasked;

    const { mode, authority } = spec.activation;
    const trust = authority?.trustedKeys?.configMapRef;
    const proxy = authority?.proxy?.secretRef;
    const { tls, database } = spec;
    const keySources: KeySource[] = [];
    for (const key of spec.keys ?? []) keySources.push(await keySource(key));
    const found: LookedUp = {
      keySources,
      trust: trust === undefined ? unasked : await foundInConfigMap('trust', trust.name, trust.key),
      ca: await foundCertificates('ca', authority?.caRef),
      databaseCa: await foundCertificates('databaseCa', database?.caRef),
      proxy: proxy === undefined ? unasked : await foundInSecret('proxy', proxy.name, proxy.key, proxyTextFault),
      tls: tls === undefined ? unasked : await foundInSecret('tls', tls.secretName, 'tls.crt'),
      serverCa:
        tls === undefined
          ? undefined
          : await fromSecret('serverCa', tls.secretName, '', (data) => decoded(data?.['ca.crt'] || data?.['tls.crt'])),
      database:
        database === undefined
          ? unasked
          : await fromSecret('database', database.secretRef.name, database.secretRef.key, (data) =>
              readDatabase(database.secretRef, data, uid),
            ),
      fingerprint:
        fingerprintOn(this.#options.secrets.get(keyFor(namespace, names.identity))) ??
        (await fromSecret('identity', names.identity, '', fingerprintIn)),
    };
    for (const id of known.parts.keys()) if (!used.has(id)) known.parts.delete(id);
    return found;
  }

  /** Takes what an own write made of the server's tokens, so that they need not be read. */
  learn(server: LicenceServer, secret: SecretObject): void {
    const version = versionOf(secret);
    if (secret.metadata.name !== namesOf(server.metadata.name).tokens || version === undefined) return;
    this.#knownOf(server).adminToken = { version, text: adminTokenIn(secret.data) };
  }

  /** Where the keys of the pass under way come from, by name: for the copy that is made of them. */
  keyOrigins(server: LicenceServer, spec: Spec): Record<string, KeyOrigin> {
    const origins: Record<string, KeyOrigin> = {};
    for (const { name } of spec.keys ?? []) {
      const part = this.#knownOf(server).parts.get(keyPart(name));
      const version = part?.source && versionOf(part.source);
      const read = part?.value as KeySource | undefined;
      if (part === undefined || version === undefined || read?.kind !== 'found') continue;
      origins[name] = { from: part.about, version, digest: read.digest, keyId: read.keyId };
    }
    return origins;
  }

  /** How the server's admin token is come by; undefined as long as there is no Secret with it. */
  adminToken(server: LicenceServer): AdminToken | undefined {
    const { namespace, name } = server.metadata;
    const { tokens } = namesOf(name);
    const source = this.#options.secrets.get(keyFor(namespace, tokens));
    const version = source && versionOf(source);
    if (version === undefined) return undefined;
    const key = keyOf(server);
    const read = async () => {
      const known = this.#known.get(key);
      if (known?.adminToken?.version === version) return known.adminToken.text;
      const secret = await this.#options.client.get<SecretObject>(kinds.Secret, namespace, tokens);
      const text = adminTokenIn(secret?.data);
      if (known !== undefined) known.adminToken = { version, text };
      return text;
    };
    return { version, read };
  }

  /** The keys' files by key name, as read in this pass: for the copy that a pod runs with, and for a check. */
  async keyFiles(
    server: LicenceServer,
    spec: Spec,
    signal: AbortSignal,
  ): Promise<Record<string, Record<string, string>>> {
    const files: Record<string, Record<string, string>> = {};
    const known = this.#knownOf(server);
    const regenerated = regeneratedIn(this.#options.secrets.byIndex('instance', keyOf(server)));
    for (const key of spec.keys ?? []) {
      const data = await this.#secret(known, server.metadata.namespace, key.secretRef.name, signal);
      const made = keyFiles(key, spec.activation.mode, data);
      if (made === undefined) continue;
      const parsed = parseKey(made[key.name] ?? '');
      const next = parsed.ok ? successorOf(regenerated, key.name, parsed.keyId) : undefined;
      if (next === undefined) {
        files[key.name] = made;
        continue;
      }
      const newer = await this.#secret(known, server.metadata.namespace, next.secret, signal);
      const ref = { name: key.name, secretRef: { name: next.secret, key: key.name } };
      files[key.name] = keyFiles(ref, 'Online', newer) ?? made;
    }
    return files;
  }

  #knownOf(server: LicenceServer): Known {
    const { namespace, name, uid } = server.metadata;
    const key = keyFor(namespace, name);
    const before = this.#known.get(key);
    if (before !== undefined && before.uid === uid) return before;
    const known: Known = { uid, parts: new Map(), fresh: new Map(), adminToken: undefined };
    this.#known.set(key, known);
    return known;
  }

  /** Content of a Secret; one pass reads each version once. */
  async #secret(known: Known, namespace: string, name: string, signal: AbortSignal): Promise<SecretData> {
    const source = this.#options.secrets.get(keyFor(namespace, name));
    // What the watch does not know is not there; it is noticed when it appears.
    if (source === undefined) return undefined;
    const fresh = known.fresh.get(name);
    if (fresh?.source === source) return fresh.data;
    const secret = await this.#options.client.get<SecretObject>(kinds.Secret, namespace, name, signal);
    const data = secret === undefined ? undefined : (secret.data ?? {});
    known.fresh.set(name, { source, data });
    return data;
  }

  async #text(
    namespace: string,
    name: string,
    key: string,
    signal: AbortSignal,
  ): Promise<{ readonly exists: boolean; readonly value: string | undefined }> {
    const source = this.#options.configMaps.get(keyFor(namespace, name));
    if (source === undefined) return { exists: false, value: undefined };
    const texts = this.#texts.get(source);
    if (texts?.has(key)) return { exists: true, value: texts.get(key) };
    const configMap = await this.#options.client.get<ConfigMapObject>(kinds.ConfigMap, namespace, name, signal);
    if (configMap === undefined) return { exists: false, value: undefined };
    const value = configMap.data?.[key];
    this.#texts.set(source, new Map(texts).set(key, value));
    return { exists: true, value };
  }
}

const keyPart = (name: string): string => `key ${name}`;

/** What the operator wrote on an identity that it made: the Secret cannot be changed, so it holds. */
const fingerprintOn = (secret: KubeObject | undefined): string | undefined => {
  const told = secret?.metadata.annotations?.[identityFingerprint];
  return told !== undefined && isFingerprint(told) ? told : undefined;
};
const fingerprintIn = (data: SecretData) => fingerprintOfPem(decoded(data?.[secretKeys.identity]));
const adminTokenIn = (data: SecretData) => decoded(data?.admin)?.split('\n')[0]?.trim() || undefined;

const decoded = (base64: string | undefined): string | undefined =>
  base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('utf8');

type CaRef = NonNullable<NonNullable<Spec['activation']['authority']>['caRef']>;
const unasked: Found = { kind: 'unasked' };
const certificatesFault = (pem: string) => (holdsCertificates(pem) ? undefined : 'holds no certificates as PEM');
const proxyTextFault = (text: string) => proxyFault(text.trim());

/** One value that the spec refers to, found or missing by a name that a person can act on. */
function foundIn(
  kind: 'Secret' | 'ConfigMap',
  name: string,
  key: string,
  text: string | undefined,
  exists: boolean,
  options: {
    readonly keepText?: boolean;
    /** What is wrong with the text, as the rest of a sentence, without the text itself. */
    readonly faultIn?: ((text: string) => string | undefined) | undefined;
  } = {},
): Found {
  if (!exists) return { kind: 'missing', message: `${kind} ${name} does not exist; create it` };
  if (text === undefined || text === '') {
    return { kind: 'missing', message: `${kind} ${name} has nothing under "${key}"; add it there` };
  }
  const fault = options.faultIn?.(text);
  if (fault !== undefined) return { kind: 'missing', message: `what ${kind} ${name} has under "${key}" ${fault}` };
  return { kind: 'found', digest: digestOf(text, 10), ...(options.keepText ? { text } : {}) };
}

/** The fingerprint of an identity; undefined if the text is no Ed25519 private key. */
export function fingerprintOfPem(pem: string | undefined): string | undefined {
  if (pem === undefined) return undefined;
  try {
    const key = createPublicKey(createPrivateKey(pem));
    if (key.asymmetricKeyType !== 'ed25519') return undefined;
    return fingerprintOf(Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url'));
  } catch {
    return undefined;
  }
}
