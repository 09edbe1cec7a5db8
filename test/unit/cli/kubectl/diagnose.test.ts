import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { statusText } from '../../../../cli/kubectl/commands/status.ts';
import { diagnose } from '../../../../cli/kubectl/diagnose.ts';
import type { Picture } from '../../../../cli/kubectl/picture.ts';
import { keyFaultReasons } from '../../../../licence/keyFaults.ts';
import { repository } from '../../../support/sources.ts';
import { answered, containerOf, pictureOf, podOf, serverOf } from './pictures.ts';

const notReady = { deployment: { replicas: 1, ready: 0, conditions: [] }, answer: { kind: 'notAsked' } } as const;
const key = (state: 'Refused' | 'Pending', reason: string, message: string): Partial<Picture> => ({
  answer: {
    kind: 'answered',
    status: {
      ...answered,
      keys: [{ name: 'erp', keyId: 'k', state, source: 'configuration', fault: { reason: reason as never, message } }],
    },
  },
});
const product = (over: object): Partial<Picture> => ({
  answer: {
    kind: 'answered',
    status: {
      ...answered,
      products: [{ product: 'erp', seatLimit: 5, seatsInUse: 1, seatsStale: 0, holdersWaiting: 0, ...over }],
    },
  },
});
const condition = (type: string, reason: string, message: string) =>
  ({ type, status: 'True', reason, message, lastTransitionTime: '2026-11-30T00:00:00Z' }) as const;

/** What was seen → the first cause, its step, and what to do. */
const cases: [string, Partial<Picture>, string, RegExp, RegExp | undefined][] = [
  ['no operator', { operators: [] }, 'operator', /no operator is installed/, /install the chart/],
  [
    'an operator elsewhere',
    { operators: [{ namespace: 'sys', available: 1, watches: ['a', 'b'] }] },
    'operator',
    /no operator watches namespace accounting: that of sys watches a, b/,
    /watch\.namespaces/,
  ],
  [
    'an operator that is down',
    { operators: [{ namespace: 'sys', available: 0, watches: undefined }] },
    'operator',
    /operator in namespace sys is not available/,
    /describe/,
  ],
  [
    'an edit that nobody has seen',
    { server: serverOf({ observedGeneration: 1 }) },
    'operator',
    /has not seen the last change/,
    /log/,
  ],
  [
    'a name that is taken',
    {
      server: serverOf({ conditions: [condition('Stalled', 'NameTaken', 'Service office belongs to somebody else')] }),
    },
    'resource',
    /Service office belongs/,
    /another name than office/,
  ],
  [
    'a missing Secret',
    { server: serverOf({ conditions: [condition('Stalled', 'SecretMissing', 'Secret keys does not exist')] }) },
    'resource',
    /Secret keys does not exist/,
    /create the Secret/,
  ],
  [
    'a deletion',
    {
      server: serverOf(
        {},
        {},
        { deletionTimestamp: '2026-11-30T11:00:00Z', finalizers: ['licensing.softonit.ru/storage'] },
      ),
    },
    'resource',
    /being deleted, and waits for licensing/,
    /operator/,
  ],
  [
    'suspended',
    { server: serverOf({}, { suspend: true }), pods: [], ...notReady },
    'resource',
    /suspended/,
    /resume office/,
  ],
  [
    'a held rollout',
    { server: serverOf({ conditions: [condition('Reconciling', 'RolloutHeld', 'ImageChanged: waits for trade')] }) },
    'resource',
    /waits for trade/,
    /roll office/,
  ],
  [
    'a claim that goes',
    { claim: { name: 'office-data', phase: 'Bound', capacity: '1Gi', storageClass: 'fast', isTerminating: true } },
    'volume',
    /is being deleted: the data goes with the pod/,
    /copy the data first/,
  ],
  [
    'a class that does not exist',
    {
      ...notReady,
      claim: { name: 'office-data', phase: 'Pending', capacity: undefined, storageClass: 'gold', isTerminating: false },
      warnings: [
        {
          about: 'PersistentVolumeClaim office-data',
          reason: 'ProvisioningFailed',
          message: 'storageclass "gold" not found',
          at: '2026-11-30T11:59:00Z',
        },
      ],
      pods: [
        podOf({
          isReady: false,
          phase: 'Pending',
          node: undefined,
          containers: [],
          conditions: [{ type: 'PodScheduled', status: 'False', message: 'unbound claims' }],
        }),
      ],
    },
    'volume',
    /of class gold has no volume: storageclass "gold" not found/,
    /storageclass/,
  ],
  [
    'a volume that waits for the pod',
    {
      ...notReady,
      claim: { name: 'office-data', phase: 'Pending', capacity: undefined, storageClass: 'fast', isTerminating: false },
      pods: [
        podOf({
          isReady: false,
          phase: 'Pending',
          node: undefined,
          containers: [],
          conditions: [
            { type: 'PodScheduled', status: 'False', message: '0/1 nodes are available: 1 Insufficient memory.' },
          ],
        }),
      ],
    },
    'pod',
    /no node takes pod.*Insufficient memory/,
    /spec\.resources/,
  ],
  [
    'a quota',
    {
      ...notReady,
      pods: [],
      deployment: {
        replicas: 1,
        ready: 0,
        conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'forbidden: exceeded quota: q' }],
      },
    },
    'deployment',
    /refused: forbidden: exceeded quota/,
    /raise the quota/,
  ],
  [
    'an image',
    {
      ...notReady,
      pods: [
        podOf({
          isReady: false,
          phase: 'Pending',
          containers: [containerOf({ image: 'x:1', waiting: { reason: 'ImagePullBackOff', message: 'not found' } })],
        }),
      ],
    },
    'pod',
    /image x:1 cannot be pulled: not found/,
    /imagePullSecrets/,
  ],
  [
    'a crash',
    {
      ...notReady,
      pods: [
        podOf({
          isReady: false,
          containers: [
            containerOf({
              restarts: 4,
              waiting: { reason: 'CrashLoopBackOff', message: '' },
              lastEnd: { reason: 'Error', exitCode: 1, message: 'x\nDATABASE_URL: no such host' },
            }),
          ],
        }),
      ],
    },
    'pod',
    /ends again and again \(4 restarts\), last with status 1: DATABASE_URL/,
    /logs .* --previous/,
  ],
  [
    'too little memory',
    {
      ...notReady,
      pods: [
        podOf({
          isReady: false,
          containers: [
            containerOf({
              restarts: 4,
              waiting: { reason: 'CrashLoopBackOff', message: '' },
              lastEnd: { reason: 'OOMKilled', exitCode: 137, message: '' },
            }),
          ],
        }),
      ],
    },
    'pod',
    /want of memory/,
    undefined,
  ],
  [
    'a node that is gone',
    { ...notReady, pods: [podOf({ isTerminating: true, isReady: false })] },
    'pod',
    /does not go away from node node-1/,
    /out-of-service/,
  ],
  [
    'a volume on another node',
    {
      ...notReady,
      pods: [podOf({ isReady: false, phase: 'Pending', containers: [] })],
      warnings: [
        {
          about: 'Pod office-7d4b-x2x4z',
          reason: 'FailedAttachVolume',
          message: 'Multi-Attach error',
          at: '2026-11-30T11:59:00Z',
        },
      ],
    },
    'pod',
    /cannot be mounted: Multi-Attach/,
    /one node at a time/,
  ],
  [
    'a pod that says why',
    {
      ...notReady,
      pods: [podOf({ isReady: false })],
      answer: { kind: 'silent', message: 'its pod is not ready', health: 'the database does not answer' },
    },
    'pod',
    /not ready: the database does not answer/,
    /logs/,
  ],
  [
    'what the server says',
    { answer: { kind: 'answered', status: { ...answered, trouble: 'the volume is nearly full' } } },
    'server',
    /it says: the volume is nearly full/,
    /doctor/,
  ],
  [
    'a server that does not answer',
    { answer: { kind: 'silent', message: 'the licence server does not answer: reset', todo: 'try again' } },
    'server',
    /does not answer/,
    /try again/,
  ],
  [
    'a key of another computer',
    key('Refused', 'KeyBoundElsewhere', 'it is installed on another computer'),
    'keys',
    /another computer/,
    /regenerate office erp/,
  ],
  [
    'an authority out of reach',
    key('Pending', 'AuthorityUnreachable', 'cannot be reached (ENOTFOUND)'),
    'authority',
    /cabinet\.example\.org: cannot be reached/,
    /activation\.authority\.url/,
  ],
  [
    'no key at all',
    { answer: { kind: 'answered', status: { ...answered, keys: [], products: [] } } },
    'keys',
    /no key is installed/,
    /spec\.keys/,
  ],
  [
    'no seat',
    product({ seatsInUse: 5, holdersWaiting: 2 }),
    'seats',
    /all 5 seats of erp are taken, and 2 wait/,
    /licence seats office/,
  ],
  [
    'no seat because of silent bases',
    product({ seatsInUse: 5, seatsStale: 3 }),
    'seats',
    /3 of them by bases that have gone silent/,
    /clear-stale office/,
  ],
  ['stale seats', product({ seatsStale: 1 }), 'seats', /1 seat of erp is stale/, /clear-stale/],
  [
    'a seat rule that can never matter',
    { answer: { kind: 'answered', status: { ...answered, ruleDoubts: ['rule r1 can never matter', 'another'] } } },
    'rules',
    /^rule r1 can never matter \(and 1 more\)$/,
    /spec\.seats\.rules/,
  ],
  [
    'a backup that fails',
    {
      server: serverOf(
        {
          conditions: [
            {
              type: 'BackedUp',
              status: 'False',
              reason: 'BackupFailing',
              message: 'the bucket refuses',
              lastTransitionTime: '',
            },
          ],
        },
        { backup: { schedule: '0 3 * * *' } },
      ),
    },
    'backups',
    /^none is made: the bucket refuses$/,
    /tried again within the hour/,
  ],
  [
    'a term that has ended',
    product({ supportUntil: '2026-11-01T00:00:00Z' }),
    'support',
    /ended on 2026-11-01/,
    /rotate/,
  ],
];

const paused = serverOf({}, {}, { annotations: { 'licensing.softonit.ru/pause': 'true' } });
cases.push(
  [
    'a claim of ones own that is not there',
    { ...notReady, server: serverOf({}, { storage: { existingClaim: 'elsewhere' } }), claim: undefined, pods: [] },
    'volume',
    /does not exist/,
    /create the claim/,
  ],
  [
    'a pause before anything was made',
    { server: paused, claim: undefined, deployment: undefined, pods: [], answer: { kind: 'notAsked' } },
    'resource',
    /paused/,
    /unpause office/,
  ],
  [
    'a suspension before anything was made',
    {
      ...notReady,
      server: serverOf({}, { suspend: true }),
      pods: [],
      claim: { name: 'office-data', phase: 'Pending', capacity: undefined, storageClass: 'fast', isTerminating: false },
    },
    'resource',
    /suspended/,
    /resume/,
  ],
  [
    'a missing database Secret',
    { server: serverOf({ conditions: [condition('Stalled', 'DatabaseSecretMissing', 'Secret db does not exist')] }) },
    'resource',
    /Secret db/,
    /create the Secret/,
  ],
);

describe('what is wrong with a licence server', () => {
  it.each(cases)('%s', (_, over, step, says, todo) => {
    const { cause } = diagnose(pictureOf(over));
    expect(cause).toMatchObject({ step, says: expect.stringMatching(says) });
    if (todo === undefined) expect(cause?.todo ?? '').not.toBe(undefined);
    else expect(cause?.todo).toMatch(todo);
  });

  it('is nothing when all is well', () => {
    expect(diagnose(pictureOf()).steps.map(({ state }) => state)).toEqual(Array(10).fill('ok'));
  });

  it.each(keyFaultReasons)('%s of a key has its advice', (reason) => {
    const { steps } = diagnose(pictureOf(key('Refused', reason, 'x')));
    expect(steps.filter(({ todo }) => todo !== undefined).length).toBeGreaterThan(0);
  });

  it('calls a server that one may not ask neither well nor broken, and says whom to ask for what', () => {
    const refused = {
      kind: 'silent',
      message: 'you may not create pods/portforward',
      todo: 'ask for a Role',
      forbidden: true,
    };
    const { cause } = diagnose(pictureOf({ answer: refused as Picture['answer'] }));
    expect(cause).toEqual({ step: 'server', state: 'unknown', says: refused.message, todo: refused.todo });
    expect(statusText(pictureOf({ answer: refused as Picture['answer'] }))).toMatch(
      /^accounting\/office is well as far as you may see\n/,
    );
    expect(statusText(pictureOf({}))).toMatch(/^accounting\/office is well\n/);
  });
  it('never calls well what may not be seen', () => {
    const blind = pictureOf({
      operators: undefined,
      deployment: undefined,
      claim: undefined,
      pods: [],
      unseen: ['operators', 'deployments', 'persistentvolumeclaims', 'pods'],
      answer: { kind: 'notAsked' },
    });
    expect(
      diagnose(blind)
        .steps.filter(({ state }) => state === 'ok')
        .map(({ step }) => step),
    ).toEqual(['resource']);
  });
});

describe('the text of it', () => {
  it('says the cause first, then what to do, then all there is', () => {
    expect(`\n${statusText(pictureOf(product({ seatsInUse: 5, seatsStale: 3 })))}`).toBe(`
accounting/office: all 5 seats of erp are taken, 3 of them by bases that have gone silent
→ kubectl licence clear-stale office -n accounting

  operator     ok     it has seen the present spec
  resource     ok     the server runs as asked
  volume       ok     office-data is bound, 1Gi
  deployment   ok     1 of 1 pods ready
  pod          ok     office-7d4b-x2x4z is ready on node-1
  server       ok     version 1.2.3 answers
  keys         ok     erp Active, generation 1
  authority    ok     https://cabinet.example.org has activated every key
  seats        look   all 5 seats of erp are taken, 3 of them by bases that have gone silent
  support      ok     no term ends
`);
  });
});

it('what the operator says of a pod is told by the look at the pod, which has the advice', () => {
  const reasons = readFileSync(join(repository, 'operator/licenceServer/observe/noPod.ts'), 'utf8').matchAll(
    /reason: '([A-Z]\w+)'/g,
  );
  const names = [...new Set([...reasons].map(([, reason = '']) => reason))];
  expect(names.length).toBeGreaterThan(5);
  const pods = [
    podOf({
      isReady: false,
      phase: 'Pending',
      containers: [containerOf({ image: 'x:1', waiting: { reason: 'ImagePullBackOff', message: 'not found' } })],
    }),
  ];
  for (const reason of names) {
    const server = serverOf({ conditions: [condition('Reconciling', reason, 'words')] });
    expect(diagnose(pictureOf({ ...notReady, server, pods })).cause?.step, reason).toBe('pod');
  }
});
