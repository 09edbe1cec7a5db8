import { type Config, ConfigFault, helpText, readConfig, type Settings } from './config.ts';
import { onSignals } from './shutdown.ts';
import { startTracing } from './tracing.ts';

/** What every program's `main.ts` hands over; `run` answers the exit status. */
export interface Program<S extends Settings> {
  readonly name: string;
  readonly purpose: string;
  readonly settings: S;
  /** Variables with these prefixes that no setting names are reported as typing errors. */
  readonly prefixes: readonly string[];
  run(config: Config<S>, stop: AbortSignal): Promise<number>;
  /** What it does instead of running, by the word that comes first on the command line. */
  readonly commands?: Readonly<Record<string, ProgramCommand<S>>>;
}

export interface ProgramCommand<S extends Settings> {
  /** One line for the program's `--help`. */
  readonly purpose: string;
  /** What its own `--help` prints. */
  readonly help: string;
  /**
   * @param config reads the environment; throws ConfigFault
   * @param stop aborts when the process is asked to end; what was begun is then undone, and its reason thrown
   * @returns the exit status; throws UsageFault when the arguments make no sense
   */
  run(config: () => Config<S>, args: readonly string[], stop: AbortSignal): Promise<number>;
}

/** Arguments that make no sense, in one sentence. */
export class UsageFault extends Error {}

/**
 * Runs a program to its end: `--help` prints the settings and exits 0; a faulty environment lists all its faults and
 * exits 2, as wrong usage of a command does; an error prints its message and exits 1, whatever else was left behind.
 * @param stop aborts when the process is asked to end: `stopRequest`, if the program has imported that first
 */
export async function runProgram<const S extends Settings>(program: Program<S>, stop = onSignals()): Promise<void> {
  const args = process.argv.slice(2);
  const commands = program.commands ?? {};
  const command = Object.hasOwn(commands, args[0] ?? '') ? commands[args[0] ?? ''] : undefined;
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(command?.help ?? helpText(program.name, program.purpose, program.settings));
    if (command === undefined) process.stdout.write(commandsText(commands));
    return;
  }
  const readEnvironment = () => readConfig(program.settings, process.env, program.prefixes);
  try {
    if (command !== undefined) {
      process.exitCode = await command.run(readEnvironment, args.slice(1), stop);
      return;
    }
    if (args.length > 0 && program.commands !== undefined) {
      throw new UsageFault(`there is no command "${args[0]}"; there are ${Object.keys(commands).join(', ')}`);
    }
    const config = readEnvironment();
    const stopTracing = await startTracing(program.name, process.env);
    try {
      process.exitCode = await program.run(config, stop);
    } finally {
      await stopTracing();
    }
    endSoon(program.name);
  } catch (error) {
    process.stderr.write(`${program.name}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof ConfigFault || error instanceof UsageFault ? 2 : 1;
    endSoon(program.name);
  }
}

const lingerMs = 2_000;

/** A program that has stopped its parts, or failed, ends, also when something that was forgotten would keep it. */
function endSoon(name: string): void {
  const timer = setTimeout(() => {
    process.stderr.write(`${name}: stopped, but kept by ${process.getActiveResourcesInfo().join(', ')}; ended\n`);
    process.exit();
  }, lingerMs);
  timer.unref();
}

function commandsText(commands: Readonly<Record<string, { readonly purpose: string }>>): string {
  const lines = Object.entries(commands).map(([name, { purpose }]) => `  ${name.padEnd(8)}  ${purpose}\n`);
  return lines.length === 0 ? '' : `\nCommands (each has --help):\n${lines.join('')}`;
}
