import { median } from '../median.ts';
import type { Case } from './cases.ts';
import type { Name } from './contestants.ts';
import type { Footprint } from './footprint.ts';
import type { Measured } from './measure.ts';

/** The rounds of one case, by contestant; round i of one is beside round i of the others. */
export interface CaseResult {
  readonly case: Case;
  readonly rounds: Readonly<Partial<Record<Name, readonly Measured[]>>>;
}

const roundsOf = (result: CaseResult, name: Name): readonly Measured[] => result.rounds[name] ?? [];
const medianOf = (result: CaseResult, name: Name, of: (m: Measured) => number): number =>
  median(roundsOf(result, name).map(of));

/** The median over the rounds of ours divided by another's: what one round shares with the next is not the machine's mood. */
export function ratioTo(result: CaseResult, name: Name): number {
  const others = roundsOf(result, name);
  return median(
    roundsOf(result, 'ours').flatMap((own, i) => {
      const other = others[i];
      return other === undefined ? [] : [own.perSecond / other.perSecond];
    }),
  );
}

export interface Verdict {
  readonly what: string;
  readonly value: string;
  readonly goal: string;
  readonly isMet: boolean;
}

const whole = (value: number): string => (Number.isNaN(value) ? '–' : Math.round(value).toLocaleString('en'));
const fixed = (value: number, digits: number): string => (Number.isNaN(value) ? '–' : value.toFixed(digits));
const percent = (share: number): string => `${fixed(share * 100, 0)} %`;

/** What the goal of a case says of its result, and the earlier build where it was measured too: nothing gets slower. */
export function verdictsOf(result: CaseResult): Verdict[] {
  const { goal, name, connections, items } = result.case;
  const what = `${name}, c = ${connections}`;
  const verdicts: Verdict[] = [];
  const toEarlier = ratioTo(result, 'earlier');
  if (!Number.isNaN(toEarlier)) {
    const value = fixed(toEarlier, 2);
    verdicts.push({ what, value: `${value} × earlier`, goal: '1 × earlier', isMet: Number(value) >= 1 });
  }
  if (goal === undefined) return verdicts;
  if (goal.timesDesignA !== undefined) {
    const ratio = ratioTo(result, 'design A');
    const [value, wanted] = [`${fixed(ratio, 1)} × design A`, `${goal.timesDesignA} ×`];
    verdicts.push({ what, value, goal: wanted, isMet: ratio >= goal.timesDesignA });
  }
  if (goal.ofBare !== undefined) {
    const ratio = ratioTo(result, 'bare');
    const [value, wanted] = [`${percent(ratio)} of bare`, percent(goal.ofBare)];
    verdicts.push({ what, value, goal: wanted, isMet: ratio >= goal.ofBare });
  }
  if (goal.itemsPerSecond !== undefined) {
    const rate = medianOf(result, 'ours', (m) => m.perSecond) * (items ?? 1);
    const [value, wanted] = [`${whole(rate)} items/s`, whole(goal.itemsPerSecond)];
    verdicts.push({ what, value, goal: wanted, isMet: rate >= goal.itemsPerSecond });
  }
  const p99 = medianOf(result, 'ours', (m) => m.p99Ms);
  verdicts.push({
    what: `${what}, p99`,
    value: `${fixed(p99, 1)} ms`,
    goal: `≤ ${goal.p99Ms} ms`,
    isMet: p99 <= goal.p99Ms,
  });
  return verdicts;
}

/** Memory counts at its highest in all cases of the run, not only under heartbeats. */
export function footprintVerdicts(f: Footprint, results: readonly CaseResult[]): Verdict[] {
  const most = (of: (m: Measured) => number, least: number) =>
    Math.max(least, ...results.flatMap((r) => roundsOf(r, 'ours').map(of)));
  const rss = most((m) => m.serverRssMib, f.serverRssMib);
  const pss = most((m) => m.postgresPssMib, f.postgresPssMib);
  const restart = median(f.restartMs);
  const idle = f.idleServerCpu + f.idlePostgresCpu;
  const atMost = (what: string, value: number, most: number, unit: string, digits: number): Verdict => ({
    what,
    value: `${fixed(value, digits)} ${unit}`,
    goal: `≤ ${most} ${unit}`,
    isMet: value <= most,
  });
  return [
    atMost(`lease table grows in ${f.loadSeconds} s of heartbeats, 100k leases`, f.tableGrowthMib, 1, 'MiB', 2),
    atMost('/metrics with 100k leases, p50', f.metricsP50Ms, 1, 'ms', 2),
    atMost('restart to first answer, 100k leases, embedded PostgreSQL', restart, 1_000, 'ms', 0),
    atMost('RSS of the server, most under any load', rss, 180, 'MiB', 0),
    atMost('PSS of PostgreSQL, most under any load', pss, 110, 'MiB', 0),
    atMost('processor while nothing happens, server and PostgreSQL', idle, 1, '%', 2),
  ];
}

const mark = (verdicts: readonly Verdict[]): string =>
  verdicts.length === 0 ? '' : verdicts.every((v) => v.isMet) ? 'met' : '**missed**';

/** Processor time a request, of server and PostgreSQL together, in µs. */
const cpuUs = (m: Measured): number => m.serverUs + m.postgresUs;

/** How the build does beside the earlier one, a row a case. */
export function againstMarkdown(results: readonly CaseResult[], earlier: string): string {
  const head = [
    'case',
    'c',
    'ours /s',
    `${earlier} /s`,
    'ours ÷ earlier',
    'p99 ms',
    'CPU µs a request',
    'CPU ÷ earlier',
  ];
  const rows = results.map((result) => {
    const of = (name: Name, pick: (m: Measured) => number) => medianOf(result, name, pick);
    const both = (pick: (m: Measured) => number, digits: number) =>
      `${fixed(of('ours', pick), digits)} (${fixed(of('earlier', pick), digits)})`;
    return [
      result.case.name,
      result.case.connections,
      whole(of('ours', (m) => m.perSecond)),
      whole(of('earlier', (m) => m.perSecond)),
      `${fixed(ratioTo(result, 'earlier'), 2)} ×`,
      both((m) => m.p99Ms, 2),
      both(cpuUs, 0),
      `${fixed(of('ours', cpuUs) / of('earlier', cpuUs), 2)} ×`,
    ];
  });
  return table(head, rows);
}

/** The table of the cases, a row each. */
export function casesMarkdown(results: readonly CaseResult[], relayGiven: boolean): string {
  const head = ['case', 'c', 'ours /s', 'design A /s', 'bare /s', 'keygen-relay /s', 'ours ÷ A', 'ours ÷ bare'];
  const tail = ['goal', '', 'p50 ms', 'p99 ms', 'CPU µs a request: server + PostgreSQL (bare)'];
  const rows = results.map((result) => {
    const { case: c } = result;
    const rate = (name: Name) => medianOf(result, name, (m) => m.perSecond);
    const items = c.items === undefined ? '' : ` (${whole(rate('ours') * c.items)} items)`;
    const verdicts = verdictsOf(result);
    const bareUs = fixed(
      medianOf(result, 'bare', (m) => m.serverUs),
      0,
    );
    const us = (of: (m: Measured) => number) => fixed(medianOf(result, 'ours', of), 0);
    const relay = !c.beside.includes('keygen-relay') ? '' : relayGiven ? whole(rate('keygen-relay')) : 'not given';
    const faults = Math.max(0, ...roundsOf(result, 'ours').map((m) => m.faults));
    const ratioA = ratioTo(result, 'design A');
    const ratioBare = ratioTo(result, 'bare');
    return [
      c.name,
      c.connections,
      `${whole(rate('ours'))}${items}${faults > 0.001 ? ` **${percent(faults)} faults**` : ''}`,
      whole(rate('design A')),
      whole(rate('bare')),
      relay,
      Number.isNaN(ratioA) ? '' : `${fixed(ratioA, 1)} ×`,
      Number.isNaN(ratioBare) ? '' : percent(ratioBare),
      verdicts.map((v) => v.goal).join(', '),
      mark(verdicts),
      fixed(
        medianOf(result, 'ours', (m) => m.p50Ms),
        2,
      ),
      fixed(
        medianOf(result, 'ours', (m) => m.p99Ms),
        2,
      ),
      `${us((m) => m.serverUs)} + ${us((m) => m.postgresUs)} (${bareUs})`,
    ];
  });
  return table([...head, ...tail], rows);
}

/** What both builds take of the machine, and the ratio. */
export function footprintAgainstMarkdown(ours: Footprint, earlier: Footprint, name: string): string {
  const rows: readonly (readonly [string, (f: Footprint) => number])[] = [
    ['heartbeats a second, c = 64', (f) => f.heartbeatsPerSecond],
    ['processor under heartbeats, server and PostgreSQL, %', (f) => f.loadedServerCpu + f.loadedPostgresCpu],
    ['memory under heartbeats: server RSS, MiB', (f) => f.serverRssMib],
    ['memory under heartbeats: PostgreSQL PSS, MiB', (f) => f.postgresPssMib],
    ['memory idle: server RSS, MiB', (f) => f.idleServerRssMib],
    ['memory idle: PostgreSQL PSS, MiB', (f) => f.idlePostgresPssMib],
    ['processor idle, server and PostgreSQL, %', (f) => f.idleServerCpu + f.idlePostgresCpu],
    ['whole data directory on disk, MiB', (f) => f.diskMib],
    ['/metrics, p50, ms', (f) => f.metricsP50Ms],
    ['restart to first answer, ms', (f) => median(f.restartMs)],
    ['the same after kill -9, ms', (f) => f.restartAfterKillMs],
    ['clean stop, ms', (f) => f.stopMs],
  ];
  const cells = rows.map(([what, of]) => [
    what,
    fixed(of(ours), 2),
    fixed(of(earlier), 2),
    `${fixed(of(ours) / of(earlier), 2)} ×`,
  ]);
  return table(['footprint', 'ours', name, 'ours ÷ earlier'], cells);
}

export function footprintMarkdown(f: Footprint, results: readonly CaseResult[]): string {
  const judged = footprintVerdicts(f, results).map((v) => [v.what, v.value, v.goal, mark([v])]);
  const told: (readonly [string, string])[] = [
    ['heartbeats a second meanwhile, c = 64', whole(f.heartbeatsPerSecond)],
    [
      'processor under heartbeats: server, PostgreSQL',
      `${fixed(f.loadedServerCpu, 0)} %, ${fixed(f.loadedPostgresCpu, 0)} %`,
    ],
    ['lease table; whole data directory on disk', `${fixed(f.tableMib, 1)} MiB; ${fixed(f.diskMib, 0)} MiB`],
    [
      'memory under heartbeats: server RSS, PostgreSQL PSS',
      `${fixed(f.serverRssMib, 0)}, ${fixed(f.postgresPssMib, 0)} MiB`,
    ],
    [
      'memory idle afterwards: server RSS, PostgreSQL PSS',
      `${fixed(f.idleServerRssMib, 0)}, ${fixed(f.idlePostgresPssMib, 0)} MiB`,
    ],
    ['/metrics, p99', `${fixed(f.metricsP99Ms, 2)} ms`],
    ['idle: server, PostgreSQL', `${fixed(f.idleServerCpu, 2)} %, ${fixed(f.idlePostgresCpu, 2)} %`],
    ['clean stop', `${fixed(f.stopMs, 0)} ms`],
    ['restart to first answer after kill -9', `${fixed(f.restartAfterKillMs, 0)} ms`],
  ];
  return table(['footprint', '', 'goal', ''], [...judged, ...told.map(([what, value]) => [what, value, '', ''])]);
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
