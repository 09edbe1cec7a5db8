import { readFileSync } from 'node:fs';

const mebibyte = 2 ** 20;
const pageBytes = 4096;
/** Ticks of the kernel's process accounting; fixed at 100 a second in everything it shows. */
const ticksPerSecond = 100;

/** What a process uses now: resident memory in MiB, processor time since its start in seconds. */
export function useOf(pid: number): { rssMib: number; cpuSeconds: number } {
  const rss = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * pageBytes;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    rssMib: rss / mebibyte,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
  };
}

export interface Sampler {
  /** Highest resident memory since the last call of `reset`, MiB. */
  peakMib(): number;
  reset(): void;
  stop(): void;
}

/** Looks at a process's memory four times a second. */
export function sampleUse(pid: number): Sampler {
  let peak = 0;
  const look = () => {
    try {
      peak = Math.max(peak, useOf(pid).rssMib);
    } catch {
      // ended; whoever waits for it finds that out
    }
  };
  const timer = setInterval(look, 250);
  look();
  return {
    peakMib: () => peak,
    reset: () => {
      peak = 0;
      look();
    },
    stop: () => clearInterval(timer),
  };
}
