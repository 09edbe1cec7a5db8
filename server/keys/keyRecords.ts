import { randomUUID } from 'node:crypto';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { momentOf } from '../../licence/moment.ts';
import { readSmallFile } from '../../runtime/smallFile.ts';
import { writeDurably } from './durableFile.ts';

export const keySources = ['configuration', 'web', 'api', 'file'] as const;
export type KeySource = (typeof keySources)[number];

const record = z.object({
  source: z.enum(keySources),
  /** When the authority last confirmed it. */
  activatedAt: z.string().optional(),
  /** The last sequence received; kept when the activation file is gone, so that a copied identity shows. */
  sequence: z.int().min(0).default(0),
  regenerationsLeft: z.int().min(0).optional(),
  regenerationsResetAt: z.string().optional(),
});
/** What is known of a key beside its activation. */
export type KeyRecord = z.infer<typeof record>;

const settings = z.looseObject({
  keys: z.record(z.string(), record).default({}),
  /** The latest time ever seen: a clock that is set back prolongs nothing. */
  latestSeenAt: z.iso.datetime().optional(),
  /** The last sequences of keys that were removed: an older answer is old for ever. */
  removed: z.record(z.string(), z.int().min(0)).optional(),
  /** Keys that a server is asking the authority about, and until when it may take: several share the folder. */
  asking: z.record(z.string(), z.object({ by: z.string(), untilAt: z.iso.datetime() })).optional(),
  reactivation: z.object({ id: z.string(), pending: z.array(z.string()) }).optional(),
});
type Stored = z.infer<typeof settings>;

/** `settings.json` beside the folder `Licence`. Each change is on the disk when its call resolves. */
export interface KeyRecords {
  readonly keys: Readonly<Record<string, KeyRecord>>;
  readonly latestSeenMs: number;
  /** The last sequence received for a key, also for one that was removed; 0: none. */
  sequenceOf(keyId: string): number;
  /** Keys that the last asked-for re-activation has not reached yet. */
  readonly toReactivate: readonly string[];
  readonly reactivationId: string | undefined;
  /** Reads the file again: another replica may have written it. */
  reload(): Promise<void>;
  put(keyId: string, record: KeyRecord): Promise<void>;
  /** All but its sequence. */
  forget(keyId: string): Promise<void>;
  /** Notes that this server asks about keys; answers those that no other one is asking about. */
  beginAsking(keyIds: readonly string[], nowMs: number): Promise<readonly string[]>;
  endAsking(keyId: string): Promise<void>;
  setLatestSeen(ms: number): Promise<void>;
  setReactivation(id: string, pending: readonly string[]): Promise<void>;
}

/**
 * Opens the records. A damaged file is set aside under another name and told to `onDamaged`: nothing in it is worth
 * stopping for.
 */
export async function openKeyRecords(dataDir: string, onDamaged: (message: string) => void): Promise<KeyRecords> {
  const path = join(dataDir, 'settings.json');
  const self = randomUUID();
  let stored: Stored = settings.parse({});

  const reload = async () => {
    const text = await readSmallFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw new Error(`cannot read ${path} (${error.code}); let the user that runs the server read and write it`);
    });
    const parsed = settings.safeParse(text === undefined ? {} : jsonOf(text));
    if (parsed.success) {
      stored = parsed.data;
      return;
    }
    await rename(path, `${path}.damaged`);
    onDamaged(`${path} was damaged and is kept as ${path}.damaged; the sources of the keys start afresh`);
  };
  const change = async (to: (now: Stored) => Stored) => {
    await reload();
    stored = to(stored);
    await writeDurably(path, `${JSON.stringify(stored, null, 2)}\n`);
  };
  await reload();
  return {
    get keys() {
      return stored.keys;
    },
    get latestSeenMs() {
      return stored.latestSeenAt === undefined ? 0 : Date.parse(stored.latestSeenAt);
    },
    get toReactivate() {
      return stored.reactivation?.pending ?? [];
    },
    get reactivationId() {
      return stored.reactivation?.id;
    },
    reload,
    sequenceOf: (keyId) => Math.max(stored.keys[keyId]?.sequence ?? 0, stored.removed?.[keyId] ?? 0),
    beginAsking: async (keyIds, nowMs) => {
      await reload();
      const mine = keyIds.filter((keyId) => {
        const other = stored.asking?.[keyId];
        const leftMs = other === undefined || other.by === self ? 0 : Date.parse(other.untilAt) - nowMs;
        return leftMs <= 0 || leftMs > askingMs; // longer than anybody asks: a clock was set back
      });
      const untilAt = momentOf(nowMs + askingMs);
      if (mine.length > 0) {
        await change((s) => ({
          ...s,
          asking: { ...s.asking, ...Object.fromEntries(mine.map((keyId) => [keyId, { by: self, untilAt }])) },
        }));
      }
      return mine;
    },
    endAsking: async (keyId) => {
      if (stored.asking?.[keyId]?.by === self) await change((s) => ({ ...s, ...without(s, 'asking', keyId) }));
    },
    put: (keyId, r) =>
      change((s) => ({
        ...s,
        ...without(s, 'asking', keyId),
        ...without(s, 'removed', keyId),
        keys: { ...s.keys, [keyId]: r },
        ...(s.reactivation === undefined
          ? {}
          : { reactivation: { ...s.reactivation, pending: s.reactivation.pending.filter((p) => p !== keyId) } }),
      })),
    forget: (keyId) =>
      change((s) => {
        const { [keyId]: gone, ...keys } = s.keys;
        const sequence = Math.max(gone?.sequence ?? 0, s.removed?.[keyId] ?? 0);
        return { ...s, keys, ...(sequence === 0 ? {} : { removed: { ...s.removed, [keyId]: sequence } }) };
      }),
    setLatestSeen: (ms) => change((s) => ({ ...s, latestSeenAt: momentOf(ms) })),
    setReactivation: (id, pending) => change((s) => ({ ...s, reactivation: { id, pending: [...pending] } })),
  };
}

/** Longer than one call of the authority may take. */
const askingMs = 15_000;

/** A map of the settings without one of its keys; none at all when it was the last. */
function without<M extends 'asking' | 'removed'>(of: Stored, map: M, keyId: string): Pick<Stored, M> {
  const left = Object.entries(of[map] ?? {}).filter(([id]) => id !== keyId);
  return { [map]: left.length === 0 ? undefined : Object.fromEntries(left) } as Pick<Stored, M>;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
