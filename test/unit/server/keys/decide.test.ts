import { describe, expect, it } from 'vitest';
import type { ActivationPayload } from '../../../../licence/authorityWire.ts';
import { createKey, keyIdOf, parseKey } from '../../../../licence/key.ts';
import type { KeyFault } from '../../../../licence/keyFaults.ts';
import { decideKeys, type JudgedFile, type JudgedKey, type Situation } from '../../../../server/keys/decide.ts';

const now = Date.parse('2026-06-01T00:00:00Z');
const keys = [0, 1, 2].map((n) => createKey(Buffer.alloc(16, n)));
const [keyA = '', keyB = '', keyC = ''] = keys;
const [idA, idB, idC] = [keyIdOf(keyA), keyIdOf(keyB), keyIdOf(keyC)];

const activation = (keyId: string, licenceId: string, more: Partial<ActivationPayload> = {}): ActivationPayload => ({
  keyId,
  generation: 1,
  fingerprint: `sha256:${'0'.repeat(64)}`,
  serverPublicKey: 'A'.repeat(43),
  issuedAt: '2026-01-01T00:00:00Z',
  sequence: 1,
  entitlements: { licenceId, organisation: 'R', product: 'erp', seatLimit: 10, supportPolicy: 'warn', features: [] },
  ...more,
});
const file = (name: string, a: ActivationPayload | KeyFault): JudgedFile => ({
  name,
  verified: 'reason' in a ? { ok: false, ...a } : { ok: true, activation: a },
});
const configured = (name: string, text: string): JudgedKey => ({ name, parsed: parseKey(text) });
const situation = (more: Partial<Situation>): Situation => ({
  clockMs: now,
  latestMs: now,
  configured: [],
  files: [],
  records: {},
  sequenceOf: () => 0,
  attempts: new Map(),
  canAsk: true,
  toReactivate: [],
  ...more,
});
const decided = (more: Partial<Situation>) => decideKeys(situation(more));
const states = (more: Partial<Situation>) => decided(more).keys.map((k) => [k.name ?? k.keyId, k.state]);
const fromConfiguration = { source: 'configuration' as const, sequence: 1 };

describe('deciding what to do with keys', () => {
  it('is nothing without keys', () => {
    expect(decided({})).toEqual({ actions: [], keys: [], licences: [] });
  });

  it('is to activate what is configured and has no file', () => {
    expect(decided({ configured: [configured('a', keyA)] }).actions).toEqual([
      { do: 'activate', keyId: idA, key: keyA },
    ]);
    expect(decided({ configured: [configured('a', keyA)], canAsk: false }).actions).toEqual([]);
  });

  it("does not take another key's activation for it, whatever the file is called", () => {
    const given = { configured: [configured('a', keyA)], files: [file(idA, activation(idB, 'lic-b'))] };
    expect(decided(given).actions).toEqual([{ do: 'activate', keyId: idA, key: keyA }]);
    expect(decided(given).licences).toEqual([]);
  });

  it('waits for the time of the next attempt, and tells it', () => {
    const fault: KeyFault = { reason: 'AuthorityUnreachable', message: 'away' };
    const attemptAt = (nextAtMs: number) =>
      decided({ configured: [configured('a', keyA)], attempts: new Map([[idA, { fault, nextAtMs }]]) });
    expect(attemptAt(now + 1)).toMatchObject({ actions: [], wakeAtMs: now + 1, keys: [{ state: 'Pending', fault }] });
    expect(attemptAt(now)).toMatchObject({ actions: [{ do: 'activate' }] });
  });

  it('tells a fault that may pass from one that will not', () => {
    const stateFor = (reason: KeyFault['reason']) =>
      states({
        configured: [configured('a', keyA)],
        attempts: new Map([[idA, { fault: { reason, message: '' }, nextAtMs: now + 1 }]]),
      });
    expect(stateFor('AuthorityUnreachable')).toEqual([['a', 'Pending']]);
    expect(stateFor('KeyRevoked')).toEqual([['a', 'Refused']]);
  });

  it('is to throw away what configuration has dropped, once all that it names is active', () => {
    const files = [file(idA, activation(idA, 'lic-a')), file(idB, activation(idB, 'lic-b'))];
    const records = { [idA]: fromConfiguration, [idB]: fromConfiguration };
    const one = { configured: [configured('b', keyB)], files, records };
    expect(decided(one)).toMatchObject({ actions: [{ do: 'remove', name: idA }], licences: [{ licenceId: 'lic-b' }] });
    const waiting = { ...one, configured: [configured('b', keyB), configured('c', keyC)] };
    expect(decided(waiting).actions).toEqual([{ do: 'activate', keyId: idC, key: keyC }]);
    expect(decided(waiting).licences).toHaveLength(2);
    expect(states(waiting)).toEqual([
      ['b', 'Active'],
      ['c', 'Pending'],
      [idA, 'Superseded'],
    ]);
  });

  it.each(['web', 'api', 'file'] as const)('is never to throw away what came by %s', (source) => {
    const files = [file(idA, activation(idA, 'lic-a')), file(idB, activation(idB, 'lic-b'))];
    const records = { [idA]: { source, sequence: 1 }, [idB]: fromConfiguration };
    expect(decided({ configured: [configured('b', keyB)], files, records }).actions).toEqual([]);
  });

  it('shows a key of a person as superseded when a newer one of its licence counts', () => {
    const files = [file(idA, activation(idA, 'lic')), file(idB, activation(idB, 'lic', { generation: 2 }))];
    const records = { [idA]: { source: 'web' as const, sequence: 1 }, [idB]: { source: 'web' as const, sequence: 1 } };
    expect(states({ files, records })).toEqual([
      [idA, 'Superseded'],
      [idB, 'Active'],
    ]);
    expect(decided({ files, records }).licences).toMatchObject([{ keyId: idB }]);
  });

  it('is to take a file into the records that nobody has noted', () => {
    const given = { configured: [configured('a', keyA)], files: [file(idA, activation(idA, 'lic'))] };
    expect(decided(given).actions).toEqual([{ do: 'adopt', keyId: idA }]);
    expect(decided({ ...given, records: { [idA]: fromConfiguration } }).actions).toEqual([]);
  });

  it('asks once for a key that two names share', () => {
    expect(decided({ configured: [configured('a', keyA), configured('b', keyA)] }).actions).toHaveLength(1);
  });

  it('installs a newer activation that lies beside the key, not an older one', () => {
    const beside = (sequence: number): Partial<Situation> => ({
      configured: [
        {
          ...configured('a', keyA),
          offline: { text: 'jws', verified: { ok: true, activation: activation(idA, 'lic', { sequence }) } },
        },
      ],
      files: [file(idA, activation(idA, 'lic', { sequence: 5 }))],
      records: { [idA]: fromConfiguration },
    });
    expect(decided(beside(6)).actions).toEqual([{ do: 'install', keyId: idA, activation: 'jws' }]);
    expect(decided(beside(5)).actions).toEqual([]);
    expect(states(beside(4))).toEqual([['a', 'Active']]);
  });

  it('gives the budget back with the new month', () => {
    const records = {
      [idA]: { ...fromConfiguration, regenerationsLeft: 0, regenerationsResetAt: '2026-06-01T00:00:00Z' },
    };
    const given = { configured: [configured('a', keyA)], files: [file(idA, activation(idA, 'lic'))], records };
    expect(decided(given).keys).toMatchObject([{ regenerationsLeft: 3, regenerationsResetAt: '2026-07-01T00:00:00Z' }]);
    expect(decided({ ...given, latestMs: now - 1 }).keys).toMatchObject([{ regenerationsLeft: 0 }]);
  });
});
