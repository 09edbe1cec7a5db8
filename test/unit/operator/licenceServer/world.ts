import type { ServerStatus } from '../../../../licence/serverStatus.ts';
import type { Defaults } from '../../../../operator/licenceServer/api/defaults.ts';
import { readSpec } from '../../../../operator/licenceServer/api/readSpec.ts';
import type { LicenceServer, SpecInput, Status } from '../../../../operator/licenceServer/api/types.ts';
import { type Valid, validate } from '../../../../operator/licenceServer/decide/validate.ts';
import type { Observed } from '../../../../operator/licenceServer/observe/observed.ts';
import type { ServerAnswer } from '../../../../operator/licenceServer/observe/serverAnswer.ts';
import { askedOf } from '../../../../operator/licenceServer/pod/asked.ts';
import { factsOf } from '../../../../operator/licenceServer/pod/facts.ts';
import type { PodParts } from '../../../../operator/licenceServer/pod/template.ts';

/** A settled LicenceServer and everything that was seen of it; tests change what they are about. */
export const nowMs = Date.parse('2030-01-01T12:00:00Z');
export const owner = { name: 'office', namespace: 'accounting', uid: 'u1' };
export const defaults: Defaults = { image: 'licence-server:1', runbooks: 'https://runbooks.example' };
export const keysCopy = 'office-keys-2fbe5d1ba2';

export const licenceServer = (
  spec: SpecInput = {},
  more: Partial<LicenceServer['metadata']> & { status?: Status } = {},
): LicenceServer => {
  const { status, ...metadata } = more;
  return {
    apiVersion: 'licensing.softonit.ru/v1beta1',
    kind: 'LicenceServer',
    metadata: { ...owner, generation: 1, creationTimestamp: '2030-01-01T00:00:00Z', ...metadata },
    spec: {
      keys: [{ name: 'erp', secretRef: { name: 'keys', key: 'erp' } }],
      activation: { authority: { url: 'https://authority.example' } },
      ...spec,
    },
    ...(status === undefined ? {} : { status }),
  };
};

export const serverStatus = (more: Partial<ServerStatus> = {}): ServerStatus => ({
  version: '1.0.0',
  startedAt: '2030-01-01T00:00:00Z',
  fingerprint: 'sha256:1',
  products: [{ product: 'erp', seatLimit: 10, seatsInUse: 4, seatsStale: 0, holdersWaiting: 0 }],
  keys: [{ name: 'erp', keyId: 'id-erp', state: 'Active', source: 'configuration' }],
  ...more,
});
export const answer = (more: Partial<ServerStatus> = {}): ServerAnswer => ({
  kind: 'answered',
  atMs: nowMs,
  status: serverStatus(more),
});

export const observed = (more: Partial<Observed> = {}): Observed => ({
  atMs: nowMs,
  keySources: [{ name: 'erp', kind: 'found', digest: 'd1', keyId: 'id-erp' }],
  copies: { [keysCopy]: { erp: 'd1' } },
  deployment: undefined,
  claim: { name: 'office-data', phase: 'Bound', deleting: false, capacity: '1Gi', size: '1Gi' },
  identityExists: true,
  fingerprint: 'sha256:1',
  trust: { kind: 'unasked' },
  ca: { kind: 'unasked' },
  tls: { kind: 'unasked' },
  database: { kind: 'unasked' },
  server: answer(),
  check: undefined,
  monitoring: { serviceMonitor: false, prometheusRule: false },
  fleet: { budget: true, message: '' },
  claimHolder: undefined,
  ...more,
});

export function valid(server: LicenceServer, seen: Observed): Valid {
  const read = readSpec(server);
  if (!read.ok) throw new Error(read.message);
  const validation = validate(server, read.spec, seen);
  if (!validation.ok) throw new Error(validation.message);
  return validation.valid;
}

/** The Deployment that these parts made, rolled out and ready. */
export function deployed(
  server: LicenceServer,
  parts: PodParts,
  more: Partial<Observed['deployment'] & object> = {},
): NonNullable<Observed['deployment']> {
  const read = readSpec(server);
  if (!read.ok) throw new Error(read.message);
  return {
    facts: factsOf(owner, read.spec, parts),
    factsText: parts.facts,
    asked: askedOf(read.spec),
    pacedAt: parts.pacedAt,
    lastRoll: parts.lastRoll,
    stopped: false,
    restartReason: parts.marks.restartReason,
    settled: true,
    replicas: 1,
    available: 1,
    failure: undefined,
    ...more,
  };
}
