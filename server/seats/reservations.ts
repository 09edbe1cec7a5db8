import { z } from 'zod';
import { bounds } from '../../licence/words.ts';

/** Seats of a product that are kept for some people, bases or computers. An empty or absent list fits everybody. */
export interface Reservation {
  readonly name: string;
  readonly product: string;
  readonly seats: number;
  /** Patterns with `*` for any text and `?` for any one character. */
  readonly users: readonly string[];
  readonly bases: readonly string[];
  readonly hosts: readonly string[];
}

const patterns = z.array(z.string().min(1).max(bounds.holderPart)).max(100).default([]);
const schema = z
  .array(
    z.strictObject({
      name: z.string().min(1).max(63).optional(),
      product: z.string().min(1).max(bounds.product),
      seats: z.int().min(1).max(1_000_000),
      users: patterns,
      bases: patterns,
      hosts: patterns,
    }),
  )
  .max(100);

/** Reads `LICENCE_RESERVATIONS`. @throws Error that says what is wrong. */
export function parseReservations(text: string | undefined): Reservation[] {
  if (text === undefined) return [];
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error('must be JSON: a list of {product, seats, users, bases, hosts}');
  }
  const read = schema.safeParse(json);
  if (!read.success) {
    throw new Error(read.error.issues.map((i) => `${i.path.join('.') || 'list'}: ${i.message}`).join('; '));
  }
  const counts = new Map<string, number>();
  return read.data.map((r) => {
    const number = (counts.get(r.product) ?? 0) + 1;
    counts.set(r.product, number);
    return { ...r, name: r.name ?? String(number) };
  });
}
