#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { idempotencyHeader } from '../licence/authorityWire.ts';
import { isKeyId } from '../licence/key.ts';
import { momentOf } from '../licence/moment.ts';
import { assignments, countings } from '../licence/words.ts';
import { endOfTerm, isTimeZone } from './endOfTerm.ts';

/**
 * `licence-authority`: the vendor's side from a shell, over the authority's HTTP API.
 * Exit status: 0 done, 1 refused, 2 wrong usage, 3 authority unreachable.
 */
interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  out(text: string): void;
  err(text: string): void;
}

/** Runs one command line (without the program's name) and answers the exit status. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  const program = cli(io);
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof CallFailed)) throw error;
    io.err(`licence-authority: ${error.message}\n`);
    return error.status;
  }
}

class CallFailed extends Error {
  readonly status: 1 | 2 | 3;
  constructor(status: 1 | 2 | 3, message: string) {
    super(message);
    this.status = status;
  }
}

const seats = (text: string): number => {
  if (/^\d{1,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('must be a whole number.');
};
const days = (text: string): number => {
  const count = /^([1-9]\d{0,3})d?$/.exec(text)?.[1];
  if (count !== undefined) return Number(count);
  throw new InvalidArgumentError('must be a number of days, for example 30d.');
};
const zone = (name: string): string => {
  if (isTimeZone(name)) return name;
  throw new InvalidArgumentError('must be a time zone such as Europe/Moscow.');
};
const whole = (text: string): string => {
  if (/^[1-9]\d{0,14}$/.test(text)) return text;
  throw new InvalidArgumentError('must be a whole number.');
};
const weighed = (text: string): Record<string, number> =>
  Object.fromEntries(
    text
      .split(',')
      .filter((one) => one.trim() !== '')
      .map((one) => {
        const [, feature, weight] = /^\s*([^=]+?)\s*=\s*([1-9]\d{0,4})\s*$/.exec(one) ?? [];
        if (feature === undefined) throw new InvalidArgumentError('must be FEATURE=SEATS, separated by commas.');
        return [feature, Number(weight)] as const;
      }),
  );
const lent = (text: string): { maxHours: number; keepFree: number } => {
  const [, hours, free] = /^(\d{1,4})h?(?::(\d{1,8}))?$/.exec(text) ?? [];
  if (hours === undefined) throw new InvalidArgumentError('must be HOURS or HOURS:SEATS, for example 48h:3.');
  return { maxHours: Number(hours), keepFree: Number(free ?? 0) };
};
const listed = (text: string): string[] => text.split(',').map((f) => f.trim());

/** A trial of so many days, to the second. */
const trialOf = (days: number) => ({
  trial: true,
  expiresAt: momentOf(Math.ceil(Date.now() / 1_000) * 1_000 + days * 86_400_000),
});

function cli(io: Io): Command {
  const program = new Command('licence-authority')
    .description("The vendor's side: issues, regenerates, renews and revokes keys")
    .addOption(
      new Option('--url <url>', 'address of the authority')
        .env('LICENCE_AUTHORITY_URL')
        .default('http://127.0.0.1:8090'),
    )
    .addOption(
      new Option('--cabinet-url <url>', 'address of the cabinet as people open it; default: that of the authority').env(
        'LICENCE_AUTHORITY_CABINET_URL',
      ),
    )
    .addOption(
      new Option('--time-zone <name>', 'in which a day ends')
        .env('LICENCE_AUTHORITY_TIME_ZONE')
        .default('UTC')
        .argParser(zone),
    )
    .addOption(new Option('--token-file <path>', 'file with a token').env('LICENCE_AUTHORITY_TOKEN_FILE'))
    .addOption(
      new Option('-o, --output <format>', 'how the answer is shown').choices(['table', 'json']).default('table'),
    )
    .addHelpText(
      'after',
      `
The token is read from --token-file, else from LICENCE_AUTHORITY_TOKEN. A customer's token lists, shows, regenerates and
renews what is its own.
A date such as 2027-12-31 means until the end of that day, in --time-zone; a moment such as 2027-12-31T12:00:00Z means itself.
A command that makes a key and gets no answer says how to repeat it without making another one.
Exit status: 0 done, 1 refused, 2 wrong usage, 3 authority unreachable.`,
    )
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .exitOverride();

  /** Makes the call and shows its answer. */
  const call = async (
    method: string,
    path: string,
    body: unknown,
    show: (answer: Answer) => string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<void> => {
    const { url, tokenFile, output } = program.opts<{ url: string; tokenFile?: string; output: string }>();
    const answer = await ask(url, tokenOf(tokenFile, io.env), { method, path, body, headers });
    io.out(output === 'json' ? `${JSON.stringify(answer, null, 2)}\n` : show(answer));
  };
  /** A call that makes something, once for each idempotency key. */
  const make = async (
    path: string,
    { idempotencyKey = randomUUID(), ...body }: Making,
    made = 'a key',
    show = keyShown,
  ): Promise<void> => {
    try {
      await call('POST', path, ended(body), show, { [idempotencyHeader]: idempotencyKey });
    } catch (error) {
      if (!(error instanceof CallFailed) || error.status !== 3) throw error;
      const again = `${made} may have been made; to get it, repeat with --idempotency-key ${idempotencyKey}`;
      throw new CallFailed(3, `${error.message}\n${again}`);
    }
  };
  /** With the ends that were given as days as moments; `none` takes one away where that is possible. */
  const ended = (body: Answer): Answer => {
    const { timeZone } = program.opts<{ timeZone: string }>();
    return Object.fromEntries(
      Object.entries(body).map(([member, value]) => {
        if (!['supportUntil', 'expiresAt'].includes(member) || typeof value !== 'string') return [member, value];
        if (value === 'none') return [member, null];
        const at = endOfTerm(value, timeZone);
        if (at === undefined) {
          throw new CallFailed(
            2,
            `"${value}" is no day such as 2027-12-31, and no moment such as 2027-12-31T12:00:00Z`,
          );
        }
        return [member, at];
      }),
    );
  };
  const force = () => new Option('--force', 'although an end has passed, or is earlier than the present one');
  const naming = () =>
    new Option('--assignment <whose>', 'whose seats are: persons who are named, or whoever comes').choices(assignments);
  const once = () =>
    new Option('--idempotency-key <text>', 'of a command that got no answer: gives its answer, makes nothing twice');
  // Set up before the commands: they take over what the program has.
  const command = (usage: string, description: string) => program.command(usage).description(description);

  command('issue', 'Issues a licence and its first key; the key is shown this once')
    .requiredOption('--organisation <name>', 'who buys it')
    .option('--organisation-id <id>', 'of one that is known by another name')
    .requiredOption('--product <product>', 'what is bought')
    .requiredOption('--seats <n>', 'how many at once', seats)
    .option('--support-until <date>', 'last day of the support term; without: no term')
    .option('--expires-at <date>', 'last day of the licence; without: perpetual')
    .addOption(force())
    .addOption(new Option('--support-policy <policy>', 'after the support term').choices(['warn', 'require']))
    .option('--features <list>', 'separated by commas', listed)
    .addOption(new Option('--count-by <what>', 'what one seat is; without: a session').choices(countings))
    .option('--overdraft-seats <n>', 'seats that may be in use beyond --seats, once all are', seats)
    .option('--weights <list>', 'seats that one of a feature costs, as payroll=3,trade=2', weighed)
    .option(
      '--borrow <hours>',
      'how long a seat may be taken along, as 48h, or 48h:3 where 3 seats must stay free',
      lent,
    )
    .addOption(naming())
    .option(
      '--reassign-after-days <n>',
      "of named users: a seat is a person's for so many days at least; without: 30",
      seats,
    )
    .addOption(
      new Option('--trial <days>', 'a licence to try the product, for so many days from now: 30d')
        .argParser(days)
        .conflicts('expiresAt'),
    )
    .addOption(once())
    .action(({ seats: seatLimit, trial, ...rest }) =>
      make('/v1/licences', { ...rest, ...(trial === undefined ? {} : trialOf(trial)), seatLimit }),
    );
  command('list', 'Lists licences with their newest key')
    .option('--organisation <idOrName>', 'only of this organisation')
    .option('--key-id <keyId>', 'only the licence of this key')
    .option('--suspected', 'only those with a key that a copied computer has used')
    .option('--after <licenceId>', 'go on after this licence')
    .action((options) => call('GET', `/v1/licences?${new URLSearchParams(options)}`, undefined, licencesShown));
  command('show <keyId>', 'Shows what is left before it is spent: regenerations, and a paid extension').action((id) =>
    call('GET', `/v1/keys/${encodeURIComponent(id)}`, undefined, allowanceShown),
  );
  command('regenerate <licenceId|keyId>', 'Makes a new key for a move to another computer; three a month')
    .option('--support-override <reason>', "beyond the month's three, with support's reason")
    .addOption(once())
    .action((id, options) => make(`${targetOf(id)}:regenerate`, options));
  command('grant-renewal <licenceId>', 'Notes an extension that is paid for; the customer takes it by renew')
    .option('--support-until <date>', 'new last day of the support term')
    .option('--expires-at <date>', 'new last day of the licence')
    .option('--seats <n>', 'new number of seats', seats)
    .option('--reference <text>', 'your own name for it: order, invoice')
    .addOption(force())
    .addOption(once())
    .action((id, { seats: seatLimit, ...rest }) =>
      make(
        `/v1/licences/${encodeURIComponent(id)}/renewals`,
        { ...rest, seatLimit },
        'an extension',
        ({ renewal }) => `waits to be taken: ${termsShown(renewal)}\n`,
      ),
    );
  command('renew <licenceId|keyId>', 'Makes the key of a paid extension; it stays on the same computer')
    .option('--support-until <date>', "the vendor's: last day of the support term")
    .option('--expires-at <date>', "the vendor's: last day of the licence")
    .option('--seats <n>', "the vendor's: number of seats", seats)
    .addOption(force())
    .addOption(once())
    .action((id, { seats: seatLimit, ...rest }) => make(`${targetOf(id)}:renew`, { ...rest, seatLimit }));
  command('correct <licenceId>', 'Puts right what was issued wrong; servers take it up when they activate again')
    .option('--organisation <name>', 'the right name: of the same organisation, or of another one that is known')
    .option('--organisation-id <id>', 'the right organisation, if it is another one')
    .option('--seats <n>', 'the right number of seats', seats)
    .option('--support-until <date>', 'the right last day of the support term; none: no term')
    .option('--expires-at <date>', 'the right last day of the licence; none: perpetual')
    .addOption(force())
    .addOption(new Option('--support-policy <policy>', 'the right policy').choices(['warn', 'require']))
    .option('--features <list>', 'the right features, separated by commas', listed)
    .addOption(new Option('--count-by <what>', 'what one seat is').choices(countings))
    .option('--overdraft-seats <n>', 'the right number of seats beyond the limit; 0: none', seats)
    .option('--weights <list>', "the right seats of features, as payroll=3; '': each costs one", weighed)
    .option('--borrow <hours>', 'how long a seat may be taken along; 0: not at all', lent)
    .addOption(naming())
    .option('--reassign-after-days <n>', "of named users: a seat is a person's for so many days at least", seats)
    .action((id, { seats: seatLimit, ...rest }) =>
      call('PATCH', `/v1/licences/${encodeURIComponent(id)}`, ended({ ...rest, seatLimit }), (licence) =>
        licencesShown({ licences: [licence] }),
      ),
    );
  command('revoke <licenceId|keyId>', 'Switches a licence, or one key, off for good: it activates nowhere again')
    .requiredOption('--reason <text>', 'kept in the audit')
    .action((id, options) =>
      call('POST', `${targetOf(id)}:revoke`, options, (a) => `revoked ${text(a.keyId ?? a.licenceId)}\n`),
    );
  command('pardon <keyId>', 'Lets a key go on after a copy was suspected and dealt with')
    .requiredOption('--reason <text>', 'kept in the audit')
    .action((id, options) =>
      call('POST', `/v1/keys/${encodeURIComponent(id)}:pardon`, options, ({ keyId }) => `pardoned ${text(keyId)}\n`),
    );
  command(
    'respond <file>',
    'Answers the request file of an air-gapped activation; the answer is the response file',
  ).action((file) =>
    call('POST', '/v1/activations:respond', readJson(file), (answer) => `${JSON.stringify(answer)}\n`),
  );
  command('audit', 'Shows what was done, the latest first')
    .option('--licence-id <licenceId>', 'only of this licence')
    .option('--before <id>', 'go on before this entry', whole)
    .option('--limit <n>', 'how many, 500 at most', whole)
    .action((options) => call('GET', `/v1/audit?${new URLSearchParams(options)}`, undefined, auditShown));

  const invitationShown = ({ token, email, expiresAt }: Answer) => {
    const { url, cabinetUrl = url } = program.opts<{ url: string; cabinetUrl?: string }>();
    return (
      `${cabinetUrl.replace(/\/+$/, '')}/#/invitation/${text(token)}\n` +
      `for ${text(email)}, once, until ${text(expiresAt)}; the link is not shown again\n`
    );
  };
  command(
    'invite <email>',
    'Makes a link by which somebody comes into the cabinet; the first person of the vendor, too',
  )
    .option('--vendor', "one of the vendor's own people")
    .option('--organisation <name>', 'somebody of this customer; a new name makes a new one')
    .option('--organisation-id <id>', 'of one that is known by another name')
    .action((email, { vendor, ...to }) =>
      call('POST', '/v1/invitations', { email, ...(vendor ? { role: 'vendor' } : {}), ...to }, invitationShown),
    );
  command('people', 'Lists who can sign in to the cabinet').action(() =>
    call('GET', '/v1/people', undefined, ({ people }) =>
      table(
        ['PERSON', 'EMAIL', 'NAME', 'ROLE', 'ORGANISATION', 'SEEN', 'SHUT OUT'],
        rows(people, ['personId', 'email', 'name', 'role', 'organisation', 'seenAt', 'disabledAt']),
      ),
    ),
  );
  command('reset-password <personId>', 'Makes a link by which somebody sets a new password').action((id) =>
    call('POST', `/v1/people/${encodeURIComponent(id)}:invite`, {}, invitationShown),
  );
  command('disable-person <personId>', 'Shuts somebody out of the cabinet, at once and everywhere').action((id) =>
    call('POST', `/v1/people/${encodeURIComponent(id)}:disable`, {}, () => `${id} is shut out\n`),
  );

  const signing = command('signing-keys', 'The keys that sign activations');
  const signingShown = ({ keys }: Answer) =>
    table(['KID', 'STATE', 'CREATED'], rows(keys, ['kid', 'state', 'createdAt']));
  const stateShown = ({ kid, state }: Answer) => `${text(kid)} is ${text(state)}\n`;
  signing
    .command('list')
    .description('Lists them')
    .action(() => call('GET', '/v1/signing-keys', undefined, signingShown));
  signing
    .command('add')
    .description('Publishes the next one; activate it when all servers trust it')
    .action(() => call('POST', '/v1/signing-keys', {}, stateShown));
  signing
    .command('activate <kid>')
    .description('Signs with it from now on')
    .action((kid) => call('POST', `/v1/signing-keys/${encodeURIComponent(kid)}:activate`, {}, stateShown));
  signing
    .command('withdraw <kid>')
    .description('Takes a stolen one out of the published set; what it signed counts nowhere that follows the set')
    .action((kid) => call('POST', `/v1/signing-keys/${encodeURIComponent(kid)}:withdraw`, {}, stateShown));
  return program;
}

/** By keyId a key is made only if that one is still the newest of its licence. */
const targetOf = (id: string): string => (isKeyId(id) ? `/v1/keys/${id}` : `/v1/licences/${encodeURIComponent(id)}`);

interface Making {
  readonly idempotencyKey?: string;
  readonly [member: string]: unknown;
}

type Answer = Readonly<Record<string, unknown>>;

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

async function ask(url: string, token: string, { method, path, body, headers }: Asked): Promise<Answer> {
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(url.replace(/\/+$/, '') + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'error',
      signal: AbortSignal.timeout(30_000),
    });
    answer = await response.json();
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CallFailed(3, `the authority ${url} cannot be reached (${why}); check --url`);
  }
  if (!isAnswer(answer)) throw new CallFailed(3, `${url} does not answer as an authority does; check --url`);
  // Of a fault over there it is not known whether it has done what was asked.
  if (!response.ok) {
    throw new CallFailed(response.status >= 500 ? 3 : 1, `${text(answer.reason)}: ${text(answer.detail)}`);
  }
  return answer;
}

function tokenOf(file: string | undefined, env: Io['env']): string {
  const given = file === undefined ? env.LICENCE_AUTHORITY_TOKEN : readText(file);
  const [token = ''] = (given ?? '').trim().split(/\s+/);
  if (token === '') throw new CallFailed(2, 'a token is needed: --token-file, or LICENCE_AUTHORITY_TOKEN');
  return token;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CallFailed(2, `cannot read ${file} (${(error as NodeJS.ErrnoException).code})`);
  }
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readText(file));
  } catch (error) {
    if (error instanceof CallFailed) throw error;
    throw new CallFailed(2, `${file} is not JSON; fetch GET /v1/activation/request from the licence server`);
  }
}

const isAnswer = (v: unknown): v is Answer => typeof v === 'object' && v !== null;
const text = (v: unknown): string => (v === undefined || v === null ? '' : String(v));
const rows = (list: unknown, members: readonly string[]): string[][] =>
  (Array.isArray(list) ? list : []).filter(isAnswer).map((row) => members.map((m) => text(row[m])));

const keyShown = (a: Answer): string =>
  `key:           ${text(a.key)}\nkeyId:         ${text(a.keyId)}\nlicence:       ${text(a.licenceId)}\n` +
  `generation:    ${text(a.generation)}\nregenerations: ${text(a.regenerationsLeft)} left until ${text(a.regenerationsResetAt)}\n` +
  `terms:         ${termsShown(a) || 'perpetual'}\nThe key is not shown again.\n`;

function termsShown(terms: unknown): string {
  const { supportUntil, expiresAt, seatLimit, trial } = isAnswer(terms) ? terms : {};
  const said = [
    [trial, 'trial'],
    [supportUntil, `support until ${text(supportUntil)}`],
    [expiresAt, `licence until ${text(expiresAt)}`],
    [seatLimit, `${text(seatLimit)} seats`],
  ];
  return said.flatMap(([value, words]) => (value === undefined ? [] : [words])).join(', ');
}

/** How a key came to be, and that it was switched off. */
const fate = (made: unknown, revokedAt: unknown): string =>
  `${made === undefined ? '' : `, by ${text(made)}`}${revokedAt === undefined ? '' : `, REVOKED ${text(revokedAt)}`}`;

const allowanceShown = (a: Answer): string =>
  `key:           ${text(a.keyId)}, generation ${text(a.generation)}${fate(a.madeBy, a.revokedAt)}\n` +
  `newest key:    ${text(a.newestKeyId)}, generation ${text(a.newestGeneration)}${fate(a.newestMadeBy, a.newestRevokedAt)}\n` +
  `licence:       ${text(a.licenceId)}, ${text(a.product)}, ${text(a.organisation)}\n` +
  `regenerations: ${text(a.regenerationsLeft)} left until ${text(a.regenerationsResetAt)}\n` +
  `extension:     ${a.renewal === undefined ? 'none waits' : `${termsShown(a.renewal)}: take it with renew`}\n`;

function licencesShown({ licences, after }: Answer): string {
  const flat = (Array.isArray(licences) ? licences : []).filter(isAnswer).map((l) => {
    const newest: unknown = Array.isArray(l.keys) ? l.keys[0] : undefined;
    return { ...(isAnswer(newest) ? newest : {}), ...l };
  });
  const members = [
    'licenceId',
    'organisation',
    'product',
    'seatLimit',
    'supportUntil',
    'expiresAt',
    'keyId',
    'generation',
    'madeBy',
    'revokedAt',
    'fingerprint',
    'cloneSuspectedAt',
    'regenerationsLeft',
  ];
  const heads = [
    'LICENCE',
    'ORGANISATION',
    'PRODUCT',
    'SEATS',
    'SUPPORT',
    'EXPIRES',
    'KEY',
    'GEN',
    'BY',
    'REVOKED',
    'BOUND TO',
    'COPIED?',
    'LEFT',
  ];
  const short = rows(flat, members).map((r) => r.map((cell) => cell.replace(/^(sha256:.{12}).*/, '$1')));
  return table(heads, short) + (after === undefined ? '' : `more: --after ${text(after)}\n`);
}

const auditShown = ({ entries, before }: Answer): string =>
  table(
    ['AT', 'WHO', 'FROM', 'TOKEN', 'WHAT', 'OUTCOME', 'LICENCE', 'KEY', 'DETAIL'],
    rows(entries, ['at', 'actor', 'address', 'token', 'action', 'outcome', 'licenceId', 'keyId', 'detail']),
  ) + (before === undefined ? '' : `more: --before ${text(before)}\n`);

function table(heads: readonly string[], body: readonly string[][]): string {
  const widths = heads.map((h, i) => Math.max(h.length, ...body.map((r) => (r[i] ?? '').length)));
  const line = (cells: readonly string[]) =>
    `${cells
      .map((c, i) => c.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()}\n`;
  return [heads, ...body].map(line).join('');
}

if (import.meta.main) {
  process.exitCode = await runCli(process.argv.slice(2), {
    env: process.env,
    out: (t) => process.stdout.write(t),
    err: (t) => process.stderr.write(t),
  });
}
