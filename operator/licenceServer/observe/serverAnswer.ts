import { z } from 'zod';
import { type KeyFaultReason, keyFaultReasons } from '../../../licence/keyFaults.ts';
import type { KeyCheckResponse, ServerStatus } from '../../../licence/serverStatus.ts';

/**
 * What a licence server last answered, checked on arrival: a server of another version may add fields and reasons, but
 * what the operator acts on must have the agreed form, or the answer counts as none.
 */
export type ServerAnswer =
  | { readonly kind: 'answered'; readonly atMs: number; readonly status: ServerStatus }
  | { readonly kind: 'unreachable'; readonly atMs: number; readonly message: string }
  /** Not asked yet, or nothing runs. */
  | { readonly kind: 'none' };

const count = z.int().min(0);
// What goes into the status has to be what the API server takes there: one such word would keep every status from being written.
const time = z.iso.datetime({ offset: true });
const name = z.string().max(253);

// An unknown reason of a newer server is kept as it is: it is shown, and it never counts as passing.
const reason = z
  .string()
  .max(128)
  .transform((word) => word as KeyFaultReason);
const fault = z.object({ reason, message: z.string().max(2048) });

const product = z.object({
  product: z.string().min(1).max(253),
  seatLimit: count,
  seatsInUse: count,
  seatsStale: count,
  staleSince: time.optional(),
  holdersWaiting: count.default(0),
  supportUntil: time.optional(),
  expiresAt: time.optional(),
});

const key = z.object({
  name: name.optional(),
  keyId: z.string().max(64).optional(),
  state: z.enum(['Active', 'Pending', 'Refused', 'Superseded']),
  fault: fault.optional(),
  source: z.enum(['configuration', 'web', 'api', 'file']),
  generation: z.int().optional(),
  product: name.optional(),
  seatLimit: count.optional(),
  supportUntil: time.optional(),
  expiresAt: time.optional(),
  activatedAt: time.optional(),
  regenerationsLeft: z.int().optional(),
  regenerationsResetAt: time.optional(),
});

const clearing = z.object({ id: z.string().max(253), at: time, staleBefore: count, cleared: count, kept: count });

const backup = z.object({
  lastSuccessAt: time.optional(),
  archive: z.string().max(253).optional(),
  sizeBytes: count.optional(),
  nextAt: time.optional(),
  fault: z.string().max(2048).optional(),
});

const serverStatus = z.object({
  version: z.string().max(128),
  startedAt: time,
  fingerprint: z.string().max(128),
  products: z
    .array(product)
    .max(256)
    .refine((all) => new Set(all.map((one) => one.product)).size === all.length, 'two are of one name'),
  keys: z.array(key).max(256),
  clearing: clearing.optional(),
  trouble: z.string().max(2048).optional(),
  // told to people and acted on by nobody: what is too much of it is left out
  ruleDoubts: z
    .array(z.string())
    .transform((all) => all.slice(0, 16).map((text) => text.slice(0, 1024)))
    .optional(),
  backup: backup.optional(),
});

const keyCheck = z.object({
  usable: z.boolean(),
  keyId: z.string().optional(),
  fault: fault.optional(),
  generation: z.int().optional(),
  product: z.string().optional(),
  seatLimit: count.optional(),
  regenerationsLeft: z.int().optional(),
  regenerationsResetAt: time.optional(),
});

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

const parsed = <T>(schema: z.ZodType, body: unknown): Parsed<T> => {
  const read = schema.safeParse(body);
  if (read.success) return { ok: true, value: read.data as T };
  const issue = read.error.issues[0];
  return {
    ok: false,
    message: `the answer has not the agreed form at ${issue?.path.join('.') || 'its top'}: ${issue?.message ?? 'unknown'}`,
  };
};

export const parseServerStatus = (body: unknown): Parsed<ServerStatus> => parsed(serverStatus, body);
export const parseKeyCheck = (body: unknown): Parsed<KeyCheckResponse> => parsed(keyCheck, body);

/** Whether a reason is one that this version knows. */
export const isKnownReason = (word: string): word is KeyFaultReason =>
  (keyFaultReasons as readonly string[]).includes(word);

/** Stale seats of all products. */
export const staleOf = (status: ServerStatus): number => status.products.reduce((sum, p) => sum + p.seatsStale, 0);
