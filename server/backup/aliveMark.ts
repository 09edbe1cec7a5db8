import { computerOf } from './archiveName.ts';
import type { Destination } from './destination.ts';

/**
 * A small file beside the archives, by which a server that makes backups says every few minutes that it lives: whoever restores one of
 * its archives elsewhere would otherwise make a second server of the same computer.
 */
export const aliveEveryMs = 5 * 60_000;
/** After so long a silence a server counts as gone: two signs may be lost. */
export const goneAfterMs = 3 * aliveEveryMs;

export const aliveMarkOf = (fingerprint: string): string => `licence-server-${computerOf(fingerprint)}.alive`;

export async function signalAlive(destination: Destination, fingerprint: string, nowMs: number): Promise<void> {
  const text = JSON.stringify({ fingerprint, at: new Date(nowMs).toISOString() });
  await destination.put(aliveMarkOf(fingerprint), one(Buffer.from(`${text}\n`)));
}

/** When the computer of an archive last said that it lives; undefined: never, or it has ended cleanly. */
export async function lastAliveMs(destination: Destination, computer: string): Promise<number | undefined> {
  const name = `licence-server-${computer}.alive`;
  if (!(await destination.list()).some((stored) => stored.name === name)) return undefined;
  let text = '';
  for await (const chunk of await destination.get(name)) text += String(chunk);
  const at = Date.parse(/"at":"([^"]{1,40})"/.exec(text.slice(0, 1_000))?.[1] ?? '');
  return Number.isNaN(at) ? undefined : at;
}

async function* one(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}
