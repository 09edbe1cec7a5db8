import { readdirSync, readFileSync } from 'node:fs';

/** What processes have used, from /proc. */
const msPerTick = 10; // the kernel shows 100 ticks a second everywhere

const statOf = (pid: number | string): string[] => {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
};
const ticks = (fields: readonly string[], first: number, count: number): number =>
  fields.slice(first, first + count).reduce((sum, field) => sum + Number(field), 0);

/** The processes whose parent is `pid`. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return statOf(name)[1] === String(pid);
      } catch {
        return false; // ended meanwhile
      }
    })
    .map(Number);
}

/** Processor time of a process alone since its start, in ms. */
export const cpuMs = (pid: number): number => ticks(statOf(pid), 11, 2) * msPerTick;

/**
 * Processor time of a process and of all its children since its start, in ms: of those that run, and of those that have
 * ended, which the kernel has added to their parent. It never goes back.
 */
export function familyCpuMs(pid: number): number {
  let sum = ticks(statOf(pid), 11, 4);
  for (const child of childrenOf(pid)) {
    try {
      sum += ticks(statOf(child), 11, 4);
    } catch {
      // ended meanwhile: counted with its parent the next time
    }
  }
  return sum * msPerTick;
}

const mib = (kib: number): number => Math.round(kib / 102.4) / 10;

/** Resident memory of a process, MiB. */
export const rssMib = (pid: number): number =>
  mib(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]));

/** Memory of a process and its children, MiB, what they share counted once. */
export function familyPssMib(pid: number): number {
  let kib = 0;
  for (const one of [pid, ...childrenOf(pid)]) {
    try {
      kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      // ended meanwhile
    }
  }
  return mib(kib);
}
