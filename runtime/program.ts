import { type Config, ConfigFault, helpText, readConfig, type Settings } from './config.ts';
import { startTracing } from './tracing.ts';

/** What every program's `main.ts` hands over; `run` answers the exit status. */
export interface Program<S extends Settings> {
  readonly name: string;
  readonly purpose: string;
  readonly settings: S;
  /** Variables with these prefixes that no setting names are reported as typing errors. */
  readonly prefixes: readonly string[];
  run(config: Config<S>): Promise<number>;
}

/**
 * Runs a program to its end: `--help` prints the settings and exits 0; a faulty environment lists all its faults and
 * exits 2; an error at start prints its message and exits 1.
 */
export async function runProgram<const S extends Settings>(program: Program<S>): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(helpText(program.name, program.purpose, program.settings));
    return;
  }
  try {
    const config = readConfig(program.settings, process.env, program.prefixes);
    const stopTracing = await startTracing(program.name, process.env);
    try {
      process.exitCode = await program.run(config);
    } finally {
      await stopTracing();
    }
  } catch (error) {
    process.stderr.write(`${program.name}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof ConfigFault ? 2 : 1;
  }
}
