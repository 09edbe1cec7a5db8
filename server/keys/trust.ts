import { join } from 'node:path';
import { parseTrustedKeys, type TrustedKeys } from '../../licence/jwks.ts';
import { openKeySet } from '../../licence/keySet.ts';
import { readSmallFile } from '../../runtime/smallFile.ts';
import { writeDurably } from './durableFile.ts';

/** The authorities' keys in force, and what is wrong with their file, if anything is. */
export interface Trust {
  readonly keys: TrustedKeys;
  readonly trouble?: string;
}

/**
 * The trusted keys of a server. The JWKS file is the root: what was learned from the authority counts only while the key
 * that vouched for it is in that file, so taking a key out of the file takes out all that came by it.
 */
export interface TrustStore {
  /** The configured keys and those that one of them vouches for, read again. */
  read(): Promise<Trust>;
  /** The keys of the file alone. */
  readonly configured: TrustedKeys;
  /** Keeps a key set if a configured key vouches for it and it names `kid`. Answers whether it did. */
  learn(set: string, kid: string): Promise<boolean>;
}

/** @param file `LICENCE_TRUSTED_KEYS`; what is learned is kept in `<dataDir>/learned-keys.jws` */
export function openTrust(file: string | undefined, dataDir: string): TrustStore {
  const learnedFile = join(dataDir, 'learned-keys.jws');
  let configured: TrustedKeys = new Map();
  return {
    get configured() {
      return configured;
    },
    read: async () => {
      const trust = await readTrust(file, configured);
      configured = trust.keys;
      const learned = await readSmallFile(learnedFile).catch(() => '');
      const vouched = openKeySet(learned.trim(), configured) ?? [];
      return { ...trust, keys: new Map([...vouched, ...configured]) };
    },
    learn: async (set, kid) => {
      if (openKeySet(set, configured)?.has(kid) !== true) return false;
      await writeDurably(learnedFile, `${set}\n`);
      return true;
    },
  };
}

/**
 * Reads the JWKS file again. A damaged or vanished file leaves the keys that were in force: it must not switch off what
 * works.
 */
export async function readTrust(file: string | undefined, before: TrustedKeys = new Map()): Promise<Trust> {
  if (file === undefined) {
    return {
      keys: before,
      trouble: 'no trusted keys are configured: set LICENCE_TRUSTED_KEYS to the vendor JWKS file',
    };
  }
  try {
    const parsed = parseTrustedKeys(await readSmallFile(file));
    return parsed.ok ? { keys: parsed.keys } : { keys: before, trouble: `the trusted keys ${file}: ${parsed.message}` };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    return { keys: before, trouble: `the trusted keys ${file} cannot be read (${code})` };
  }
}
