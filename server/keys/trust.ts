import { readFile } from 'node:fs/promises';
import { parseTrustedKeys, type TrustedKeys } from '../../licence/jwks.ts';

/** The authorities' keys in force, and what is wrong with their file, if anything is. */
export interface Trust {
  readonly keys: TrustedKeys;
  readonly trouble?: string;
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
    const parsed = parseTrustedKeys(await readFile(file, 'utf8'));
    return parsed.ok ? { keys: parsed.keys } : { keys: before, trouble: `the trusted keys ${file}: ${parsed.message}` };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    return { keys: before, trouble: `the trusted keys ${file} cannot be read (${code})` };
  }
}
