import { type ConnectionOptions, getCACertificates } from 'node:tls';
import { holdsCertificates } from '../certificates.ts';
import { readSmallFileSync } from '../smallFile.ts';
import { messageOf } from './fault.ts';

/**
 * TLS as libpq means it (PostgreSQL's manual, "SSL Support"). prefer: where the server has it, unchecked. require: unchecked, unless
 * there are authorities to check by. verify-ca: signed by one of them. verify-full: and of the host that was asked for.
 */
export interface Tls {
  readonly mode: 'prefer' | 'require' | 'verify-ca' | 'verify-full';
  /** PEM file; `system`: those of the system and of Node. Without it verify-full goes by the latter. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly passphrase?: string | undefined;
}

/** @throws Error naming the file that cannot be read, or that holds no certificates */
export function tlsOptions({ mode, ca, cert, key, passphrase }: Tls): ConnectionOptions {
  const isChecked = mode.startsWith('verify') || (mode === 'require' && ca !== undefined);
  return {
    ...(isChecked ? {} : { rejectUnauthorized: false }),
    ...(isChecked && mode !== 'verify-full' ? { checkServerIdentity: () => undefined } : {}),
    ...(!isChecked || ca === undefined ? {} : authorities(ca)),
    ...(cert === undefined ? {} : { cert: read(cert) }),
    ...(key === undefined ? {} : { key: read(key) }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

// A file is believed as it is, also where it holds no root: the certificate itself, or a part of the way to its root.
const authorities = (ca: string): ConnectionOptions =>
  ca === 'system' ? { ca: systemAuthorities() } : { ca: authoritiesIn(ca), allowPartialTrustChain: true };

const systemAuthorities = (): string[] => [
  ...new Set([...getCACertificates('default'), ...getCACertificates('system')]),
];

/** Certificates as their file last had them: one that is broken later, or in the middle of being replaced, ends no server. */
const lastSound = new Map<string, string>();
const troubles = new Map<string, string>();

function authoritiesIn(file: string): string {
  try {
    const pem = read(file);
    if (!holdsCertificates(pem)) throw new Error(`${file} holds no certificates as PEM`);
    lastSound.set(file, pem);
    troubles.delete(file);
    return pem;
  } catch (error) {
    const known = lastSound.get(file);
    if (known === undefined) throw error;
    troubles.set(file, `database: ${messageOf(error)}; the last sound ones count`);
    return known;
  }
}

/** What is wrong with files of certificates, as one sentence; undefined: nothing, as far as connections have looked. */
export const certificatesTrouble = (): string | undefined =>
  troubles.size === 0 ? undefined : [...troubles.values()].join('; ');

function read(file: string): string {
  try {
    return readSmallFileSync(file);
  } catch (error) {
    throw new Error(`cannot read ${file}, which the database's address names: ${messageOf(error)}`);
  }
}
