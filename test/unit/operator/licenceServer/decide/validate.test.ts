import { describe, expect, test } from 'vitest';
import { readSpec } from '../../../../../operator/licenceServer/api/readSpec.ts';
import type { SpecInput } from '../../../../../operator/licenceServer/api/types.ts';
import { validate } from '../../../../../operator/licenceServer/decide/validate.ts';
import { licenceServer, observed } from '../world.ts';

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
