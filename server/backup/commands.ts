import packageJson from '../../package.json' with { type: 'json' };
import { systemClock } from '../../runtime/clock.ts';
import type { ProgramCommand } from '../../runtime/program.ts';
import { inClusterDir, inClusterUrl } from '../access/apiServer.ts';
import { commandLog, parsed, say } from '../commandLine.ts';
import { loadIdentity } from '../keys/identity.ts';
import { computerIn, type settings } from '../settings.ts';
import { identityFileOf } from '../transfer/computer.ts';
import { archivesIn } from './archiveName.ts';
import { holdsSecrets, makeBackup, removeSuperfluous } from './makeBackup.ts';
import { openDestination } from './openDestination.ts';
import { restore } from './restore.ts';
import { restoreInCluster } from './restoreInCluster.ts';

type Command = ProgramCommand<typeof settings>;

const place = `The environment says where: LICENCE_BACKUP_DIR, or LICENCE_BACKUP_S3_… (see licence-server --help).`;

const backupCommand: Command = {
  purpose: 'makes a backup now',
  help: `licence-server backup

Makes one archive of this computer and its ledger, as "licence-server export" does, and puts it to the place of the backups;
what LICENCE_BACKUP_KEEP… keep no longer is removed there. It may be made from a running server. ${place}

Exit status: 0 made; 1 not made, and why; 2 wrong usage.
`,
  run: async (readConfig, args, stop) => {
    parsed(args, {}, 0);
    const config = readConfig();
    const log = commandLog(config);
    const computer = computerIn(config);
    const { fingerprint } = await loadIdentity({ dataDir: computer.dataDir, file: identityFileOf(computer) });
    const destination = await openDestination(config, stop);
    try {
      const source = { ...computer, fingerprint, version: packageJson.version };
      const { archive, exported } = await makeBackup(source, config, destination, systemClock.now(), log, stop);
      say(`${archive.name} (${archive.bytes} bytes) is in ${destination.place}: ${exported.tables.lease ?? 0} seats`);
      if (!holdsSecrets(config)) say('without the identity: keep identity.pem of this computer, too');
      const removed = await removeSuperfluous(destination, fingerprint, config, systemClock.now());
      for (const name of removed) say(`${name} was removed`);
    } finally {
      await destination.close();
    }
    return 0;
  },
};

const backupsCommand: Command = {
  purpose: 'lists the backups, the newest first',
  help: `licence-server backups

Lists the archives at the place of the backups, of every computer, the newest first: name and size in bytes. ${place}

Exit status: 0 listed; 1 not, and why; 2 wrong usage.
`,
  run: async (readConfig, args, stop) => {
    parsed(args, {}, 0);
    const destination = await openDestination(readConfig(), stop);
    try {
      const lines = archivesIn(await destination.list()).map(({ name, bytes }) => `${name}\t${bytes}\n`);
      process.stdout.write(lines.join(''));
    } finally {
      await destination.close();
    }
    return 0;
  },
};

const restoreCommand: Command = {
  purpose: 'makes an empty data directory into the computer of a backup',
  help: `licence-server restore [NAME] [--old-server-is-gone]

Fetches a backup (the newest one, or that of a name) and makes an empty data directory, and with DATABASE_URL an empty database,
into its computer, as "licence-server import" does: verified first, then wholly or not at all. A directory into which the same
backup was restored before is left as it is. ${place}
An encrypted one is opened by the age identity in LICENCE_BACKUP_AGE_IDENTITY.

A server that makes backups says there every five minutes that it lives. While the one of the backup has said so within the
last 15 minutes nothing is restored, since two servers of one computer must never run.

  --old-server-is-gone  it is certain that it does not run any more
  --report-secret NAME  as the operator runs it: tried until it is done, which is told in that Secret of the same namespace

Exit status: 0 restored; 1 nothing restored, and why; 2 wrong usage.
`,
  run: async (readConfig, args, stop) => {
    const options = { 'old-server-is-gone': { type: 'boolean' }, 'report-secret': { type: 'string' } } as const;
    const { values, positionals } = parsed(args, options, 1);
    const config = readConfig();
    const request = {
      computer: computerIn(config),
      wanted: positionals[0] ?? 'latest',
      isOldGone: values['old-server-is-gone'] === true,
    };
    const secret = values['report-secret'];
    if (typeof secret === 'string') {
      const to = { apiUrl: inClusterUrl(process.env), dir: inClusterDir, secret };
      say(await restoreInCluster(request, to, config, systemClock, commandLog(config), stop));
      return 0;
    }
    const done = await restore(request, config, systemClock, commandLog(config), stop);
    say(`${done.archive} is restored: the computer ${done.fingerprint}`);
    return 0;
  },
};

export const backupCommands = { backup: backupCommand, backups: backupsCommand, restore: restoreCommand };
