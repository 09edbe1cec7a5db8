import { type ConnectionOptions, getCACertificates } from 'node:tls';
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

/** @throws Error naming the file that cannot be read */
export function tlsOptions({ mode, ca, cert, key, passphrase }: Tls): ConnectionOptions {
  const isChecked = mode.startsWith('verify') || (mode === 'require' && ca !== undefined);
  return {
    ...(isChecked ? {} : { rejectUnauthorized: false }),
    ...(isChecked && mode !== 'verify-full' ? { checkServerIdentity: () => undefined } : {}),
    ...(!isChecked || ca === undefined ? {} : { ca: ca === 'system' ? systemAuthorities() : read(ca) }),
    ...(cert === undefined ? {} : { cert: read(cert) }),
    ...(key === undefined ? {} : { key: read(key) }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

const systemAuthorities = (): string[] => [
  ...new Set([...getCACertificates('default'), ...getCACertificates('system')]),
];

function read(file: string): string {
  try {
    return readSmallFileSync(file);
  } catch (error) {
    throw new Error(`cannot read ${file}, which the database's address names: ${messageOf(error)}`);
  }
}
