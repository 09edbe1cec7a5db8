import packageJson from '../package.json' with { type: 'json' };
import { type ProgramCommand, UsageFault } from '../runtime/program.ts';
import { backupCommands } from './backup/commands.ts';
import { commandLog, parsed, say } from './commandLine.ts';
import { doctorCommand } from './doctor/doctor.ts';
import { computerIn, type settings } from './settings.ts';
import { exportServer } from './transfer/exportServer.ts';
import { importServer } from './transfer/importServer.ts';

type Command = ProgramCommand<typeof settings>;

const exportHelp = `licence-server export FILE [--with-identity] [--with-tokens]

Writes all that makes this computer this computer, and its ledger, into one .tar.gz file that only its owner can read: the
rows of the database, the activations, settings.json. A dash (-) is standard output. It may be taken from a running server
and is of one moment; of a stopped one PostgreSQL is started for as long as it takes. The environment says which server.

  --with-identity  also the private key of this computer (identity.pem): whoever has the file can be this computer
  --with-tokens    also the access tokens, so that clients need no new ones

Exit status: 0 written; 1 not written, and why; 2 wrong usage.
`;

const exportCommand: Command = {
  purpose: 'writes this computer and its ledger into one file',
  help: exportHelp,
  run: async (readConfig, args, stop) => {
    const options = { 'with-identity': { type: 'boolean' }, 'with-tokens': { type: 'boolean' } } as const;
    const { values, positionals } = parsed(args, options, 1);
    const file = fileIn(positionals);
    const config = readConfig();
    const done = await exportServer(
      {
        ...computerIn(config),
        withIdentity: values['with-identity'] === true,
        withTokens: values['with-tokens'] === true,
        file,
        version: packageJson.version,
      },
      commandLog(config),
      stop,
    );
    say(`exported ${done.tables.lease ?? 0} seats and ${done.activations} activations of ${done.fingerprint}`);
    if (values['with-identity'] !== true) say('without the identity: keep identity.pem of this computer, too');
    return 0;
  },
};

const importHelp = `licence-server import FILE

Makes an empty data directory (and, with DATABASE_URL, an empty database) into the computer of an export: the same
fingerprint, activations, seats and history. All checksums are verified first; it is done wholly or not at all, and nothing
is ever written over. Run it as the user that will run the server, and never let both computers run.

Where the export has no identity, identity.pem (or LICENCE_IDENTITY_FILE) has to be there before.

Exit status: 0 imported; 1 nothing imported, and why; 2 wrong usage.
`;

const importCommand: Command = {
  purpose: 'makes an empty data directory into the computer of an export',
  help: importHelp,
  run: async (readConfig, args, stop) => {
    const file = fileIn(parsed(args, {}, 1).positionals);
    const config = readConfig();
    const { tables, fingerprint, entries } = await importServer(
      { ...computerIn(config), file },
      commandLog(config),
      stop,
    );
    const activations = entries.filter((e) => e.name.endsWith('.lic')).length;
    say(`imported ${tables.lease ?? 0} seats and ${activations} activations of ${fingerprint}`);
    return 0;
  },
};

/** The one argument that names a file. */
function fileIn(positionals: readonly string[]): string {
  const [file] = positionals;
  if (file === undefined) throw new UsageFault('it takes one FILE; see --help');
  return file;
}

export const commands = { export: exportCommand, import: importCommand, ...backupCommands, doctor: doctorCommand };
