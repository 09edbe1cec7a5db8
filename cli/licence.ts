#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { LicenceClient } from '../client/licenceClient.ts';
import packageJson from '../package.json' with { type: 'json' };
import { giveBackBorrowed } from './borrowed.ts';
import { reportCluster } from './cluster/reportCluster.ts';
import { explainSeat } from './explainSeat.ts';
import { runCommand, runStatus } from './runCommand.ts';

const seconds = (text: string): number => {
  const n = Number(text);
  if (Number.isInteger(n) && n >= 0) return n;
  throw new InvalidArgumentError('must be a whole number of seconds');
};

const address = (text: string): string => {
  if (/^https?:\/\/[^/]/.test(text) && URL.canParse(text)) return text;
  throw new InvalidArgumentError('must be an address, for example http://licences.example.org:8080');
};

/** The first token of a file. */
const tokenIn = (file: string): string => {
  try {
    const token = readFileSync(file, 'utf8').trim().split('\n')[0]?.trim();
    if (token) return token;
  } catch (error) {
    throw new InvalidArgumentError(`cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  throw new InvalidArgumentError('has no token');
};

const several = (text: string): number => {
  const n = Number(text);
  if (Number.isInteger(n) && n > 0) return n;
  throw new InvalidArgumentError('must be a whole number from 1');
};

const seats = (text: string): number => {
  const n = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(n)) return n;
  throw new InvalidArgumentError('must be a whole number from 0');
};

const hours = (text: string): number => {
  const n = Number(/^(\d+)h?$/.exec(text)?.[1]);
  if (n > 0) return n;
  throw new InvalidArgumentError('must be a number of hours, for example 48h');
};

/** A user without a name, as in a container, is called by number. */
const userName = (): string => {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
};

/** Of wrong usage, as sysexits.h has it: a command's own status is hardly ever that. */
const usage = 64;
const program = new Command('licence')
  .description('Works with a licence server from the command line')
  .version(packageJson.version)
  .enablePositionalOptions()
  .exitOverride((end) => process.exit(end.exitCode === 0 ? 0 : usage));

const serverOption = () =>
  new Option('--server <url>', 'address of the licence server')
    .env('LICENCE_SERVER_URL')
    .argParser(address)
    .makeOptionMandatory();

const clientOf = (options: { readonly server: string; readonly tokenFile?: string }): LicenceClient => {
  const token = options.tokenFile ?? process.env.LICENCE_TOKEN?.trim();
  return new LicenceClient({ url: options.server, ...(token ? { token } : {}) });
};

program
  .command('run')
  .passThroughOptions() // what comes after the command's name is the command's, with or without --
  .description('Holds a seat while COMMAND runs and gives it back when it ends')
  .usage('--product PRODUCT [options] -- COMMAND [ARGS…]')
  .requiredOption('--product <product>', 'the product to take a seat of')
  .addOption(serverOption())
  .addOption(new Option('--token-file <path>', 'file with a client token').env('LICENCE_TOKEN_FILE').argParser(tokenIn))
  .option('--base <base>', 'the infobase that the seat is counted for', 'command-line')
  .option('--user <user>', 'who holds the seat; default: who runs this')
  .option('--host <host>', 'the computer that holds the seat', hostname())
  .option('--session <id>', 'one seat for all that have the same; default: a new one, a seat for each run')
  .option('--seats <n>', 'seats to take at once, all or none', several)
  .option('--feature <name>', 'the feature that the seat is for')
  .option('--released-on <date>', 'release date of the program, for the support check')
  .option('--wait <seconds>', 'keep asking this long when no seat is free', seconds, 0)
  .option(
    '--borrow <hours>',
    'take the seat along for so long, as 48h: it works without a server, and stays taken',
    hours,
  )
  .addOption(
    new Option('--when-lost <what>', 'what to do when the seat is lost').choices(['stop', 'warn']).default('stop'),
  )
  .argument('<command...>')
  .addHelpText(
    'after',
    `
The token is read from --token-file, else from LICENCE_TOKEN.
Exit status: the command's own; 64 wrong usage, 69 no seat, 70 server unreachable, 71 seat lost, 127 command not found.`,
  )
  .action(async (command: [string, ...string[]], options) => {
    const client = clientOf(options);
    // not the process id: containers have the same small ones, and often the same host name
    // a seat that is taken along is the same one at each run
    const session = options.session ?? (options.borrow === undefined ? randomUUID() : 'borrowed');
    const holder = { base: options.base, user: options.user ?? userName(), host: options.host, session };
    process.exitCode = await runCommand(
      client,
      {
        seat: {
          product: options.product,
          holder,
          ...(options.seats === undefined || options.seats === 1 ? {} : { seats: options.seats }),
          ...(options.feature ? { feature: options.feature } : {}),
          ...(options.releasedOn ? { programReleasedOn: options.releasedOn } : {}),
        },
        command,
        waitSeconds: options.wait,
        ...(options.borrow === undefined ? {} : { borrowHours: options.borrow }),
        whenLost: options.whenLost,
      },
      (line) => process.stderr.write(`licence: ${line}\n`),
    );
  });

program
  .command('explain')
  .description('Says whether a seat would be granted, and why; takes nothing')
  .requiredOption('--product <product>', 'the product')
  .addOption(serverOption())
  .addOption(new Option('--token-file <path>', 'file with a token').env('LICENCE_TOKEN_FILE').argParser(tokenIn))
  .option('--base <base>', 'the infobase', 'command-line')
  .option('--user <user>', 'the user; default: who runs this')
  .option('--host <host>', 'the computer', hostname())
  .option('--session <id>', 'the session', '')
  .option('--released-on <date>', 'release date of the program, for the support check')
  .option('--json', 'the answer of the server as it is', false)
  .addHelpText(
    'after',
    `
The token is read from --token-file, else from LICENCE_TOKEN; who holds the seats is told to an administrator's only.
Exit status: 0 it would be granted; 69 it would not; 64 wrong usage, 70 server unreachable.`,
  )
  .action(async (options) => {
    process.exitCode = await explainSeat(
      clientOf(options),
      {
        product: options.product,
        holder: {
          base: options.base,
          user: options.user ?? userName(),
          host: options.host,
          session: options.session,
        },
        ...(options.releasedOn ? { programReleasedOn: options.releasedOn } : {}),
      },
      options.json,
    );
  });

program
  .command('simulate')
  .description('Says what the last days would have been with other seats or rules; changes nothing')
  .requiredOption('--product <product>', 'the product')
  .addOption(serverOption())
  .addOption(
    new Option('--token-file <path>', "file with an administrator's token")
      .env('LICENCE_TOKEN_FILE')
      .argParser(tokenIn),
  )
  .option('--days <count>', 'how many, today among them', several, 30)
  .option('--seats <count>', 'seats that there would have been; default: as many as now', seats)
  .option('--overdraft <count>', 'seats beyond the limit; default: as many as now', seats)
  .option('--rules <file>', 'other rules: a list as in spec.seats.rules, or a LicenceServer; "-" is the standard input')
  .option('--json', 'the result as the server gives it', false)
  .addHelpText(
    'after',
    `
The token is read from --token-file, else from LICENCE_TOKEN. How far it is goes to standard error.
Exit status: 0 done; 64 wrong usage, or refused; 70 server unreachable.`,
  )
  .action(async ({ product, days, seats, overdraft, rules, json, ...options }) => {
    const { simulateSeats } = await import('./simulateSeats.ts');
    const ended = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort());
    process.exitCode = await simulateSeats(
      clientOf(options),
      {
        product,
        days,
        ...(seats === undefined ? {} : { seats }),
        ...(overdraft === undefined ? {} : { overdraft }),
        ...(rules === undefined ? {} : { rulesFile: rules }),
      },
      json,
      ended.signal,
    );
  });

program
  .command('return')
  .description('Gives a seat that was taken along (licence run --borrow) back before its time')
  .requiredOption('--product <product>', 'the product that the seat is of')
  .addOption(serverOption())
  .addOption(new Option('--token-file <path>', 'file with a client token').env('LICENCE_TOKEN_FILE').argParser(tokenIn))
  .option('--base <base>', 'as in run', 'command-line')
  .option('--user <user>', 'as in run')
  .option('--host <host>', 'as in run', hostname())
  .option('--session <id>', 'as in run', 'borrowed')
  .action(async (options) => {
    const client = clientOf(options);
    const { base, user = userName(), host, session } = options;
    const say = (line: string) => process.stderr.write(`licence: ${line}\n`);
    try {
      const had = await giveBackBorrowed(client, { product: options.product, holder: { base, user, host, session } });
      say(had ? 'the seat was given back' : 'no seat is taken along here');
    } catch (error) {
      say(`the seat stays taken: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = runStatus.unreachable;
    }
  });

/** `NAME=PRODUCT`, or `*=PRODUCT` of every other base. */
const withProduct = (text: string, before: ReadonlyMap<string, string>): ReadonlyMap<string, string> => {
  const [, base, product] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (base === undefined || product === undefined) throw new InvalidArgumentError('must be BASE=PRODUCT, or *=PRODUCT');
  return new Map([...before, [base.toLowerCase(), product]]);
};

/** A number of seconds that is not 0. */
const period = (text: string): number => {
  const n = seconds(text);
  if (n > 0) return n;
  throw new InvalidArgumentError('must be more than 0');
};

const listenAt = (text: string): { host: string; port: number } => {
  const [, host, port] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535) throw new InvalidArgumentError('must be HOST:PORT');
  return { host, port: Number(port) };
};

program
  .command('report-cluster')
  .description('Reports who is in the bases of a 1C cluster, by its own tool rac; nothing in the bases is changed')
  .addOption(serverOption())
  .addOption(new Option('--token-file <path>', 'file with a client token').env('LICENCE_TOKEN_FILE').argParser(tokenIn))
  .addOption(
    new Option(
      '--base <base=product>',
      'a base to report and its product; *=PRODUCT: every other base; may be repeated',
    )
      .argParser(withProduct)
      .default(new Map<string, string>(), 'none')
      .makeOptionMandatory(),
  )
  .addOption(new Option('--rac <path>', 'the program rac').env('LICENCE_RAC').default('rac'))
  .addOption(new Option('--ras <host:port>', 'the administration server').env('LICENCE_RAS').default('localhost:1545'))
  .addOption(new Option('--cluster <id>', 'id of the cluster, where ras has several').env('LICENCE_CLUSTER'))
  .addOption(new Option('--cluster-user <name>', 'an administrator of the cluster').env('LICENCE_CLUSTER_USER'))
  .option('--every <seconds>', 'how often', period, 60)
  .option('--rac-timeout <seconds>', 'longest wait for rac', period, 30)
  .option('--metrics <host:port>', 'serve metrics for Prometheus there', listenAt)
  .option('--once', 'report once and end: 0 when every base was reported, else 70', false)
  .addHelpText(
    'after',
    `
The token is read from --token-file, else from LICENCE_TOKEN; the password of the cluster's administrator from LICENCE_CLUSTER_PASSWORD.
Sleeping sessions, whose client is gone, count as absent. When rac gives no whole answer nothing is reported, and nobody loses a seat.`,
  )
  .action(async (options) => {
    if (options.base.size === 0) program.error("error: name the bases with --base, for example --base '*=erp'");
    const token = options.tokenFile ?? process.env.LICENCE_TOKEN?.trim();
    const ended = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ended.abort());
    process.exitCode = await reportCluster({
      rac: {
        program: options.rac,
        server: options.ras,
        timeoutMs: options.racTimeout * 1000,
        ...(options.clusterUser ? { user: options.clusterUser } : {}),
        ...(process.env.LICENCE_CLUSTER_PASSWORD ? { password: process.env.LICENCE_CLUSTER_PASSWORD } : {}),
      },
      ...(options.cluster ? { cluster: options.cluster } : {}),
      products: options.base,
      client: new LicenceClient({ url: options.server, ...(token ? { token } : {}) }),
      periodMs: options.every * 1000,
      once: options.once,
      ...(options.metrics ? { metricsAt: options.metrics } : {}),
      signal: ended.signal,
      say: (line) => process.stderr.write(`licence: ${line}\n`),
    });
  });

await program.parseAsync();
