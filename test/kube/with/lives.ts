import type { LicenceServer, SpecInput, Status } from '../../../operator/licenceServer/api/types.ts';
import { plan } from '../../../operator/licenceServer/decide/plan.ts';
import type { Observed } from '../../../operator/licenceServer/observe/observed.ts';
import { statusOf } from '../../../operator/licenceServer/tell/status.ts';
import {
  answer,
  defaults,
  deployed,
  licenceServer,
  nowMs,
  observed,
  valid,
} from '../../unit/operator/licenceServer/world.ts';

/** What the operator says of a LicenceServer in the states of its life, made by its own code, and what others are to make of it. */
interface Life {
  readonly name: string;
  readonly object: LicenceServer;
  /** Argo CD's health. */
  readonly health: 'Progressing' | 'Healthy' | 'Degraded' | 'Suspended';
  /** kstatus, as Flux and Helm 4 have it. */
  readonly kstatus: 'InProgress' | 'Current' | 'Failed' | 'Terminating';
}

const say = (seen: Observed, spec: SpecInput = {}, before: Status = {}): LicenceServer => {
  const server = licenceServer(spec, { status: before });
  const judged = valid(server, seen);
  const decided = plan(judged, before, seen, defaults);
  return {
    ...server,
    status: statusOf(server, { valid: judged, observed: seen, plan: decided, before, refusals: [] }).status,
  };
};
const missing = (ms: number): Observed =>
  observed({
    copies: {},
    server: { kind: 'none' },
    atMs: nowMs + ms,
    keySources: [
      { name: 'erp', kind: 'fault', reason: 'SecretMissing', message: 'key erp: Secret keys does not exist' },
    ],
  });
function running(
  more: Partial<Observed> = {},
  deployment: Partial<NonNullable<Observed['deployment']>> = {},
): Observed {
  const fresh = observed({ copies: {}, server: { kind: 'none' } });
  const pod = plan(valid(licenceServer(), fresh), {}, fresh, defaults).pod;
  if (pod === undefined) throw new Error('nothing to run');
  const made = deployed(licenceServer(), pod, deployment);
  return observed({ copies: { [pod.keys]: { erp: 'd1' } }, deployment: made, ...more });
}
const settled = (): Status => {
  const first = say(running()).status ?? {};
  return say(running(), {}, first).status ?? {};
};
const wrongKey = observed({
  copies: {},
  server: { kind: 'none' },
  keySources: [{ name: 'erp', kind: 'fault', reason: 'KeyMalformed', message: 'key erp: no key' }],
});
const isAway = { settled: false, available: 0 };

export const lives: readonly Life[] = [
  {
    name: 'applied, and nobody has looked at it yet',
    object: licenceServer({}, { status: { observedGeneration: -1 } }),
    health: 'Progressing',
    kstatus: 'InProgress',
  },
  { name: 'its key has not arrived yet', object: say(missing(0)), health: 'Progressing', kstatus: 'InProgress' },
  {
    name: 'its key has not arrived for five minutes',
    object: say(missing(300_000), {}, say(missing(0)).status),
    health: 'Degraded',
    kstatus: 'Failed',
  },
  { name: 'its key has a typing error', object: say(wrongKey), health: 'Degraded', kstatus: 'Failed' },
  {
    name: 'its pod is on the way',
    object: say(running({ server: { kind: 'none' } }, isAway)),
    health: 'Progressing',
    kstatus: 'InProgress',
  },
  {
    name: 'its pod did not come up in ten minutes',
    object: say(
      running({ server: { kind: 'none' } }, { ...isAway, failure: 'ReplicaSet "x" has timed out progressing' }),
    ),
    health: 'Degraded',
    kstatus: 'Failed',
  },
  { name: 'it runs as asked', object: say(running(), {}, settled()), health: 'Healthy', kstatus: 'Current' },
  {
    name: 'it runs as asked, and every seat is taken',
    object: say(
      running({
        server: answer({
          products: [{ product: 'erp', seatLimit: 10, seatsInUse: 10, seatsStale: 0, holdersWaiting: 0 }],
        }),
      }),
      {},
      settled(),
    ),
    health: 'Healthy',
    kstatus: 'Current',
  },
  {
    name: 'a new key is refused, and the old one serves',
    object: say(
      running({
        keySources: [{ name: 'erp', kind: 'found', digest: 'd2', keyId: 'id-2' }],
        check: { kind: 'refused', key: 'erp', fault: { reason: 'KeyRevoked', message: 'ask for another' } },
      }),
      {},
      settled(),
    ),
    health: 'Degraded',
    kstatus: 'Failed',
  },
  {
    name: 'its spec was changed, and the operator is away',
    object: { ...licenceServer({}, { generation: 2, status: settled() }) },
    health: 'Progressing',
    kstatus: 'InProgress',
  },
  {
    name: 'it is suspended',
    object: say(
      running({ server: { kind: 'none' } }, { replicas: 0, available: 0 }),
      { suspend: true },
      say(running({ server: { kind: 'none' } }, { replicas: 0, available: 0 }), { suspend: true }, settled()).status,
    ),
    health: 'Suspended',
    kstatus: 'Current',
  },
  {
    name: 'it is being deleted',
    object: licenceServer({}, { deletionTimestamp: '2030-01-01T12:00:00Z', status: settled() }),
    health: 'Progressing',
    kstatus: 'Terminating',
  },
];
