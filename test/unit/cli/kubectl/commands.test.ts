import { describe, expect, it } from 'vitest';
import { isOfNobody } from '../../../../cli/kubectl/commands/assignments.ts';
import { listAnswer } from '../../../../cli/kubectl/commands/list.ts';
import { regenerationProgress } from '../../../../cli/kubectl/commands/newKey.ts';
import { rotationProgress } from '../../../../cli/kubectl/commands/rotate.ts';
import { rulesIn, simulatedAnswer } from '../../../../cli/kubectl/commands/simulate.ts';
import { exitStatus } from '../../../../cli/kubectl/exitStatus.ts';
import { faultOf } from '../../../../cli/kubectl/faultOf.ts';
import { ageOf, textOf } from '../../../../cli/kubectl/output.ts';
import { gitOpsOwnerOf } from '../../../../cli/kubectl/ownedByGitOps.ts';
import { createProgram } from '../../../../cli/kubectl/program.ts';
import { redact } from '../../../../cli/kubectl/redact.ts';
import { refusalOf } from '../../../../cli/kubectl/serverLink.ts';
import { summaryOf } from '../../../../licence/simulationText.ts';
import { ApiError } from '../../../../operator/kube/apiError.ts';
import { KubeconfigFault } from '../../../../operator/kube/kubeconfigFault.ts';
import { nowMs, serverOf } from './pictures.ts';

const rotation = {
  copy: 'office-keys-b',
  key: 'erp',
  startedAt: '2026-11-30T11:00:00Z',
  phaseAt: '2026-11-30T11:00:00Z',
  attempts: 1,
};
const before = serverOf({ rotation: { ...rotation, copy: 'office-keys-a', phase: 'Active' } });

describe('a simulation', () => {
  const side = { refused: 0, unmet: 0, peak: 22, longestWaitSeconds: 0 };
  const busy = { refused: 12, unmet: 9, peak: 30, longestWaitSeconds: 1_500 };
  const result = {
    ...{ product: 'erp', from: '', to: '', events: 9, needed: 36 },
    today: { ...busy, seats: 30 },
    other: { ...side, peak: 36, seats: 40 },
    days: [{ day: '2026-03-02', today: busy, other: { ...side, peak: 36 } }],
  };
  it('is a row a day, with what was before what would have been, and a sentence', () => {
    expect(textOf(simulatedAnswer(result), 'table').split('\n')).toEqual([
      'DAY          REFUSED   UNMET   PEAK      LONGEST WAIT',
      '2026-03-02   12 → 0    9 → 0   30 → 36   25m → 0s',
      'all          12 → 0    9 → 0   30 → 36   25m → 0s',
      '',
    ]);
    expect(summaryOf(result)).toBe("erp with 40 seats beside today's 30; with 36 nobody would have waited for one");
    expect(JSON.parse(textOf(simulatedAnswer(result), 'json'))).toEqual(result);
  });
  it('takes rules from a list or from a LicenceServer, those of its product', () => {
    const rules = '- {name: a, product: erp, max: 3}\n- {name: b, product: trade, max: 1}\n';
    const expected = [{ name: 'a', product: 'erp', max: 3 }];
    expect(rulesIn(rules, 'f', 'erp')).toEqual(expected);
    expect(rulesIn(`spec:\n  seats:\n    rules:\n${rules.replace(/^/gm, '    ')}`, 'f', 'erp')).toEqual(expected);
    expect(rulesIn('spec: {}', 'f', 'erp')).toEqual([]);
    expect(() => rulesIn('max: 3', 'f', 'erp')).toThrow('f has no list of rules');
    expect(() => rulesIn('{', 'f', 'erp')).toThrow(/^f is no YAML: /);
  });
});

describe('a rotation', () => {
  const at = (over: object, keys: object[] = []) =>
    rotationProgress(
      before,
      'erp',
      'new',
    )(serverOf({ rotation: { ...rotation, ...over } as never, keys: keys as never }));
  it('is not done before the operator has seen it', () => {
    expect(
      at({ copy: 'office-keys-a', phase: 'Active' }, [{ name: 'erp', keyId: 'old', state: 'Active' }]),
    ).toMatchObject({ done: false });
  });
  it('is done when the new key is active, not the old one', () => {
    expect(at({ phase: 'Active' }, [{ name: 'erp', keyId: 'old', state: 'Active' }])).toMatchObject({ done: false });
    expect(at({ phase: 'Active' }, [{ name: 'erp', keyId: 'new', state: 'Active' }])).toMatchObject({ done: true });
    expect(at({ phase: 'Proving' }, [{ name: 'erp', keyId: 'new', state: 'Active' }])).toMatchObject({ done: false });
  });
  it('ends without a proof when the key is refused, and waits while that may pass', () => {
    expect(at({ phase: 'Staged', reason: 'KeyRevoked', message: 'revoked' })).toMatchObject({
      done: 'never',
      says: 'not proven, the running key stays: revoked',
    });
    expect(at({ phase: 'RolledBack', reason: 'KeyBoundElsewhere', message: 'elsewhere' })).toMatchObject({
      done: 'never',
      says: 'not proven, the previous key was put back: elsewhere',
    });
    expect(at({ phase: 'Staged', reason: 'AuthorityUnreachable', message: 'away' })).toMatchObject({ done: false });
    expect(at({ phase: 'Checked', reason: 'WaitingForWindow', message: 'opens at 3' })).toMatchObject({ done: false });
  });
  it('ends when a first key is refused, which has nothing to go back to, and not for one of before', () => {
    const refused = { phase: 'Proving', reason: 'KeyBoundElsewhere', message: 'elsewhere' };
    expect(at(refused, [{ name: 'erp', keyId: 'new', state: 'Refused' }])).toMatchObject({
      done: 'never',
      says: 'not proven, and there is no key to go back to: elsewhere',
      todo: expect.stringContaining('kubectl licence regenerate'),
    });
    expect(at(refused, [{ name: 'erp', keyId: 'old', state: 'Refused' }])).toMatchObject({ done: false });
    const passing = { ...refused, reason: 'AuthorityUnreachable' };
    expect(at(passing, [{ name: 'erp', keyId: 'new', state: 'Refused' }])).toMatchObject({ done: false });
  });
  it('follows a new key from the request to the proof', () => {
    const follow = regenerationProgress(before, 'erp@1', 'erp');
    const asked = { request: 'erp@1', key: 'erp', phaseAt: rotation.phaseAt, attempts: 0 };
    expect(follow(before)).toMatchObject({ done: false });
    expect(
      follow(serverOf({ regeneration: { ...asked, phase: 'Refused', message: 'three this month' } })),
    ).toMatchObject({ done: 'never' });
    const made = { ...asked, phase: 'Made' as const, newKeyId: 'new', regenerationsLeft: 2 };
    expect(follow(serverOf({ regeneration: made, rotation: { ...rotation, phase: 'Proving' } }))).toMatchObject({
      done: false,
    });
    expect(
      follow(
        serverOf({
          regeneration: made,
          rotation: { ...rotation, phase: 'Active' },
          keys: [{ name: 'erp', keyId: 'new', state: 'Active' }],
        }),
      ),
    ).toMatchObject({ done: true, says: expect.stringMatching(/office-regenerated-new.*2 regenerations left/) });
  });
});

describe('the list', () => {
  it('has the worst first', () => {
    const named = (name: string, ready: 'True' | 'False', stalled: 'True' | 'False', over = {}) =>
      serverOf(
        {
          conditions: [
            ['Ready', ready],
            ['Stalled', stalled],
          ].map(([type, status]) => ({ type, status, reason: 'R', message: 'm', lastTransitionTime: 't' })) as never,
          ...over,
        },
        {},
        { name },
      );
    const answer = listAnswer(
      [
        named('well', 'True', 'False'),
        named('waits', 'False', 'False'),
        named('stuck', 'False', 'True'),
        named('unseen', 'True', 'False', { observedGeneration: 1 }),
      ],
      true,
      nowMs,
    );
    expect(answer.rows.map((row) => row[1])).toEqual(['stuck', 'unseen', 'waits', 'well']);
    expect(textOf(answer, 'name').split('\n')[0]).toBe('licenceserver.licensing.softonit.ru/stuck');
    expect(textOf(answer, 'table')).not.toContain('MESSAGE');
    expect(textOf(answer, 'wide')).toContain('MESSAGE');
    expect(JSON.parse(textOf(answer, 'json'))).toHaveLength(4);
  });
  it('tells ages as kubectl does', () => {
    const ago = (seconds: number) => ageOf(new Date(nowMs - seconds * 1_000).toISOString(), nowMs);
    expect([5, 119, 120, 7_199, 7_200, 172_799, 172_800].map(ago)).toEqual([
      '5s',
      '119s',
      '2m',
      '119m',
      '2h',
      '47h',
      '2d',
    ]);
  });
});

describe('a report', () => {
  it('has no secret in any of its forms', () => {
    const token = 'orB3dlOBWt3FU5iG7Lu95fspAZ0a4Lt9zu4QZP_KG1Q';
    const texts = [
      token,
      Buffer.from(token).toString('base64'),
      'JC23Q-B0ZAP-77W2B-DJY39-X36BE-X7J35',
      'postgres://u:hunter22@db/x',
      'authorization: Bearer something-else',
      '{"authorization":"Bearer something-else"}',
      'eyJhbGciOiJFZDI1NTE5In0.eyJhIjoxfQ.c2lnbmF0dXJl',
      '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ\n-----END PRIVATE KEY-----',
    ];
    const clean = redact(texts.join('\n'), [`${token}\nsecond-line-token`]);
    for (const secret of [token, 'JC23Q', 'hunter22', 'something-else', 'eyJhIjoxfQ', 'MC4CAQAwBQ'])
      expect(clean).not.toContain(secret);
    expect(redact('second-line-token', [`${token}\nsecond-line-token`])).toBe('[secret]');
    expect(redact('the key is active, see 2026-11-30', ['a', ''])).toBe('the key is active, see 2026-11-30');
  });
});

describe('whose an object is', () => {
  const owned = (metadata: object) => gitOpsOwnerOf({ metadata: { name: 'x', ...metadata } });
  it.each([
    [{ annotations: { 'argocd.argoproj.io/tracking-id': 'a:b' } }, /Argo CD/],
    [{ labels: { 'kustomize.toolkit.fluxcd.io/name': 'apps' } }, /Flux/],
    [
      { ownerReferences: [{ apiVersion: 'v1', kind: 'ExternalSecret', name: 'keys', uid: 'u' }] },
      /ExternalSecret keys/,
    ],
    [{ managedFields: [{ manager: 'argocd-controller' }] }, /Argo CD/],
  ])('%j', (metadata, who) => expect(owned(metadata)).toMatch(who));
  it('nobody', () =>
    expect(owned({ managedFields: [{ manager: 'kubectl-client-side-apply' }], labels: { app: 'x' } })).toBeUndefined());
});

describe('what went wrong', () => {
  const refused = (status: number, message: string) =>
    faultOf(
      new ApiError('GET /apis', {
        status,
        reason: 'Forbidden',
        message,
        retryAfterSeconds: undefined,
        details: undefined,
      }),
    );
  it('names the missing right and whom to ask for what', () => {
    const fault = refused(
      403,
      'pods "x" is forbidden: User "anna" cannot create resource "pods/portforward" in API group "" in the namespace "accounting"',
    );
    expect(fault).toMatchObject({
      exit: exitStatus.forbidden,
      message: 'you may not create pods/portforward in namespace accounting',
    });
    expect(fault.todo).toContain('resources ["pods/portforward"], verbs ["create"]');
  });
  it('tells a cluster without LicenceServers from one that does not answer', () => {
    expect(
      faultOf(
        new ApiError('GET /apis/licensing.softonit.ru/v1beta1/licenceservers', {
          status: 404,
          reason: 'NotFound',
          message: 'x',
          retryAfterSeconds: undefined,
          details: undefined,
        }),
      ).message,
    ).toMatch(/does not know LicenceServers/);
    expect(faultOf(new Error('connect ECONNREFUSED 127.0.0.1:6443')).message).toMatch(/the cluster does not answer/);
  });
  it.each<[string, object, RegExp, RegExp, number]>([
    [
      'unable to verify the first certificate; if the root CA is installed locally, try --use-system-ca',
      { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
      /^the cluster is not the one that the kubeconfig knows: unable to verify the first certificate$/,
      /context/,
      exitStatus.failed,
    ],
    [
      'spawn corp-login ENOENT',
      new KubeconfigFault('NoCredentials', ''),
      /^you cannot be signed in to the cluster: spawn corp-login ENOENT$/,
      /sign in anew/,
      exitStatus.forbidden,
    ],
    [
      'context "a" is for user "b", whom the kubeconfig does not have',
      new KubeconfigFault('NoUser', ''),
      /^context "a"/,
      /--context/,
      exitStatus.failed,
    ],
    [
      "ENOENT: no such file, open '/no/x'",
      { code: 'ENOENT', syscall: 'open', path: '/no/x' },
      /^\/no\/x cannot be opened \(ENOENT\)$/,
      /name a file/,
      exitStatus.failed,
    ],
    [
      'listen EADDRINUSE: 127.0.0.1:22',
      { code: 'EADDRINUSE', syscall: 'listen', port: 22 },
      /^port 22 of this computer cannot be had/,
      /another/,
      exitStatus.failed,
    ],
  ])('says in one sentence what to do: %s', (message, more, says, todo, exit) => {
    const fault = faultOf(
      Object.assign(more instanceof Error ? more : new Error(), { message }, more instanceof Error ? {} : more),
    );
    expect(fault).toMatchObject({ message: expect.stringMatching(says), todo: expect.stringMatching(todo), exit });
  });
});

it('a refusal of the server is its own words; an older server and a token that it does not take say what to do', () => {
  expect(refusalOf(404, { reason: 'RouteUnknown', detail: 'x' })).toMatchObject({
    message: expect.stringMatching(/older version/),
    todo: 'upgrade it',
  });
  expect(refusalOf(404, 'no such page').message).toMatch(/older version/);
  expect(refusalOf(404, { reason: 'LeaseUnknown', detail: 'there is no such lease' }).message).toBe(
    'the licence server refuses: there is no such lease (LeaseUnknown)',
  );
  expect(refusalOf(401, { reason: 'Unauthorized', detail: 'x' })).toMatchObject({
    message: expect.stringMatching(/does not take the token/),
    todo: expect.stringMatching(/in a minute/),
  });
});

it('every command has a description and says its options', () => {
  const { commands } = createProgram();
  expect(commands.length).toBeGreaterThan(20);
  for (const command of commands.filter((one) => !one.name().startsWith('__')))
    expect(command.description(), command.name()).not.toBe('');
});

it('a table of users that came out empty is told from one of somebody', () => {
  for (const empty of ['', '\n \r\n', '\ufeff', 'user\n', '\ufeffUser,assignedAt\r\n', 'assignedAt;"user"\n'])
    expect(isOfNobody(empty), JSON.stringify(empty)).toBe(true);
  for (const table of ['anna', 'user\nanna\n', '"anna"', 'superuser\n', 'anna;x\nboris'])
    expect(isOfNobody(table), JSON.stringify(table)).toBe(false);
});
