import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureDebian } from '../../../cluster/debian.ts';
import { say } from './size.ts';

const library = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';

/** Whether this machine can give a process a wall clock of its own: by libfaketime, installed where that is allowed. */
export async function canStepClocks(): Promise<boolean> {
  try {
    if (!existsSync(library)) await ensureDebian(['libfaketime'], "to set a process's clock");
  } catch (error) {
    say(`SKIPPED: clocks that are set: ${error instanceof Error ? error.message : error}`);
    return false;
  }
  if (!existsSync(library)) say(`SKIPPED: clocks that are set: there is no ${library}`);
  return existsSync(library);
}

/** A wall clock for processes that are started with its environment. Durations (the monotonic clock) stay right. */
export class SteppedClock implements Disposable {
  readonly env: Readonly<Record<string, string>>;
  readonly #dir: string;

  constructor() {
    this.#dir = mkdtempSync(join(tmpdir(), 'licence-clock-'));
    chmodSync(this.#dir, 0o755); // PostgreSQL runs as somebody else
    const file = join(this.#dir, 'offset');
    this.env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DISABLE_SHM: '1',
      NO_FAKE_STAT: '1',
    };
    this.set(0);
  }

  /** So many days ahead of the machine's clock (behind it, if negative), from now on. */
  set(days: number): void {
    writeFileSync(join(this.#dir, 'offset'), `${days < 0 ? '-' : '+'}${Math.abs(days)}d\n`);
  }

  /** What is started meanwhile inherits the clock. */
  async inherited<T>(work: () => Promise<T>): Promise<T> {
    const before = Object.keys(this.env).map((name) => [name, process.env[name]] as const);
    Object.assign(process.env, this.env);
    try {
      return await work();
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
