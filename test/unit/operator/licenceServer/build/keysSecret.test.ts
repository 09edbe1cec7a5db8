import { describe, expect, test } from 'vitest';
import { keysSecret } from '../../../../../operator/licenceServer/build/keysSecret.ts';
import {
  digestsOfCopy,
  type KeyOrigin,
  keySourceToldBy,
  versionOf,
} from '../../../../../operator/licenceServer/observe/keysCopy.ts';

const owner = { name: 'office', namespace: 'accounting', uid: 'u1' };
const source = { metadata: { name: 'keys', uid: 's1', resourceVersion: '7' } };
const version = versionOf(source) ?? '';
const origin: KeyOrigin = { from: 'keys\nOnline\nerp', version, digest: 'd1', keyId: 'k1' };
const copy = keysSecret(owner, 'office-keys-1', { erp: 'text' }, { erp: 'd1' }, { erp: origin });
const read = (annotations: Record<string, string> | undefined, from = origin.from, of: string | undefined = version) =>
  keySourceToldBy([{ metadata: { name: 'c', ...(annotations && { annotations }) } }], 'erp', from, of);

describe('a keys copy', () => {
  test('tells what each key was, and of which version of which Secret', () => {
    expect(read(copy.metadata.annotations)).toEqual({ name: 'erp', kind: 'found', digest: 'd1', keyId: 'k1' });
    expect(digestsOfCopy(copy.metadata.annotations)).toEqual({ erp: 'd1' });
    expect(JSON.stringify(copy.metadata)).not.toContain('text');
  });

  test('tells nothing of another version, a Secret made anew, another place in it, or another key', () => {
    const { annotations } = copy.metadata;
    const anew = { metadata: { ...source.metadata, uid: 's2' } };
    expect(read(annotations, origin.from, 's1/8')).toBeUndefined();
    expect(read(annotations, origin.from, versionOf(anew))).toBeUndefined();
    expect(read(annotations, 'keys\nOffline\nerp')).toBeUndefined();
    expect(keySourceToldBy([copy], 'crm', origin.from, version)).toBeUndefined();
    // One that is only in a file has no version yet.
    expect(versionOf({ metadata: { name: 'keys' } })).toBeUndefined();
    expect(keySourceToldBy([copy], 'erp', origin.from, undefined)).toBeUndefined();
  });

  test.each([
    ['none', undefined],
    ['no JSON', '{'],
    ['a list', '[]'],
    ['null for the key', '{"erp":null}'],
    ['a text for the key', '{"erp":"x"}'],
    ['no digest', JSON.stringify({ erp: { ...origin, digest: undefined } })],
    ['a number for the key id', JSON.stringify({ erp: { ...origin, keyId: 1 } })],
  ])('whose annotation is %s tells nothing, and the Secret is read', (_, text) => {
    const name = Object.keys(copy.metadata.annotations ?? {}).find((n) => n.endsWith('/key-origins')) ?? '';
    expect(read(text === undefined ? undefined : { [name]: text })).toBeUndefined();
  });
});
