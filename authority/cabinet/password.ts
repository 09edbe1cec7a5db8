import crypto from 'node:crypto';
import { promisify } from 'node:util';

/**
 * Passwords are kept as argon2id by Node's own implementation (OpenSSL's): no native package to build or to trust. Parameters are
 * OWASP's first choice for sign-ins; they stand in each hash, so that later ones may be stronger.
 */
const present = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const saltBytes = 16;
const hashBytes = 32;

type Parameters = { readonly [K in keyof typeof present]: number };

/** The hash of a password in the form of PHC: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = crypto.randomBytes(saltBytes);
  return `${head(present)}${base64(salt)}$${base64(await derived(password, salt, present))}`;
}

/** Whether it is the password of the hash. Takes as long for `undefined`, that of nobody, as for any other. */
export async function isPassword(password: string, hash: string | undefined): Promise<boolean> {
  const [, m, t, p, salt = '', kept = ''] = form.exec(hash ?? nobody) ?? [];
  if (m === undefined) throw new Error('a password hash in the database is damaged; restore it from a backup');
  const parameters = { memory: Number(m), passes: Number(t), parallelism: Number(p) };
  const given = await derived(password, Buffer.from(salt, 'base64'), parameters);
  const expected = Buffer.from(kept, 'base64');
  const same = expected.length === given.length && crypto.timingSafeEqual(expected, given);
  return same && hash !== undefined;
}

/** Whether a hash was made with other parameters than today's. */
export const isOutdated = (hash: string): boolean => !hash.startsWith(head(present));

const form = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/;
const head = ({ memory, passes, parallelism }: Parameters) =>
  `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$`;
const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
const nobody = `${head(present)}${base64(Buffer.alloc(saltBytes))}$${base64(Buffer.alloc(hashBytes))}`;

function derived(password: string, nonce: Buffer, { memory, passes, parallelism }: Parameters): Promise<Buffer> {
  if (typeof crypto.argon2 !== 'function')
    throw new Error('passwords need Node 24.7 or newer; run the authority with it');
  // the same letters from every keyboard
  const message = password.normalize('NFKC');
  return promisify(crypto.argon2)('argon2id', { message, nonce, memory, passes, parallelism, tagLength: hashBytes });
}
