import { parse } from 'yaml';
import type { Simulated, SimulationLine } from '../../../licence/simulated.ts';
import { rulesOf, simulatedRows, summaryOf, tenths } from '../../../licence/simulationText.ts';
import type { Context } from '../context.ts';
import { CommandFault } from '../exitStatus.ts';
import type { Answer } from '../output.ts';
import { openServer } from '../serverLink.ts';
import { textOfFile } from '../textOfFile.ts';

interface Options {
  readonly product: string;
  readonly days: string;
  readonly seats?: string;
  readonly overdraft?: string;
  readonly rules?: string;
}

/** `simulate NAME --product P`: what the last days would have been with other seats or rules; changes nothing. */
export async function simulate(context: Context, [name]: readonly string[], options: Options): Promise<undefined> {
  const { product, days, seats, overdraft } = options;
  const rules =
    options.rules === undefined ? undefined : rulesIn(textOfFile(options.rules, '--rules'), options.rules, product);
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    const body = {
      product,
      days: Number(days),
      ...(seats === undefined ? {} : { seats: Number(seats) }),
      ...(overdraft === undefined ? {} : { overdraft: Number(overdraft) }),
      ...(rules === undefined ? {} : { rules }),
    };
    const say = tenths(context.say);
    for await (const line of link.lines<SimulationLine>('/v1/rules:simulate', body, context.cluster.signal)) {
      if (line.error !== undefined) throw new CommandFault(`the licence server gave up: ${line.error.detail}`);
      if (line.result !== undefined) {
        context.print(simulatedAnswer(line.result));
        if (context.format === 'table' || context.format === 'wide') context.out(`${summaryOf(line.result)}\n`);
        return undefined;
      }
      if (line.progress !== undefined) say(line.progress);
    }
    throw new CommandFault('the licence server broke off', 'try again');
  } finally {
    link.close();
  }
}

/**
 * The rules of a product in a file: a list as in `spec.seats.rules`, or a LicenceServer that has one.
 * @throws CommandFault when it is neither
 */
export function rulesIn(text: string, file: string, product: string): readonly unknown[] {
  let read: unknown;
  try {
    read = parse(text);
  } catch (error) {
    throw new CommandFault(`${file} is no YAML: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
  }
  const rules = rulesOf(read, product);
  if (rules !== undefined) return rules;
  throw new CommandFault(`${file} has no list of rules`, 'give spec.seats.rules, or the whole LicenceServer');
}

export function simulatedAnswer(result: Simulated): Answer {
  const { titles, rows } = simulatedRows(result);
  return {
    data: result,
    columns: titles.map((title) => ({ title })),
    rows,
    empty: 'nothing is recorded of these days',
  };
}
