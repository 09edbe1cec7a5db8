import { describe, expect, it } from 'vitest';
import { readDatabase } from '../../../../../operator/licenceServer/observe/databaseSecret.ts';
import { isOfParts } from '../../../../../operator/licenceServer/pod/databaseParts.ts';

const ref = { name: 'licences-app', key: 'uri' };
const encoded = (data: Record<string, string>) =>
  Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]));
/** What CloudNativePG puts into the Secret of an application. */
const cloudNative = {
  username: 'app',
  user: 'app',
  password: 'p:/@1',
  dbname: 'app',
  host: 'licences-rw',
  port: '5432',
  uri: 'postgresql://app:p%3A%2F%401@licences-rw:5432/app',
};
const { uri: _, ...parts } = cloudNative;
const read = (data: Record<string, string> | undefined, salt = 'u1') =>
  readDatabase(ref, data === undefined ? undefined : encoded(data), salt);
const digest = (data: Record<string, string>, salt?: string) => {
  const found = read(data, salt);
  return found.kind === 'found' ? found.digest : undefined;
};

describe('the Secret of an external database', () => {
  it('may hold a connection URI', () => {
    expect(digest(cloudNative)).toMatch(/^[0-9a-f]{10}$/);
    expect(isOfParts(digest(cloudNative))).toBe(false);
  });

  it('may hold its parts, with or without a port', () => {
    expect(digest(parts)).toMatch(/^parts-[0-9a-f]{10}$/);
    expect(isOfParts(digest(parts))).toBe(true);
    const { port: __, ...rest } = parts;
    expect(isOfParts(digest(rest))).toBe(true);
  });

  it.each(['host', 'port', 'user', 'password', 'dbname'])('has another digest when %s changes', (key) => {
    expect(digest({ ...parts, [key]: '9' })).not.toBe(digest(parts));
  });

  it('has the same digest when something changes that is not used, and another for another server', () => {
    expect(digest({ ...parts, username: 'x' })).toBe(digest(parts));
    expect(digest({ ...cloudNative, password: 'x' })).toBe(digest(cloudNative));
    expect(digest(parts, 'u2')).not.toBe(digest(parts));
  });

  it('is missed with what to do', () => {
    expect(read(undefined)).toEqual({ kind: 'missing', message: 'Secret licences-app does not exist; create it' });
    expect(read({})).toEqual({
      kind: 'missing',
      message:
        'Secret licences-app has nothing under "uri"; add a connection URI there, or host, user, password and dbname',
    });
    expect(read({ host: 'a', user: 'b', dbname: 'c' })).toMatchObject({
      message: expect.stringMatching(/, or password$/),
    });
  });
});
