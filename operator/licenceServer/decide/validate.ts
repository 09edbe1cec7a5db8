import type { Fault } from '../api/fault.ts';
import { namesOf } from '../api/names.ts';
import { licenceServerSpec } from '../api/schema.ts';
import { isPaused, type LicenceServer, requests, type Spec } from '../api/types.ts';
import type { Owner } from '../build/object.ts';
import { overlayFault } from '../build/overlay.ts';
import { desiredKeysOf } from '../observe/keySources.ts';
import type { Observed } from '../observe/observed.ts';
import type { DesiredKeys } from './rotation.ts';
import { windowFault } from './windows.ts';

/** A LicenceServer that can be acted on. Later steps never see the raw spec. */
export interface Valid {
  readonly owner: Owner;
  readonly generation: number;
  /** When the LicenceServer was made; undefined: not yet. */
  readonly createdAt: string | undefined;
  readonly spec: Spec;
  readonly desiredKeys: DesiredKeys;
  /** What a new pod could not start without; a pod that runs is left as it is. */
  readonly missing: readonly Fault[];
  /** There is no identity yet. A lost one is never replaced by itself. */
  readonly makesIdentity: boolean;
  readonly requests: {
    readonly rollAt: string | undefined;
    readonly reactivateAt: string | undefined;
    readonly rotateRetryAt: string | undefined;
    readonly regenerateAt: string | undefined;
    readonly paused: boolean;
  };
}

export type Validation = { readonly ok: true; readonly valid: Valid } | ({ readonly ok: false } & Fault);

/** A moment in an annotation may be anything; what is empty was never set. */
const request = (server: LicenceServer, name: string): string | undefined => {
  const value = server.metadata.annotations?.[name]?.trim();
  return value === undefined || value === '' ? undefined : value.slice(0, 64);
};

type SpecRead = { readonly ok: true; readonly spec: Spec } | ({ readonly ok: false } & Fault);

/** Specs as they were read: the same object is asked about by each pass, and by each index and neighbour. */
const reads = new WeakMap<object, SpecRead>();

/** The spec with its defaults, or the first of its faults; the API server has refused most of them already. */
export function readSpec(server: LicenceServer): SpecRead {
  const given: unknown = server.spec;
  if (typeof given !== 'object' || given === null) return parseSpec(given);
  let read = reads.get(given);
  if (read === undefined) {
    read = parseSpec(given);
    reads.set(given, read);
  }
  return read;
}

function parseSpec(given: unknown): SpecRead {
  const read = licenceServerSpec.safeParse(given);
  if (read.success) return { ok: true, spec: read.data };
  const issue = read.error.issues[0];
  const path = ['spec', ...(issue?.path ?? [])].join('.');
  return { ok: false, reason: 'SpecInvalid', message: `${path}: ${issue?.message ?? 'not usable'}` };
}

/** Judges a LicenceServer with what was looked up for it. A refusal stops everything but its own status. */
export function validate(server: LicenceServer, spec: Spec, observed: Observed): Validation {
  const { name, namespace, uid } = server.metadata;
  if (observed.claimHolder !== undefined) {
    const claim = spec.storage.existingClaim ?? `${name}-data`;
    return {
      ok: false,
      reason: 'ClaimInUse',
      message: `PersistentVolumeClaim ${claim} is used by LicenceServer ${observed.claimHolder}; give this one a claim of its own`,
    };
  }
  for (const window of spec.staleSeats.windows ?? []) {
    const fault = windowFault(window);
    if (fault !== undefined)
      return { ok: false, reason: 'WindowInvalid', message: `spec.staleSeats.windows: ${fault}` };
  }
  const podFault = overlayFault(spec.podTemplate?.spec ?? {});
  if (podFault !== undefined) return { ok: false, reason: 'PodTemplateInvalid', message: podFault };
  const lookups = [
    ['TrustedKeysMissing', observed.trust],
    ['CertificatesMissing', observed.ca],
    ['CertificateMissing', observed.tls],
    ['DatabaseSecretMissing', observed.database],
  ] as const;
  const missing: Fault[] = [];
  const isAccepted = server.metadata.annotations?.[requests.newIdentity] === 'accept';
  const isIdentityLost = !observed.identityExists && server.status?.fingerprint !== undefined && !isAccepted;
  if (isIdentityLost) {
    missing.push({
      reason: 'IdentityLost',
      message: `Secret ${namesOf(name).identity} is gone, and with it the computer that the keys are bound to; restore it, or set the annotation ${requests.newIdentity}=accept to go on as another computer`,
    });
  }
  for (const [reason, found] of lookups) if (found.kind === 'missing') missing.push({ reason, message: found.message });
  return {
    ok: true,
    valid: {
      owner: { name, namespace, uid },
      generation: server.metadata.generation ?? 0,
      createdAt: server.metadata.creationTimestamp,
      spec,
      desiredKeys: desiredKeysOf(name, observed.keySources),
      missing,
      makesIdentity: !observed.identityExists && !isIdentityLost,
      requests: {
        rollAt: request(server, requests.rollAt),
        reactivateAt: request(server, requests.reactivateAt),
        rotateRetryAt: request(server, requests.rotateRetryAt),
        regenerateAt: request(server, requests.regenerateAt),
        paused: isPaused(server),
      },
    },
  };
}

/**
 * The LicenceServer that a claim belongs to, if it is another one of the namespace: the one whose pods mount it while this
 * one's do not; else the one that was first: the older, or of equally old ones the one that runs already, or the first by
 * name. A server's own claim counts as used from the moment that the server exists.
 * @param others at least all that ask for the claim
 * @param mountedBy name of the claim in a server's Deployment
 */
export function claimHolderOf(
  server: LicenceServer,
  spec: Spec,
  others: readonly LicenceServer[],
  mountedBy: (server: LicenceServer) => string | undefined = () => undefined,
): string | undefined {
  const claimOf = (s: LicenceServer, existing: string | undefined) => existing ?? `${s.metadata.name}-data`;
  const wanted = claimOf(server, spec.storage.existingClaim);
  const asksFor = (other: LicenceServer) => {
    const read = readSpec(other);
    return claimOf(other, read.ok ? read.spec.storage.existingClaim : undefined) === wanted;
  };
  const mounts = (s: LicenceServer) => mountedBy(s) === wanted;
  // Times have whole seconds: of two of one second the one that runs already is the first.
  const runs = (s: LicenceServer) =>
    s.status?.fingerprint !== undefined && !s.status.conditions?.some((c) => c.reason === 'ClaimInUse');
  const rank = (s: LicenceServer) =>
    `${mounts(s) ? 0 : 1}/${s.metadata.creationTimestamp ?? ''}/${runs(s) ? 0 : 1}/${s.metadata.name}`;
  return others
    .filter((other) => other.metadata.uid !== server.metadata.uid && rank(other) < rank(server))
    .filter(asksFor)
    .map((other) => other.metadata.name)
    .sort()[0];
}
