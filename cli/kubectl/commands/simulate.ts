import { parse } from 'yaml';
import type { Simulated, SimulatedSide, SimulationLine } from '../../../licence/simulated.ts';
import type { Context } from '../context.ts';
import { CommandFault } from '../exitStatus.ts';
import type { Answer } from '../output.ts';
import { openServer } from '../serverLink.ts';
import { textOfFile } from './rotate.ts';

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
    let said = 0;
    for await (const line of link.lines<SimulationLine>('/v1/rules:simulate', body, context.cluster.signal)) {
      if (line.error !== undefined) throw new CommandFault(`the licence server gave up: ${line.error.detail}`);
      if (line.result !== undefined) {
        context.print(simulatedAnswer(line.result));
        if (context.format === 'table' || context.format === 'wide') context.out(`${summaryOf(line.result)}\n`);
        return undefined;
      }
      const percent = Math.floor((line.progress?.done ?? 0) * 10) * 10;
      if (percent > said) context.say(`${String(percent).padStart(3)} %  ${line.progress?.at.slice(0, 10)}`);
      said = Math.max(said, percent);
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
  const { spec } = (read ?? {}) as { readonly spec?: { readonly seats?: { readonly rules?: unknown } } };
  const rules = spec === undefined ? read : (spec.seats?.rules ?? []);
  if (!Array.isArray(rules)) {
    throw new CommandFault(`${file} has no list of rules`, 'give spec.seats.rules, or the whole LicenceServer');
  }
  return rules.filter((rule: { readonly product?: unknown } | null) => rule?.product === product);
}

const wait = (seconds: number): string =>
  seconds < 120 ? `${seconds}s` : seconds < 7_200 ? `${Math.round(seconds / 60)}m` : `${Math.round(seconds / 3_600)}h`;

/** A row a day, and one of all; what was on the left, what would have been on the right. */
export function simulatedAnswer(result: Simulated): Answer {
  const both = (now: SimulatedSide, then: SimulatedSide, of: (side: SimulatedSide) => string) =>
    `${of(now)} → ${of(then)}`;
  const row = (title: string, now: SimulatedSide, then: SimulatedSide) => [
    title,
    both(now, then, (s) => String(s.refused)),
    both(now, then, (s) => String(s.unmet)),
    both(now, then, (s) => String(s.peak)),
    both(now, then, (s) => wait(s.longestWaitSeconds)),
  ];
  return {
    data: result,
    columns: ['DAY', 'REFUSED', 'UNMET', 'PEAK', 'LONGEST WAIT'].map((title) => ({ title })),
    rows: [
      ...result.days.map(({ day, today, other }) => row(day, today, other)),
      row('all', result.today, result.other),
    ],
    empty: 'nothing is recorded of these days',
  };
}

/** What it comes to, in a sentence. */
export const summaryOf = ({ product, today, other, needed }: Simulated): string =>
  `${product} with ${other.seats} seats beside today's ${today.seats}; with ${needed} nobody would have waited for one`;
