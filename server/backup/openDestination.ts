import { join } from 'node:path';
import { fetch } from 'undici';
import { holdsCertificates } from '../../runtime/certificates.ts';
import { createOutwardAgent } from '../../runtime/outwardAgent.ts';
import { readProxyFile } from '../../runtime/proxyUrl.ts';
import { readSmallFileSync } from '../../runtime/smallFile.ts';
import type { BackupConfig } from './backupSettings.ts';
import type { Destination } from './destination.ts';
import { folderDestination } from './folderDestination.ts';

/** Whether the settings name a place for archives. @throws Error when they name two, or half of one */
export function hasDestination(config: BackupConfig): boolean {
  const { LICENCE_BACKUP_DIR: dir, LICENCE_BACKUP_S3_ENDPOINT: endpoint, LICENCE_BACKUP_S3_BUCKET: bucket } = config;
  if (dir !== undefined && endpoint !== undefined) {
    throw new Error('LICENCE_BACKUP_DIR and LICENCE_BACKUP_S3_ENDPOINT are two places for backups; name one of them');
  }
  if ((endpoint === undefined) !== (bucket === undefined)) {
    throw new Error('LICENCE_BACKUP_S3_ENDPOINT and LICENCE_BACKUP_S3_BUCKET belong together; set both');
  }
  return dir !== undefined || endpoint !== undefined;
}

/** One request, in ms: of a part of 8 MiB over a slow line. */
const requestMs = 120_000;
const connectMs = 10_000;

/**
 * Opens the place of the archives for one piece of work. Credentials and certificates are read anew each time, so replaced ones
 * need no restart.
 * @param signal its end leaves nothing half behind
 * @throws Error when what is read is not there or makes no sense
 */
export async function openDestination(config: BackupConfig, signal: AbortSignal): Promise<Destination> {
  const { LICENCE_BACKUP_DIR: dir, LICENCE_BACKUP_S3_ENDPOINT: endpoint, LICENCE_BACKUP_S3_BUCKET: bucket } = config;
  if (dir !== undefined) return folderDestination(dir, signal);
  if (endpoint === undefined || bucket === undefined) {
    throw new Error('no place for backups is named; set LICENCE_BACKUP_DIR, or LICENCE_BACKUP_S3_ENDPOINT');
  }
  const account = readCredentials(config.LICENCE_BACKUP_S3_CREDENTIALS);
  const ca = readCertificates(config.LICENCE_BACKUP_S3_CA);
  const { LICENCE_PROXY_FILE: proxyFile } = config;
  const proxy = proxyFile === undefined ? undefined : readProxyFile(proxyFile);
  const agent = createOutwardAgent({ ca, proxy, connectMs, answerMs: requestMs, keepAliveMs: 4_000 });
  const send = (input: string, init: Record<string, unknown>) => {
    // What tidies up goes on for a moment after the end.
    const isTidying = init.method === 'DELETE';
    const ends = AbortSignal.timeout(isTidying ? 2_000 : requestMs);
    const until = isTidying ? ends : AbortSignal.any([signal, ends]);
    return fetch(input, { ...init, dispatcher: agent, signal: until }) as unknown as Promise<Response>;
  };
  const { bucketDestination } = await import('./bucketDestination.ts');
  return bucketDestination(
    {
      endpoint,
      bucket,
      ...account,
      region: config.LICENCE_BACKUP_S3_REGION,
      prefix: config.LICENCE_BACKUP_S3_PREFIX ?? '',
      pathStyle: config.LICENCE_BACKUP_S3_PATH_STYLE === 'true',
    },
    send,
    signal,
    () => agent.destroy(),
  );
}

/** The names of the files; the second ones are those of what makes buckets in a cluster. */
const files = {
  accessKeyId: ['accessKeyId', 'AWS_ACCESS_KEY_ID'],
  secretAccessKey: ['secretAccessKey', 'AWS_SECRET_ACCESS_KEY'],
} as const;

function readCredentials(dir: string | undefined): { accessKeyId: string; secretAccessKey: string } {
  const read = (names: readonly string[]): string => {
    for (const name of names) {
      try {
        const text = readSmallFileSync(join(dir ?? '', name)).trim();
        if (text !== '') return text;
      } catch {
        // the next name
      }
    }
    throw new Error(
      dir === undefined
        ? 'the bucket has no credentials; name their directory in LICENCE_BACKUP_S3_CREDENTIALS'
        : `the credentials of the bucket have no ${names[0]} (${dir}); put it there`,
    );
  };
  return { accessKeyId: read(files.accessKeyId), secretAccessKey: read(files.secretAccessKey) };
}

function readCertificates(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  let pem: string;
  try {
    pem = readSmallFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`the certificates of the bucket's service cannot be read: ${path} (${code})`);
  }
  if (holdsCertificates(pem)) return pem;
  throw new Error(`${path} holds no certificates as PEM; give those of the bucket's service`);
}
