import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { type LicenceClient, LicenceRefused, type SimulationRequest } from '../client/licenceClient.ts';
import { rulesOf, simulatedRows, summaryOf, tenths } from '../licence/simulationText.ts';
import { aligned } from '../runtime/aligned.ts';
import { runStatus } from './runCommand.ts';

export interface SimulationWanted extends Omit<SimulationRequest, 'rules'> {
  /** A file of rules; "-" is the standard input. */
  readonly rulesFile?: string;
}

const wrongUsage = 64;

/**
 * Prints what the last days would have been with other seats or rules, a row a day; how far it is goes to standard error.
 * @param signal its end stops it
 * @returns 0, or one of `runStatus`, or 64 for what the server refuses
 */
export async function simulateSeats(
  client: LicenceClient,
  { rulesFile, ...wanted }: SimulationWanted,
  json: boolean,
  signal: AbortSignal,
): Promise<number> {
  const say = (line: string) => process.stderr.write(`licence: ${line}\n`);
  try {
    const rules = rulesFile === undefined ? undefined : rulesIn(rulesFile, wanted.product);
    const result = await client.simulate({ ...wanted, ...(rules === undefined ? {} : { rules }) }, tenths(say), signal);
    const { titles, rows } = simulatedRows(result);
    process.stdout.write(
      json ? `${JSON.stringify(result, undefined, 2)}\n` : `${aligned([titles, ...rows])}\n${summaryOf(result)}\n`,
    );
    return 0;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (error instanceof NoRules) say(why);
    else if (error instanceof LicenceRefused && error.reason === 'SimulationFailed') say(`the server gave up: ${why}`);
    else if (error instanceof LicenceRefused && error.status < 500) say(why);
    else {
      say(`cannot reach the licence server: ${why}`);
      return runStatus.unreachable;
    }
    return wrongUsage;
  }
}

/** A file that has no rules; its message says what to do. */
class NoRules extends Error {}

/** @throws NoRules */
function rulesIn(file: string, product: string): readonly unknown[] {
  let read: unknown;
  try {
    read = parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isYaml = error instanceof Error && error.name.startsWith('YAML');
    throw new NoRules(
      isYaml
        ? `${file} is no YAML: ${message.split('\n')[0]}`
        : `${file} cannot be read (${code}); name a file with --rules, or "-"`,
    );
  }
  const rules = rulesOf(read, product);
  if (rules !== undefined) return rules;
  throw new NoRules(`${file} has no list of rules; give spec.seats.rules, or the whole LicenceServer`);
}
