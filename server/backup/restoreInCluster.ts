import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, sleep } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import { DirectoryInUse } from '../transfer/importServer.ts';
import type { BackupConfig } from './backupSettings.ts';
import { type RestoreRequest, restore } from './restore.ts';
import { type ReportTo, reportRestore } from './restoreReport.ts';

const againMs = 15_000;

/**
 * A restore whose outcome the operator waits for: tried until it is done, or until there is data already, each fault told. Identity
 * and tokens go over to where they are kept in a cluster, and leave the volume.
 */
export async function restoreInCluster(
  request: RestoreRequest,
  to: ReportTo,
  config: BackupConfig,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
): Promise<string> {
  const { dataDir } = request.computer;
  for (let told = ''; ; ) {
    try {
      const done = await restore(request, config, clock, log, signal);
      const secrets = secretsIn(dataDir);
      await reportRestore(to, done, secrets);
      for (const name of ['identity.pem', 'tokens']) rmSync(join(dataDir, name), { recursive: true, force: true });
      return `${done.archive} is restored`;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DirectoryInUse) {
        await reportRestore(to, { kept: true });
        return 'there is data already, which stays as it is';
      }
      const fault = error instanceof Error ? error.message : String(error);
      log.warn({ err: error }, 'nothing is restored yet');
      if (fault !== told) await reportRestore(to, { fault: fault.slice(0, 1_000) });
      told = fault;
    }
    await sleep(clock, againMs, signal);
  }
}

/** As the Secret has them: `identity.pem`, and the tokens by role. */
function secretsIn(dataDir: string): Record<string, string> {
  const text = (path: string) => readFileSync(path, 'utf8');
  const identity = join(dataDir, 'identity.pem');
  const tokens = join(dataDir, 'tokens');
  const roles = existsSync(tokens) ? readdirSync(tokens) : [];
  return {
    ...(existsSync(identity) ? { 'identity.pem': text(identity) } : {}),
    ...Object.fromEntries(roles.map((role) => [role, text(join(tokens, role))])),
  };
}
