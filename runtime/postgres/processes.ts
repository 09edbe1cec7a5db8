import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The processes of PostgreSQL that work in a data directory; empty where the system cannot tell. Somebody's shell there is none of them. */
export function processesIn(data: string): number[] {
  if (!existsSync('/proc/self')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`) === data && readFileSync(`/proc/${pid}/comm`, 'utf8') === 'postgres\n';
      } catch {
        return false; // it has ended, or is not ours
      }
    });
}

/** Sends a signal to a process that may have ended, or, by its negative number, to a group of them. */
export const tell = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended
  }
};
