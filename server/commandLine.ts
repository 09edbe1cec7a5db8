import { parseArgs } from 'node:util';
import { createLog, type Logger } from '../runtime/log.ts';
import { UsageFault } from '../runtime/program.ts';
import type { ServerConfig } from './settings.ts';

/** What the commands of the server have in common: how they speak, and how their arguments are read. */

/** Only what matters, beside the output: progress of PostgreSQL is nothing for a person. */
export const commandLog = (config: ServerConfig): Logger =>
  createLog('licence-server', config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL, 'stderr');

export const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

type Options = Readonly<Record<string, { readonly type: 'boolean' | 'string' }>>;

/** @throws UsageFault for what is no option, and for more positional arguments than may be */
export function parsed(
  args: readonly string[],
  options: Options,
  most: number,
): { readonly values: Record<string, unknown>; readonly positionals: readonly string[] } {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (positionals.length > most) throw new Error(`"${positionals[most]}" is one argument too many`);
    return { values, positionals };
  } catch (error) {
    throw new UsageFault(`${error instanceof Error ? error.message : String(error)}; see --help`);
  }
}
