import { describe, expect, test } from 'vitest';
import { createKey } from '../../../../../licence/key.ts';
import { desiredKeysOf, readKeySource } from '../../../../../operator/licenceServer/observe/keySources.ts';

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
