import { median } from '../median.ts';
import type { Contestant } from './contestant.ts';
import type { HeldMeasures } from './held.ts';
import type { Measures } from './scenario.ts';

/** What a table says: a row a measure, a column a contestant, and the ratio of the first two. */
export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly values: readonly number[];
  /** The first divided by each of the others; absent where nothing is compared. */
  readonly ratios: readonly (number | undefined)[];
}

const seconds = (ms: number) => ms / 1000;

const rows: readonly (readonly [string, string, (m: Measures) => number])[] = [
  ['created at once → every child applied', 's', (m) => seconds(m.appliedMs)],
  ['created at once → every status written', 's', (m) => seconds(m.settledMs)],
  ['servers a second', '/s', (m) => m.size / seconds(m.appliedMs)],
  ['API calls a server', '', (m) => m.callsPerServer],
  ['of them writes', '', (m) => m.writesPerServer],
  ['reconciles a server', '', (m) => m.reconcilesPerServer],
  ['API calls a reconcile', '', (m) => m.callsPerReconcile],
  ['failed reconciles', '', (m) => m.failures],
  ['edit → applied meanwhile, p50', 'ms', (m) => m.edits.p50Ms],
  ['edit → applied meanwhile, p99', 'ms', (m) => m.edits.p99Ms],
  ['edits', '', (m) => m.edits.count],
  ['processor time', 's', (m) => m.cpuSeconds],
  ['RSS idle', 'MiB', (m) => m.rssIdleMib],
  ['RSS peak', 'MiB', (m) => m.rssPeakMib],
  ['RSS settled', 'MiB', (m) => m.rssSettledMib],
  ['writes while nothing happens', '', (m) => m.steadyWrites],
  ['reads while nothing happens', '', (m) => m.steadyReads],
  ['processor while nothing happens', '%', (m) => (100 * m.steadyCpuSeconds) / m.steadySeconds],
  ['exit', 'ms', (m) => m.exitMs],
  ['start → first request', 'ms', (m) => m.firstRequestMs],
  ['start → leader', 'ms', (m) => m.leaderMs],
  ['restart → all observed', 's', (m) => seconds(m.restartMs)],
  ['restart → all asked', 's', (m) => seconds(m.restartAskedMs)],
  ['restart: writes', '', (m) => m.restartWrites],
  ['restart: reads', '', (m) => m.restartReads],
  ['restart: processor time', 's', (m) => m.restartCpuSeconds],
  ['restart: RSS peak', 'MiB', (m) => m.restartRssPeakMib],
  ['churn: minutes', '', (m) => m.churn?.minutes ?? Number.NaN],
  ['churn: RSS at its end', 'MiB', (m) => m.churn?.rssMib.at(-1) ?? Number.NaN],
  ['churn: growth of RSS, second half', 'MiB/h', (m) => m.churn?.growthMibPerHour ?? Number.NaN],
  ['churn: live heap at its end', 'MiB', (m) => m.churn?.heapMib.at(-1) ?? Number.NaN],
  ['churn: growth of the live heap, second half', 'MiB/h', (m) => m.churn?.heapGrowthMibPerHour ?? Number.NaN],
];

/** Medians over the runs of each contestant, in the contestants' order. */
export function tableOf(contestants: readonly Contestant[], runs: readonly Measures[]): Row[] {
  return tableFrom(rows, contestants, runs);
}

function tableFrom<M extends { readonly contestant: Contestant }>(
  of: readonly (readonly [what: string, unit: string, value: (m: M) => number])[],
  contestants: readonly Contestant[],
  runs: readonly M[],
): Row[] {
  return of
    .map(([what, unit, value]) => {
      const values = contestants.map((c) => median(runs.filter((m) => m.contestant === c).map(value)));
      const [first = Number.NaN, ...others] = values;
      const ratios = others.map((other) => (other !== 0 && Number.isFinite(first / other) ? first / other : undefined));
      return { what, unit, values, ratios };
    })
    .filter(({ values }) => !values.every(Number.isNaN));
}

const shown = (value: number): string =>
  Number.isNaN(value) ? '–' : Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(value % 1 === 0 ? 0 : 2);

/** A Markdown table; readable as plain text too. */
export function markdownOf(title: string, contestants: readonly Contestant[], table: readonly Row[]): string {
  const head = [title, 'unit', ...contestants, ...contestants.slice(1).map((other) => `÷ ${other}`)];
  const body = table.map(({ what, unit, values, ratios }) => [
    what,
    unit,
    ...values.map(shown),
    ...ratios.map((ratio) => ratio?.toFixed(2) ?? ''),
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...body].map((line) => (line[i] ?? '').length)));
  const pad = (text: string, i: number) => (i < 2 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0));
  const line = (cells: readonly string[]) => `| ${cells.map(pad).join(' | ')} |`;
  const rule = widths.map((width, i) => (i < 2 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), `|-${rule.join('-|-')}-|`, ...body.map(line)].join('\n');
}

const share = ({ cpuSeconds }: HeldMeasures['held'], seconds: number) => (100 * cpuSeconds) / seconds;

const heldRows: readonly (readonly [string, string, (m: HeldMeasures) => number])[] = [
  ['settled: processor', '%', (m) => share(m.settled, m.seconds)],
  ['held: processor', '%', (m) => share(m.held, m.seconds)],
  ['held: passes', '', (m) => m.held.passes],
  ['held: writes', '', (m) => m.held.writes],
  ['held: reads', '', (m) => m.held.reads],
];

/** What a held fleet costs, beside the same one at rest; medians over the runs of each contestant. */
export const heldTableOf = (contestants: readonly Contestant[], runs: readonly HeldMeasures[]): Row[] =>
  tableFrom(heldRows, contestants, runs);

/** Which calls make up a phase, a server: what differs between contestants is seen here first. */
export function callsMarkdownOf(
  title: string,
  contestants: readonly Contestant[],
  runs: readonly Measures[],
  pick: (m: Measures) => Readonly<Record<string, number>>,
): string {
  const of = contestants.map((c) => runs.filter((m) => m.contestant === c).map(pick));
  const names = [...new Set(of.flat().flatMap(Object.keys))].sort();
  const lines = names.map((name) => {
    const values = of.map((counts) => median(counts.map((c) => c[name] ?? 0)).toFixed(2));
    return `| ${[name, ...values].join(' | ')} |`;
  });
  const rule = ['---', ...contestants.map(() => '---:')];
  return [`| ${[title, ...contestants].join(' | ')} |`, `| ${rule.join(' | ')} |`, ...lines].join('\n');
}
