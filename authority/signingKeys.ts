import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type PublicJwk, publicJwk } from '../licence/jwks.ts';
import { createKeySet } from '../licence/keySet.ts';
import { momentOf } from '../licence/moment.ts';
import { readSmallFile } from '../runtime/smallFile.ts';

/**
 * The keys that sign activations. A rollover has three steps, so that no server ever meets an unknown key: `add` publishes
 * the next one, everybody takes up the published set, `activate` signs with it. The one before stays published, since
 * activations signed by it are in use.
 */
export interface SigningKeys {
  /** The key in force. */
  active(): { readonly kid: string; readonly privateKey: KeyObject };
  /** The public set, `/.well-known/jwks.json`. */
  jwks(): { readonly keys: readonly PublicJwk[] };
  /** The public set, signed by one of its keys (see licence/keySet.ts); undefined: there is no such key. */
  keySet(kid: string): string | undefined;
  list(): readonly { readonly kid: string; readonly state: SigningKeyState; readonly createdAt: string }[];
  /** Makes and publishes a key that does not sign yet; answers its kid. One change at a time: the caller sees to it. */
  add(nowMs: number): Promise<string>;
  /** Signs with a published key from now on. */
  activate(kid: string): Promise<'activated' | 'unknown'>;
  /**
   * Takes a key out of the set for good, since it was stolen: what it has signed counts nowhere that follows the set. The
   * one in force stays: activate another one first.
   */
  withdraw(kid: string): Promise<'withdrawn' | 'unknown' | 'active'>;
  /** Reads the file again if it has changed: another replica may have written it. */
  reload(): Promise<void>;
}
type SigningKeyState = 'next' | 'active' | 'retired';

const stored = z.object({
  keys: z.array(
    z.object({
      kty: z.literal('OKP'),
      crv: z.literal('Ed25519'),
      x: z.string(),
      d: z.string(),
      kid: z.string(),
      state: z.enum(['next', 'active', 'retired']),
      createdAt: z.string(),
    }),
  ),
});
type StoredKey = z.infer<typeof stored>['keys'][number];

/** Two files within one tick of the clock differ by their inode at least. */
async function stampOf(path: string): Promise<string> {
  const { ino, mtimeMs, size } = await stat(path);
  return `${ino}/${mtimeMs}/${size}`;
}

/** Opens `<dataDir>/signing-keys.json` (private keys, mode 0600), making it with one active key at the first start. */
export async function openSigningKeys(dataDir: string, nowMs: number): Promise<SigningKeys> {
  const path = join(dataDir, 'signing-keys.json');
  let keys: readonly StoredKey[] = [];
  let active: { kid: string; privateKey: KeyObject } | undefined;
  let seen = '';

  const use = (next: readonly StoredKey[]) => {
    const key = next.find((k) => k.state === 'active');
    if (key === undefined) throw new Error(`${path} has no active key; restore it from a backup`);
    active = { kid: key.kid, privateKey: privateKeyOf(key) };
    keys = next;
  };
  const save = async (next: readonly StoredKey[]) => {
    await writePrivate(path, `${JSON.stringify({ keys: next }, null, 2)}\n`);
    seen = await stampOf(path);
    use(next);
  };
  const reload = async () => {
    const stamp = await stampOf(path);
    if (stamp === seen) return;
    const parsed = stored.safeParse(jsonOf(await readSmallFile(path)));
    if (!parsed.success) throw new Error(`${path} is damaged; restore it from a backup`);
    use(parsed.data.keys);
    seen = stamp;
  };

  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const exists = await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw new Error(`cannot read ${path} (${error.code}); let the user that runs the authority read and write it`);
    },
  );
  if (exists) await reload();
  else await save([newKey('active', nowMs)]);

  return {
    active: () => {
      if (active === undefined) throw new Error('no signing key is active');
      return active;
    },
    jwks: () => ({ keys: keys.map((k) => publicJwk(k.x)) }),
    keySet: (kid) => {
      const key = keys.find((k) => k.kid === kid);
      const published = keys.map((k) => publicJwk(k.x));
      return key === undefined ? undefined : createKeySet(published, kid, privateKeyOf(key));
    },
    list: () => keys.map(({ kid, state, createdAt }) => ({ kid, state, createdAt })),
    add: async (at) => {
      await reload();
      const key = newKey('next', at);
      await save([...keys, key]);
      return key.kid;
    },
    activate: async (kid) => {
      await reload();
      if (!keys.some((k) => k.kid === kid)) return 'unknown';
      await save(
        keys.map((k) => ({ ...k, state: k.kid === kid ? 'active' : k.state === 'active' ? 'retired' : k.state })),
      );
      return 'activated';
    },
    withdraw: async (kid) => {
      await reload();
      const key = keys.find((k) => k.kid === kid);
      if (key === undefined) return 'unknown';
      if (key.state === 'active') return 'active';
      await save(keys.filter((k) => k !== key));
      return 'withdrawn';
    },
    reload,
  };
}

const privateKeyOf = ({ kty, crv, x, d }: StoredKey): KeyObject =>
  createPrivateKey({ key: { kty, crv, x, d }, format: 'jwk' });

/** Its name never begins with a hyphen, which a command line would take for an option. */
function newKey(state: SigningKeyState, nowMs: number): StoredKey {
  for (;;) {
    const { x, d } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    if (x === undefined || d === undefined) throw new Error('no Ed25519 key was made');
    const { kid } = publicJwk(x);
    if (!kid.startsWith('-')) return { kty: 'OKP', crv: 'Ed25519', x, d, kid, state, createdAt: momentOf(nowMs) };
  }
}

async function writePrivate(path: string, text: string): Promise<void> {
  const temp = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temp, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temp, path);
  if (process.platform === 'win32') return;
  const folder = await open(dirname(path), 'r');
  await folder.sync();
  await folder.close();
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
