import { cpuMs, rssMib } from '../processUse.ts';

/** What a process uses now: resident memory in MiB, processor time since its start in seconds. */
export const useOf = (pid: number): { rssMib: number; cpuSeconds: number } => ({
  rssMib: rssMib(pid),
  cpuSeconds: cpuMs(pid) / 1000,
});

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
