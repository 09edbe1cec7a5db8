import { digestOf } from '../api/digest.ts';
import { databaseParts, partsMark } from '../pod/databaseParts.ts';
import type { Found } from './found.ts';
import type { SecretData } from './keySources.ts';

/**
 * Where an external database is, from its Secret: a connection URI under the key that the spec names or, where there is
 * none, its parts. Pure. A URI wins over parts.
 * @param salt so that equal passwords do not look equal
 */
export function readDatabase(
  ref: { readonly name: string; readonly key: string },
  data: SecretData,
  salt: string,
): Found {
  if (data === undefined) return { kind: 'missing', message: `Secret ${ref.name} does not exist; create it` };
  const uri = data[ref.key];
  if (uri !== undefined && uri !== '') {
    return { kind: 'found', digest: digestOf([salt, Buffer.from(uri, 'base64').toString('utf8')], 10) };
  }
  const needed = [databaseParts.PGHOST, databaseParts.PGUSER, databaseParts.PGPASSWORD, databaseParts.PGDATABASE];
  const absent = needed.filter((key) => (data[key] ?? '') === '');
  if (absent.length === 0) {
    const values = Object.values(databaseParts).map((key) => data[key] ?? '');
    return { kind: 'found', digest: `${partsMark}${digestOf([salt, ...values], 10)}` };
  }
  const parts = absent.length === needed.length ? `host, user, password and dbname` : absent.join(', ');
  return {
    kind: 'missing',
    message: `Secret ${ref.name} has nothing under "${ref.key}"; add a connection URI there, or ${parts}`,
  };
}
