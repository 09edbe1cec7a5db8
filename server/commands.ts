import { parseArgs } from 'node:util';
import packageJson from '../package.json' with { type: 'json' };
import { createLog, type Logger } from '../runtime/log.ts';
import { type ProgramCommand, UsageFault } from '../runtime/program.ts';
import { doctorCommand } from './doctor/doctor.ts';
import type { ServerConfig, settings } from './settings.ts';
import { exportServer } from './transfer/exportServer.ts';
import { importServer } from './transfer/importServer.ts';

type Command = ProgramCommand<typeof settings>;

const where = ({ LICENCE_DATA_DIR: dataDir, ...config }: ServerConfig) => ({
  dataDir,
  databaseUrl: config.DATABASE_URL,
  databaseCa: config.DATABASE_CA,
  socketDir: config.LICENCE_SOCKET_DIR,
  postgresBin: config.LICENCE_POSTGRES_BIN,
  identityFile: config.LICENCE_IDENTITY_FILE,
  tokensDir: config.LICENCE_TOKENS_DIR,
});

/** Only what matters, beside the output: progress of PostgreSQL is nothing for a person. */
const logOf = (config: ServerConfig): Logger =>
  createLog('licence-server', config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL, 'stderr');

const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

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
    const { values, file } = parsed(args, {
      'with-identity': { type: 'boolean' },
      'with-tokens': { type: 'boolean' },
    });
    const config = readConfig();
    const done = await exportServer(
      {
        ...where(config),
        withIdentity: values['with-identity'] === true,
        withTokens: values['with-tokens'] === true,
        file,
        version: packageJson.version,
      },
      logOf(config),
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
    const { file } = parsed(args, {});
    const config = readConfig();
    const { tables, fingerprint, entries } = await importServer({ ...where(config), file }, logOf(config), stop);
    const activations = entries.filter((e) => e.name.endsWith('.lic')).length;
    say(`imported ${tables.lease ?? 0} seats and ${activations} activations of ${fingerprint}`);
    return 0;
  },
};

type Options = Readonly<Record<string, { readonly type: 'boolean' }>>;

function parsed(args: readonly string[], options: Options): { values: Record<string, unknown>; file: string } {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0) throw new Error('it takes one FILE');
    return { values, file };
  } catch (error) {
    throw new UsageFault(`${error instanceof Error ? error.message : String(error)}; see --help`);
  }
}

export const commands = { export: exportCommand, import: importCommand, doctor: doctorCommand };
