import { parseArgs } from 'node:util';
import packageJson from '../../package.json' with { type: 'json' };
import { ConfigFault } from '../../runtime/config.ts';
import { type ProgramCommand, UsageFault } from '../../runtime/program.ts';
import type { ServerConfig, settings } from '../settings.ts';
import { checkBackups } from './backupChecks.ts';
import {
  checkActivations,
  checkCertificate,
  checkClock,
  checkConfiguredKeys,
  checkDataDirectory,
  checkDisk,
  checkIdentity,
  checkTokens,
  checkTrust,
} from './fileChecks.ts';
import { exitStatusOf, type Finding, fail, findingsText, ok } from './finding.ts';
import { checkAuthority, checkDatabase, checkEmbedded, checkLock, checkPort } from './serviceChecks.ts';

/** Looks at everything that a server with these settings needs. Nothing is changed, made, started or locked. */
export async function examine(config: ServerConfig, nowMs: () => number): Promise<Finding[]> {
  const dataDir = config.LICENCE_DATA_DIR;
  const lock = checkLock(config);
  const isRunning = lock.holder !== undefined;
  const { trust, finding: trusted } = await checkTrust(config);
  const { identity, finding: identified } = await checkIdentity(config);
  return [
    ...checkDataDirectory(dataDir),
    lock.finding,
    checkDisk(dataDir),
    ...(await checkEmbedded(config, isRunning)),
    ...(await checkDatabase(config, isRunning)),
    identified,
    trusted,
    ...(await checkActivations(dataDir, trust, identity, nowMs())),
    ...(await checkConfiguredKeys(config.LICENCE_KEYS_DIR)),
    ...(await checkAuthority(config, trust, nowMs)),
    checkClock(dataDir, nowMs()),
    ...checkTokens(config),
    ...checkCertificate(config.LICENCE_TLS_DIR, nowMs()),
    ...(await checkBackups(config, identity?.fingerprint, nowMs())),
    await checkPort(config, isRunning),
  ];
}

const help = `licence-server doctor [-o text|json]

Looks at everything that a server with this environment needs: data directory, lock, disk, PostgreSQL, database, identity,
trusted keys, each activation, configured keys, authority, clock, tokens, certificate, the place of backups, port. It changes nothing, and may be
run beside a running server. Run it as the user that runs the server.

Exit status: 0 all is well; 1 something is worth a look; 2 something does not work, or wrong usage.
`;

export const doctorCommand: ProgramCommand<typeof settings> = {
  purpose: 'looks for what is wrong, and changes nothing',
  help,
  run: async (readConfig, args, stop) => {
    stop.addEventListener('abort', () => process.exit(1)); // it leaves nothing behind
    const json = wantsJson(args);
    const findings = await examineEnvironment(readConfig);
    const { version } = packageJson;
    process.stdout.write(json ? `${JSON.stringify({ version, findings }, null, 2)}\n` : findingsText(findings));
    return exitStatusOf(findings);
  },
};

async function examineEnvironment(readConfig: () => ServerConfig): Promise<Finding[]> {
  try {
    const config = readConfig();
    return [ok('environment', 'every setting can be read'), ...(await examine(config, Date.now))];
  } catch (error) {
    if (!(error instanceof ConfigFault)) throw error;
    return error.faults.map((fault) =>
      fail('environment', fault, 'correct it; licence-server --help has every setting'),
    );
  }
}

function wantsJson(args: readonly string[]): boolean {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { output: { type: 'string', short: 'o', default: 'text' } },
    });
    if (values.output === 'text' || values.output === 'json') return values.output === 'json';
    throw new Error(`-o takes text or json, not "${values.output}"`);
  } catch (error) {
    throw new UsageFault(`${error instanceof Error ? error.message : String(error)}; see --help`);
  }
}
