import { createPrivateKey, createPublicKey } from 'node:crypto';
import { fingerprintOf } from '../../licence/fingerprint.ts';
import type { KubeClient } from '../kube/client.ts';
import { type KubeObject, keyFor } from '../kube/object.ts';
import { kinds } from '../kube/resourceKind.ts';
import type { Store } from '../kube/store.ts';
import { digestOf } from './digest.ts';
import { type KeySource, keyFiles, readKeySource, type SecretData } from './keySources.ts';
import { namesOf, secretKeys } from './names.ts';
import type { Found } from './observed.ts';
import { referencesOf } from './references.ts';
import type { LicenceServer, Spec } from './types.ts';

/**
 * Reads what a LicenceServer refers to. Secrets are watched by metadata only and read by name; what was derived from them
 * (digests, key ids, the fingerprint) is kept until one of them has another version, so a settled server costs no read.
 * No key is kept.
 */
export interface LookedUp {
  readonly keySources: readonly KeySource[];
  readonly trust: Found;
  readonly ca: Found;
  readonly tls: Found;
  readonly database: Found;
  readonly fingerprint: string | undefined;
  /** For speaking to the server; never shown. */
  readonly adminToken: string | undefined;
  /** Certificates that the server's own one is checked against. */
  readonly serverCa: string | undefined;
}

export interface LookUpOptions {
  readonly client: Pick<KubeClient, 'get'>;
  /** Metadata of all Secrets and ConfigMaps in the watched namespaces. */
  readonly secrets: Store;
  readonly configMaps: Store;
}

export class LookUp {
  readonly #options: LookUpOptions;
  readonly #kept = new Map<string, { readonly signature: string; readonly found: LookedUp }>();

  constructor(options: LookUpOptions) {
    this.#options = options;
  }

  forget(key: string): void {
    this.#kept.delete(key);
  }

  /** @throws when the API server does not answer or refuses */
  async read(server: LicenceServer, spec: Spec, signal: AbortSignal): Promise<LookedUp> {
    const { namespace, name } = server.metadata;
    const key = keyFor(namespace, name);
    const references = referencesOf(name, spec);
    const version = (store: Store, of: string) => store.get(keyFor(namespace, of))?.metadata.resourceVersion ?? '-';
    const signature = digestOf([
      server.metadata.uid,
      // What of the spec the derived values depend on: an edit elsewhere costs no read.
      [spec.keys, spec.activation, spec.tls, spec.database],
      references.secrets.map((of) => [of, version(this.#options.secrets, of)]),
      references.configMaps.map((of) => [of, version(this.#options.configMaps, of)]),
    ]);
    const kept = this.#kept.get(key);
    if (kept?.signature === signature) return kept.found;
    const secrets = new Map<string, SecretData>();
    for (const of of references.secrets) secrets.set(of, await this.#secret(namespace, of, signal));
    const configMaps = new Map<string, Readonly<Record<string, string>> | undefined>();
    for (const of of references.configMaps) configMaps.set(of, await this.#configMap(namespace, of, signal));
    const found = derive(server, spec, secrets, configMaps);
    this.#kept.set(key, { signature, found });
    return found;
  }

  /** The keys' files by key name, read anew: for the copy that a pod runs with, and for a check. */
  async keyFiles(
    server: LicenceServer,
    spec: Spec,
    signal: AbortSignal,
  ): Promise<Record<string, Record<string, string>>> {
    const files: Record<string, Record<string, string>> = {};
    const data = new Map<string, SecretData>();
    for (const key of spec.keys ?? []) {
      const of = key.secretRef.name;
      if (!data.has(of)) data.set(of, await this.#secret(server.metadata.namespace, of, signal));
      const made = keyFiles(key, spec.activation.mode, data.get(of));
      if (made !== undefined) files[key.name] = made;
    }
    return files;
  }

  async #secret(namespace: string, name: string, signal: AbortSignal): Promise<SecretData> {
    // What the watch does not know is not there; it is noticed when it appears.
    if (this.#options.secrets.get(keyFor(namespace, name)) === undefined) return undefined;
    const secret = await this.#options.client.get<KubeObject & { data?: Record<string, string> }>(
      kinds.Secret,
      namespace,
      name,
      signal,
    );
    return secret === undefined ? undefined : (secret.data ?? {});
  }

  async #configMap(namespace: string, name: string, signal: AbortSignal) {
    if (this.#options.configMaps.get(keyFor(namespace, name)) === undefined) return undefined;
    const configMap = await this.#options.client.get<KubeObject & { data?: Record<string, string> }>(
      kinds.ConfigMap,
      namespace,
      name,
      signal,
    );
    return configMap === undefined ? undefined : (configMap.data ?? {});
  }
}

const decoded = (base64: string | undefined): string | undefined =>
  base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('utf8');

/** One value that the spec refers to, found or missing by a name that a person can act on. */
function foundIn(
  kind: 'Secret' | 'ConfigMap',
  name: string,
  key: string,
  text: string | undefined,
  exists: boolean,
  options: { readonly keepText?: boolean; readonly salt?: string } = {},
): Found {
  if (!exists) return { kind: 'missing', message: `${kind} ${name} does not exist; create it` };
  if (text === undefined || text === '') {
    return { kind: 'missing', message: `${kind} ${name} has nothing under "${key}"; add it there` };
  }
  const digest = digestOf(options.salt === undefined ? text : [options.salt, text], 10);
  return { kind: 'found', digest, ...(options.keepText ? { text } : {}) };
}

function derive(
  server: LicenceServer,
  spec: Spec,
  secrets: ReadonlyMap<string, SecretData>,
  configMaps: ReadonlyMap<string, Readonly<Record<string, string>> | undefined>,
): LookedUp {
  const names = namesOf(server.metadata.name);
  const unasked: Found = { kind: 'unasked' };
  const fromSecret = (name: string, key: string, salt?: string): Found => {
    const data = secrets.get(name);
    return foundIn('Secret', name, key, decoded(data?.[key]), data !== undefined, salt === undefined ? {} : { salt });
  };
  const fromConfigMap = (name: string, key: string): Found => {
    const data = configMaps.get(name);
    return foundIn('ConfigMap', name, key, data?.[key], data !== undefined, { keepText: true });
  };
  const { authority } = spec.activation;
  const trust = authority?.trustedKeys?.configMapRef;
  const { configMap, secret } = authority?.caRef ?? {};
  const tls = spec.tls && secrets.get(spec.tls.secretName);
  const database = spec.database?.secretRef;
  return {
    keySources: (spec.keys ?? []).map((key) =>
      readKeySource(key, spec.activation.mode, secrets.get(key.secretRef.name)),
    ),
    trust: trust === undefined ? unasked : fromConfigMap(trust.name, trust.key),
    ca: configMap
      ? fromConfigMap(configMap.name, configMap.key)
      : secret
        ? fromSecret(secret.name, secret.key)
        : unasked,
    tls: spec.tls === undefined ? unasked : fromSecret(spec.tls.secretName, 'tls.crt'),
    // Salted, so that equal passwords do not look equal.
    database: database === undefined ? unasked : fromSecret(database.name, database.key, server.metadata.uid),
    fingerprint: fingerprintOfPem(decoded(secrets.get(names.identity)?.[secretKeys.identity])),
    adminToken: decoded(secrets.get(names.tokens)?.admin)?.split('\n')[0]?.trim() || undefined,
    serverCa: decoded(tls?.['ca.crt'] ?? tls?.['tls.crt']),
  };
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
