import type { Command } from 'commander';
import type { LicenceServer } from '../../operator/licenceServer/api/types.ts';
import { type Cluster, licenceServer, licenceServers, openCluster } from './cluster.ts';
import { CommandFault, type ExitStatus, exitStatus } from './exitStatus.ts';
import { faultOf } from './faultOf.ts';
import { type Answer, type Format, type ToYaml, textOf } from './output.ts';

/** What every command works with. */
export interface Context {
  readonly cluster: Cluster;
  readonly format: Format;
  readonly allNamespaces: boolean;
  /** The answer of a command, to standard output. */
  print(answer: Answer): void;
  out(text: string): void;
  /** Progress and advice, to standard error: never part of an answer. */
  say(line: string): void;
  /** Goes on only after a yes; `--yes` is one. @throws CommandFault when nobody says so */
  confirm(question: string): Promise<void>;
  /** The named server; without a name the only one of the namespace. */
  server(name: string | undefined): Promise<LicenceServer>;
  /** Paints a text where a terminal shows colours. */
  paint(text: string, colour: 'red' | 'yellow' | 'green' | 'bold'): string;
}

interface Globals {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly output: Format;
  readonly yes?: boolean;
}

/**
 * Makes the action of a command: opens the cluster, runs, and turns whatever goes wrong into one sentence and an exit status.
 * What a command answers is its exit status; nothing is 0.
 */
export const action =
  (
    program: Command,
    run: (
      context: Context,
      args: readonly string[],
      options: Record<string, unknown>,
    ) => Promise<ExitStatus | undefined>,
  ) =>
  async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    const options = given.at(-2) as Record<string, unknown>;
    const args = given
      .slice(0, -2)
      .flat()
      .filter((value) => typeof value === 'string');
    const interrupted = new AbortController();
    process.once('SIGINT', () => {
      interrupted.abort(new CommandFault('interrupted'));
      process.once('SIGINT', () => process.exit(130));
    });
    let cluster: Cluster | undefined;
    try {
      const globals = { ...program.opts(), ...command.opts() } as unknown as Globals;
      cluster = openCluster(globals, interrupted.signal);
      const form = globals.output === 'yaml' ? (await import('yaml')).stringify : globals.output;
      process.exitCode = (await run(contextOf(cluster, globals, form), args, options)) ?? exitStatus.ok;
    } catch (error) {
      const fault = faultOf(error);
      process.stderr.write(`kubectl licence: ${fault.message}\n${fault.todo === undefined ? '' : `→ ${fault.todo}\n`}`);
      process.exitCode = interrupted.signal.aborted ? 130 : fault.exit;
    } finally {
      await cluster?.client.close();
    }
  };

const codes = { red: 31, yellow: 33, green: 32, bold: 1 } as const;

function contextOf(cluster: Cluster, globals: Globals, form: Exclude<Format, 'yaml'> | ToYaml): Context {
  const hasColours = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  return {
    cluster,
    format: globals.output,
    allNamespaces: globals.allNamespaces ?? false,
    print: (answer) => process.stdout.write(textOf(answer, form)),
    out: (text) => process.stdout.write(text),
    say: (line) => process.stderr.write(`${line}\n`),
    confirm: (question) => (globals.yes ? Promise.resolve() : ask(question, cluster.signal)),
    server: (name) => (name === undefined ? onlyServer(cluster) : licenceServer(cluster, name)),
    paint: (text, colour) => (hasColours ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text),
  };
}

async function ask(question: string, signal: AbortSignal): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new CommandFault(`not done: ${question}`, 'nobody can be asked here: say --yes', exitStatus.declined);
  }
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const said = await lines.question(`${question} [y/N] `, { signal });
    if (!['y', 'yes', 'д', 'да'].includes(said.trim().toLowerCase()))
      throw new CommandFault('not done', undefined, exitStatus.declined);
  } finally {
    lines.close();
  }
}

async function onlyServer(cluster: Cluster): Promise<LicenceServer> {
  const all = await licenceServers(cluster, cluster.namespace);
  const [only] = all;
  if (only !== undefined && all.length === 1) return only;
  const names = all.map(({ metadata }) => metadata.name).join(', ');
  throw new CommandFault(
    only === undefined
      ? `there is no LicenceServer in namespace ${cluster.namespace}`
      : `namespace ${cluster.namespace} has several LicenceServers: ${names}`,
    only === undefined ? 'name its namespace with -n; "kubectl licence list -A" shows all' : 'name one of them',
  );
}
