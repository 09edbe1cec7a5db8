import { describe, expect, test } from 'vitest';
import { createKey } from '../../../../../licence/key.ts';
import type { SpecInput } from '../../../../../operator/licenceServer/api/types.ts';
import { claimHolderOf, readSpec, validate } from '../../../../../operator/licenceServer/decide/validate.ts';
import { desiredKeysOf, readKeySource } from '../../../../../operator/licenceServer/observe/keySources.ts';
import { parseKeyCheck, parseServerStatus } from '../../../../../operator/licenceServer/observe/serverAnswer.ts';
import { licenceServer, observed, serverStatus } from '../world.ts';

const key = createKey(new Uint8Array(16).fill(7));
const base64 = (text: string) => Buffer.from(text).toString('base64');
const specKey = { name: 'erp', secretRef: { name: 'keys', key: 'erp' } };

describe('a referenced key', () => {
  test.each<[string, Record<string, string> | undefined, 'Online' | 'Offline', string]>([
    ['whose Secret is missing', undefined, 'Online', 'SecretMissing'],
    ['that its Secret lacks', { other: base64(key) }, 'Online', 'SecretKeyMissing'],
    ['that is empty', { erp: base64(' \n') }, 'Online', 'SecretKeyMissing'],
    ['without its activation, offline', { erp: base64(key) }, 'Offline', 'ActivationMissing'],
    ['that is no key', { erp: base64('hello') }, 'Online', 'KeyMalformed'],
  ])('%s is told by a reason and by name, never by its text', (_, data, mode, reason) => {
    const source = readKeySource(specKey, mode, data);
    expect(source).toMatchObject({ kind: 'fault', reason, message: expect.stringContaining('key erp:') });
    expect(JSON.stringify(source)).not.toContain('hello');
  });

  test('is known by its digest and keyId, whatever stands around it', () => {
    const source = readKeySource(specKey, 'Online', { erp: base64(`${key}\n`) });
    expect(source).toEqual(readKeySource(specKey, 'Online', { erp: base64(key) }));
    expect(source).toMatchObject({ kind: 'found', digest: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(JSON.stringify(source)).not.toContain(key.slice(0, 5));
  });

  test('makes another copy with another activation', () => {
    const copy = (activation: string) => {
      const source = readKeySource(specKey, 'Offline', { erp: base64(key), 'erp.activation': base64(activation) });
      const desired = desiredKeysOf('office', [source]);
      return desired.ok ? desired.copy : desired.reason;
    };
    expect(copy('a')).toMatch(/^office-keys-[0-9a-f]{10}$/);
    expect(copy('a')).not.toBe(copy('b'));
  });
});

describe('a LicenceServer', () => {
  test('is refused with the name of the field that is wrong', () => {
    const read = readSpec(licenceServer({ replicas: 0 }));
    expect(read).toMatchObject({
      ok: false,
      reason: 'SpecInvalid',
      message: expect.stringContaining('spec.replicas:'),
    });
  });

  test('is refused for a window that cannot be', () => {
    const windows = [{ schedule: '0 3 * * *', duration: '1h', timeZone: 'Mars/Olympus' }];
    const server = licenceServer({ staleSeats: { windows } });
    const read = readSpec(server);
    expect(read.ok && validate(server, read.spec, observed())).toMatchObject({ ok: false, reason: 'WindowInvalid' });
  });

  test('lacks what its pod could not start without', () => {
    const server = licenceServer();
    const read = readSpec(server);
    const missing = { kind: 'missing', message: 'ConfigMap vendor does not exist; create it' } as const;
    const validation = read.ok && validate(server, read.spec, observed({ trust: missing }));
    expect(validation).toMatchObject({ ok: true, valid: { missing: [{ reason: 'TrustedKeysMissing' }] } });
  });

  test('makes its identity once, and never another one by itself', () => {
    const judge = (status: object | undefined, annotations = {}) => {
      const server = licenceServer({}, { annotations, ...(status === undefined ? {} : { status }) });
      const read = readSpec(server);
      const validation = read.ok ? validate(server, read.spec, observed({ identityExists: false })) : undefined;
      return validation?.ok && [validation.valid.makesIdentity, validation.valid.missing[0]?.reason];
    };
    expect(judge(undefined)).toEqual([true, undefined]);
    expect(judge({ fingerprint: 'f' })).toEqual([false, 'IdentityLost']);
    expect(judge({ fingerprint: 'f' }, { 'licensing.softonit.ru/new-identity': 'accept' })).toEqual([true, undefined]);
  });

  test('gives way to an older one that uses its claim, and to no other', () => {
    const server = (name: string, creationTimestamp: string, existingClaim?: string) =>
      licenceServer(existingClaim === undefined ? {} : { storage: { existingClaim } }, {
        name,
        uid: name,
        creationTimestamp,
      });
    const holder = (mine: ReturnType<typeof server>, ...others: ReturnType<typeof server>[]) => {
      const read = readSpec(mine);
      return read.ok ? claimHolderOf(mine, read.spec, [mine, ...others]) : undefined;
    };
    const mine = server('b', '2030-01-02T00:00:00Z', 'shared');
    expect(holder(mine, server('a', '2030-01-01T00:00:00Z', 'shared'))).toBe('a');
    expect(holder(mine, server('a', '2030-01-01T00:00:00Z', 'other'))).toBeUndefined();
    expect(holder(mine, server('a', '2030-01-03T00:00:00Z', 'shared'))).toBeUndefined();
    expect(holder(mine, server('a', '2030-01-02T00:00:00Z', 'shared'))).toBe('a');
    expect(holder(server('b', '2030-01-02T00:00:00Z', 'a-data'), server('a', '2030-01-01T00:00:00Z'))).toBe('a');
    expect(holder(server('b', '2030-01-02T00:00:00Z'), server('a', '2030-01-01T00:00:00Z'))).toBeUndefined();
  });

  test.each<[string, boolean]>([
    ['true', true],
    ['yes', true],
    ['false', false],
    ['', false],
  ])('with the pause annotation "%s" is paused: %s', (value, paused) => {
    const server = licenceServer({} as SpecInput, { annotations: { 'licensing.softonit.ru/pause': value } });
    const read = readSpec(server);
    const validation = read.ok && validate(server, read.spec, observed());
    expect(validation).toMatchObject({ valid: { requests: { paused } } });
  });
});

describe("a server's answer", () => {
  test('is taken as agreed, with what a newer version adds left out', () => {
    expect(parseServerStatus({ ...serverStatus(), colour: 'blue' })).toEqual({ ok: true, value: serverStatus() });
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['a page', '<html>'],
    ['negative seats', { ...serverStatus(), products: [{ ...serverStatus().products[0], seatsStale: -1 }] }],
    ['seats in words', { ...serverStatus(), products: [{ ...serverStatus().products[0], seatLimit: 'many' }] }],
    ['a state of its own', { ...serverStatus(), keys: [{ state: 'Perhaps', source: 'configuration' }] }],
    [
      'ten thousand products',
      { ...serverStatus(), products: Array.from({ length: 10_000 }, () => serverStatus().products[0]) },
    ],
  ])('that is %s counts as none', (_, body) => {
    expect(parseServerStatus(body)).toMatchObject({ ok: false, message: expect.stringContaining('agreed form') });
  });

  test('to a check has to say whether the key is usable', () => {
    expect(parseKeyCheck({ usable: true, keyId: 'k' })).toEqual({ ok: true, value: { usable: true, keyId: 'k' } });
    expect(parseKeyCheck({ keyId: 'k' })).toMatchObject({ ok: false });
  });
});
