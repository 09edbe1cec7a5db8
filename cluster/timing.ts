import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** What one step of a start cost. */
export interface StepTime {
  readonly name: string;
  readonly wallMs: number;
  /** Of this process and of all that descend from it; undefined where the system does not tell. */
  readonly processorMs: number | undefined;
  /** Undefined: it is no piece that a cache could have. */
  readonly from?: 'cache' | 'made';
}

let listener: ((step: StepTime) => void) | undefined;

/** Tells each step that ends from now on. */
export function tellTimes(to: (step: StepTime) => void): void {
  listener = to;
}

const fromCache = new Set<string>();

/** What comes out of the cache is told once, however often it is asked for. */
export function tellStep(step: StepTime): void {
  if (step.from === 'cache' && fromCache.has(step.name)) return;
  fromCache.add(step.name);
  listener?.(step);
}

/** Runs a step and tells what it cost, if anybody listens. Steps within steps are told too, and count in both. */
export async function timed<T>(name: string, work: () => Promise<T>, from?: 'made'): Promise<T> {
  if (listener === undefined) return work();
  const began = performance.now();
  const before = processorMs();
  const result = await work();
  const after = processorMs();
  tellStep({
    name,
    wallMs: performance.now() - began,
    processorMs: before === undefined || after === undefined ? undefined : Math.max(0, after - before),
    ...(from === undefined ? {} : { from }),
  });
  return result;
}

/** `name   12.3 s   45.6 s processor   from the cache` */
export function timingLine({ name, wallMs, processorMs: ms, from }: StepTime): string {
  const seconds = (value: number) => `${(value / 1000).toFixed(1).padStart(7)} s`;
  const spent = ms === undefined ? `${'–'.padStart(7)}  ` : seconds(ms);
  const origin = from === undefined ? '' : from === 'cache' ? '  from the cache' : '  made';
  return `${name.padEnd(34)} ${seconds(wallMs)}  ${spent} processor${origin}`.trimEnd();
}

const msPerTick = 10; // the kernel shows 100 ticks a second everywhere

/** Processor time of this process and all its descendants, those that have ended and were waited for included. */
export function processorMs(): number | undefined {
  if (!existsSync('/proc/self/stat')) return undefined;
  const children = new Map<number, { pid: number; ticks: number }[]>();
  let own = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(name);
    if (stat === undefined) continue;
    if (Number(name) === process.pid) own = stat.ticks;
    children.set(stat.parent, [...(children.get(stat.parent) ?? []), { pid: Number(name), ticks: stat.ticks }]);
  }
  const below = (pid: number): number =>
    (children.get(pid) ?? []).reduce((sum, child) => sum + child.ticks + below(child.pid), 0);
  return (own + below(process.pid)) * msPerTick;
}

/** Parent, and time in user and system mode of a process and of its waited-for children; undefined when it has ended. */
function statOf(pid: string): { parent: number; ticks: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(fields[1]), ticks: fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) };
  } catch {
    return undefined;
  }
}
