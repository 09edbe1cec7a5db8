import type { Container, Picture, Pod } from '../../../../cli/kubectl/picture.ts';
import type { ServerStatus } from '../../../../licence/serverStatus.ts';
import type { LicenceServer, Status } from '../../../../operator/licenceServer/api/types.ts';

export const nowMs = Date.parse('2026-11-30T12:00:00Z');

const conditions = [
  { type: 'Ready', status: 'True', reason: 'Ready', message: 'the server runs as asked' },
  { type: 'Reconciling', status: 'False', reason: 'Settled', message: 'nothing is under way' },
  { type: 'Stalled', status: 'False', reason: 'NotStalled', message: 'nothing needs a person' },
].map((condition) => ({ ...condition, lastTransitionTime: '2026-11-01T00:00:00Z' })) as NonNullable<
  Status['conditions']
>;

export const serverOf = (status: Partial<Status> = {}, spec: object = {}, metadata: object = {}): LicenceServer => ({
  metadata: {
    name: 'office',
    namespace: 'accounting',
    uid: 'u',
    generation: 2,
    creationTimestamp: '2026-11-01T00:00:00Z',
    ...metadata,
  },
  spec: {
    keys: [{ name: 'erp', secretRef: { name: 'office-keys', key: 'erp' } }],
    activation: { authority: { url: 'https://cabinet.example.org' } },
    ...spec,
  },
  status: { observedGeneration: 2, conditions, seats: '1/5', seatsStale: 0, ...status },
});

export const answered: ServerStatus = {
  version: '1.2.3',
  startedAt: '2026-11-29T00:00:00Z',
  fingerprint: 'sha256:abc',
  products: [
    {
      product: 'erp',
      seatLimit: 5,
      seatsInUse: 1,
      seatsStale: 0,
      holdersWaiting: 0,
      supportUntil: '2027-11-30T00:00:00Z',
    },
  ],
  keys: [{ name: 'erp', keyId: 'qdjd9hq6bzww', state: 'Active', source: 'configuration', generation: 1 }],
};

export const containerOf = (over: Partial<Container> = {}): Container => ({
  name: 'server',
  image: 'licence-server:1.2.3',
  restarts: 0,
  waiting: undefined,
  lastEnd: undefined,
  ...over,
});
export const podOf = (over: Partial<Pod> = {}): Pod => ({
  name: 'office-7d4b-x2x4z',
  phase: 'Running',
  node: 'node-1',
  isTerminating: false,
  isReady: true,
  conditions: [],
  containers: [containerOf()],
  ...over,
});

export const pictureOf = (over: Partial<Picture> = {}): Picture => ({
  nowMs,
  server: serverOf(),
  operators: [{ namespace: 'licence-system', available: 1, watches: ['accounting'] }],
  deployment: { replicas: 1, ready: 1, conditions: [] },
  pods: [podOf()],
  claim: { name: 'office-data', phase: 'Bound', capacity: '1Gi', storageClass: 'fast', isTerminating: false },
  warnings: [],
  answer: { kind: 'answered', status: answered },
  unseen: [],
  ...over,
});
