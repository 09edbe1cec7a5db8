import { statSync } from 'node:fs';
import type { Server } from 'node:https';
import { join } from 'node:path';
import type { Logger } from '../runtime/log.ts';
import { readSmallFileSync } from '../runtime/smallFile.ts';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** @throws Error naming the file that cannot be read. */
export function readCertificate(dir: string): Certificate {
  const read = (name: string) => {
    try {
      return readSmallFileSync(join(dir, name));
    } catch (error) {
      throw new Error(`cannot read ${join(dir, name)}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return { cert: read('tls.crt'), key: read('tls.key') };
}

const pollMs = 2_000;

/** Serves a replaced certificate to new connections without a restart; a broken one is reported and the last one stays. */
export function followCertificate(server: Server, dir: string, log: Logger): () => void {
  const stamp = () =>
    ['tls.crt', 'tls.key'].map((name) => {
      const s = statSync(join(dir, name), { throwIfNoEntry: false });
      return s ? `${s.ino}/${s.mtimeMs}/${s.size}` : '';
    });
  let seen = stamp().join();
  const timer = setInterval(() => {
    const now = stamp().join();
    if (now === seen) return;
    seen = now;
    try {
      server.setSecureContext(readCertificate(dir));
      log.info({ dir }, 'certificate changed');
    } catch (error) {
      log.error({ err: error, dir }, 'the new certificate cannot be used; the last one stays');
    }
  }, pollMs);
  timer.unref();
  return () => clearInterval(timer);
}
