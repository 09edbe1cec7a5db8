import { join } from 'node:path';

/** Where a computer has what it is: as the server's settings say. */
export interface Computer {
  readonly dataDir: string;
  readonly databaseUrl?: string | undefined;
  /** PEM file of the certificate authorities of that database. */
  readonly databaseCa?: string | undefined;
  readonly socketDir?: string | undefined;
  readonly postgresBin?: string | undefined;
  readonly identityFile?: string | undefined;
  readonly tokensDir?: string | undefined;
}

export const identityFileOf = ({ identityFile, dataDir }: Computer): string =>
  identityFile ?? join(dataDir, 'identity.pem');

/** Files of the data directory itself that travel with an export, where they are there. */
export const plainFiles: readonly string[] = ['settings.json', 'learned-keys.jws'];
