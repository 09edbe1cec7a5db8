import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { openCluster } from './cluster.ts';
import { candidates, scripts, shells } from './completion.ts';
import { action, type Context } from './context.ts';
import { type ExitStatus, exitStatus } from './exitStatus.ts';
import { formats } from './output.ts';

/** A whole number that is not negative, as text. */
const count = (text: string): string => {
  if (/^\d{1,9}$/.test(text)) return text;
  throw new InvalidArgumentError('must be a whole number');
};

/** A port of this computer, as text. */
const portNumber = (text: string): string => {
  if (/^\d{1,5}$/.test(text) && Number(text) < 65_536) return text;
  throw new InvalidArgumentError('must be a port: 1 to 65535, or 0 for a free one');
};

type Run = (context: Context, args: readonly string[], options: never) => Promise<ExitStatus | undefined>;
/** A command is read when it is called: what the others bring would be read at each start. */
type Load = () => Promise<Run>;

/** `kubectl licence`: every command with its arguments, options and help. */
export function createProgram(): Command {
  const program = new Command('kubectl-licence')
    .description('Looks after licence servers: who holds seats, which keys are active, what is wrong and what to do')
    .usage('[options] COMMAND')
    .version(packageJson.version)
    .option('--kubeconfig <file>', 'kubeconfig; default: as kubectl finds it')
    .option('--context <name>', 'context of the kubeconfig')
    .option('-n, --namespace <name>', "namespace; default: the context's")
    .option('-A, --all-namespaces', 'every namespace (list, top)')
    .addOption(new Option('-o, --output <format>', 'form of the answer').choices(formats).default('table'))
    .option('-y, --yes', 'do not ask before what disturbs people')
    .exitOverride((end) => process.exit(end.exitCode === 0 ? exitStatus.ok : exitStatus.usage))
    .addHelpText(
      'after',
      `
NAME is a LicenceServer; it may be left out where a namespace has only one.
Exit status: 0 done, or well; 1 it could not be told or done; 2 something is not well, or not proven;
3 a right is missing; 4 nobody said yes; 64 wrong usage.`,
    );
  const server = '[name]';

  const add = (name: string, description: string, load: Load): Command => {
    const command = program.command(name).description(description);
    return command.action(
      action(program, async (context, args, options) => (await load())(context, args, options as never)),
    );
  };
  const waiting = (command: Command, seconds: string) =>
    command.option('--timeout <seconds>', 'how long to wait for the proof', count, seconds);

  add('list', 'every LicenceServer, the worst first', async () => (await import('./commands/list.ts')).list);
  add(
    `status ${server}`,
    'why it is not well, and what to do',
    async () => (await import('./commands/status.ts')).status,
  );
  add(`seats ${server}`, 'who holds seats', async () => (await import('./commands/seats.ts')).seats)
    .option('--search <words>', 'only where each word is part of a name')
    .option('--product <product>', 'only of this product')
    .option('--base <base>', 'only of this base')
    .option('--user <user>', 'only of this user')
    .option('--host <host>', 'only of this computer')
    .option('--stale', 'only those of bases that have gone silent')
    .option('-w, --watch', 'again every two seconds');
  add('release <name> [lease...]', 'take seats back', async () => (await import('./commands/seats.ts')).release)
    .option('--product <product>', 'seats of this product')
    .option('--base <base>', 'seats of this base')
    .option('--user <user>', 'seats of this user')
    .option('--host <host>', 'seats of this computer')
    .option('--stale', 'stale seats')
    .requiredOption('--reason <text>', 'why; it is kept in the audit');
  add(
    'adopt <name> <base>',
    'give the name of a base to another instance of it',
    async () => (await import('./commands/adopt.ts')).adopt,
  )
    .option('--instance <uuid>', 'which one; default: the one that was refused last')
    .requiredOption('--reason <text>', 'why; it is kept in the audit');
  add(
    `assignments ${server}`,
    'whose the seats of licences for named users are',
    async () => (await import('./commands/assignments.ts')).assignments,
  ).option('--product <product>', 'only of this product');
  add(
    'assign <name> [user...]',
    "make seats these users', move them, or take them away",
    async () => (await import('./commands/assignments.ts')).assign,
  )
    .requiredOption('--product <product>', 'whose licence is for named users')
    .option('--remove <user...>', 'take the seats of these users away')
    .option('--from-file <file>', 'a table of users that becomes the whole list; "-" is the standard input')
    .option('--reason <text>', 'why; it is kept in the audit');
  add(
    `denials ${server}`,
    'who was refused a seat, when and why',
    async () => (await import('./commands/denials.ts')).denials,
  )
    .option('--product <product>', 'only of this product')
    .option('--reason <reason>', 'only for this reason')
    .option('--limit <count>', 'how many', count, '100');
  add(`keys ${server}`, 'every key that the server knows', async () => (await import('./commands/keys.ts')).keys);
  waiting(
    add(
      'rotate <name> [key]',
      'put another key to work, and wait for the proof',
      async () => (await import('./commands/rotate.ts')).rotate,
    )
      .requiredOption('--from-file <file>', 'the new key; "-" is the standard input')
      .option('--no-wait', 'do not wait for the proof')
      .option('--force', 'also where GitOps looks after the Secret'),
    '900',
  );
  waiting(
    add(
      `regenerate ${server} [key]`,
      'make a new key of the same licence',
      async () => (await import('./commands/newKey.ts')).regenerate,
    ),
    '900',
  );
  waiting(
    add(
      `reactivate ${server}`,
      'activate every key again, on the same computer',
      async () => (await import('./commands/newKey.ts')).reactivate,
    ),
    '600',
  );
  add(
    'request <name> [key]',
    'the request of an air-gapped activation',
    async () => (await import('./commands/airGap.ts')).request,
  )
    .option('--key-file <file>', 'a key that is not in spec.keys; "-" is the standard input')
    .option('--to-file <file>', 'where it goes; default: the standard output');
  add(
    'respond <name> [key]',
    "bring the vendor's answer in",
    async () => (await import('./commands/airGap.ts')).respond,
  ).requiredOption('--from-file <file>', 'the answer; "-" is the standard input');
  waiting(
    add(
      `roll ${server}`,
      'restart the pod now, which clears stale seats',
      async () => (await import('./commands/changes.ts')).roll,
    ),
    '600',
  );
  add(
    `clear-stale ${server}`,
    'give stale seats back, without a restart',
    async () => (await import('./commands/seats.ts')).clearStale,
  )
    .option('--product <product>', 'only of this product')
    .option('--reason <text>', 'why; it is kept in the audit', 'kubectl licence clear-stale');
  add(`suspend ${server}`, 'stop the server, and keep everything', async () =>
    (await import('./commands/changes.ts')).suspend(true),
  ).option('--force', 'also where GitOps looks after it');
  add(`resume ${server}`, 'start a suspended server again', async () =>
    (await import('./commands/changes.ts')).suspend(false),
  ).option('--force', 'also where GitOps looks after it');
  add(`pause ${server}`, 'the operator changes nothing for now', async () =>
    (await import('./commands/changes.ts')).pause(true),
  );
  add(`unpause ${server}`, 'the operator goes on', async () => (await import('./commands/changes.ts')).pause(false));
  add('plan', 'what an edited file would change and restart', async () => {
    const { plan } = await import('./commands/plan.ts');
    return (context, _, options: object) => plan(context, { ...program.opts(), ...options });
  }).option('-f, --filename <file...>', 'LicenceServers as they are going to be; "-" is the standard input');
  add(
    `explain ${server}`,
    'whether a check-out would be granted, and why',
    async () => (await import('./commands/explain.ts')).explain,
  )
    .requiredOption('--product <product>', 'the product')
    .requiredOption('--user <user>', 'the user')
    .option('--base <base>', 'the base', 'command-line')
    .option('--host <host>', 'the computer', 'unknown')
    .option('--session <id>', 'the session', '')
    .option('--released-on <date>', 'release date of the program');
  add(
    `simulate ${server}`,
    'what the last days would have been with other seats or rules',
    async () => (await import('./commands/simulate.ts')).simulate,
  )
    .requiredOption('--product <product>', 'the product')
    .option('--days <count>', 'how many, today among them', count, '30')
    .option('--seats <count>', 'seats that there would have been; default: as many as now', count)
    .option('--overdraft <count>', 'seats beyond the limit; default: as many as now', count)
    .option(
      '--rules <file>',
      'other rules: a list as in spec.seats.rules, or a LicenceServer; "-" is the standard input',
    );
  add(
    `dashboard ${server}`,
    "the server's page in a browser, signed in",
    async () => (await import('./commands/dashboard.ts')).dashboard,
  )
    .option('--no-open', 'only say where it is')
    .option('--port <port>', 'port of this computer; default: a free one', portNumber);
  add('top', 'seats in use, the fullest first', async () => (await import('./commands/top.ts')).top);
  add(
    `report ${server}`,
    'what somebody who helps needs to see, in one file without secrets',
    async () => (await import('./commands/report.ts')).report,
  )
    .option('--to-file <file>', 'where it goes')
    .option('--log-lines <count>', 'of each log', count, '2000');
  add(
    `doctor ${server}`,
    'look at a running server from outside',
    async () => (await import('./commands/doctor.ts')).doctor,
  );

  program
    .command('completion')
    .description('the script that completes commands and names in a shell')
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell: (typeof shells)[number]) => {
      process.stdout.write(scripts[shell]);
    });
  program
    .command('__complete', { hidden: true })
    .allowUnknownOption()
    .argument('[words...]')
    .helpOption(false)
    .action(async () => {
      // As typed: the options of half a command line are not this command's.
      const words = process.argv.slice(process.argv.indexOf('__complete') + 1);
      const open = () => openCluster(globalsIn(words), AbortSignal.timeout(3_000));
      const found = await candidates(program, words, open).catch(() => []);
      process.stdout.write(`${[...found, ':4'].join('\n')}\n`); // 4: no file names, as kubectl's own completion has it
    });
  return program;
}

/** The cluster that half a command line means already. */
function globalsIn(words: readonly string[]): { namespace?: string; context?: string; kubeconfig?: string } {
  const after = (...names: readonly string[]) => {
    const at = words.findIndex((word) => names.includes(word));
    return at < 0 ? undefined : words[at + 1];
  };
  const [namespace, context, kubeconfig] = [after('-n', '--namespace'), after('--context'), after('--kubeconfig')];
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(context === undefined ? {} : { context }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
  };
}
