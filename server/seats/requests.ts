import { bounds, type Holder, type LeaseMode } from '../../licence/words.ts';
import { ProblemError } from '../../runtime/problem.ts';
import { type HolderKey, holderFault, holderKey, partFault } from './holderKey.ts';
import { isLeaseId } from './leaseId.ts';

/**
 * Reads the bodies of the routes that are called all the time. Written by hand, since a general validator costs more than
 * the ledger does; the same shapes stand as zod schemas in the OpenAPI document (schemas.ts).
 */
export const invalid = (detail: string): ProblemError =>
  new ProblemError({ status: 400, reason: 'InvalidRequest', detail });

export interface CheckOutRequest {
  readonly product: string;
  readonly holder: HolderKey;
  readonly mode: LeaseMode;
  readonly releasedAtMs: number | undefined;
  readonly nonce: string | undefined;
  /** How long the request may wait for a seat, in seconds; 0: not at all. */
  readonly waitSeconds: number;
}

export const longestWaitSeconds = 60;
const longestNonce = 256;
const moment = /^\d{4}-\d\d-\d\d([Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?)?$/;

const withoutZone = /[Tt][\d:.]+$/;

const objectOf = (value: unknown, name: string): Readonly<Record<string, unknown>> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${name}: must be an object`);
  return value as Record<string, unknown>;
};

export function productOf(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw invalid('product: must be a text that is not empty');
  if (value.length > bounds.product)
    throw invalid(`product: at most ${bounds.product} characters, not ${value.length}`);
  const fault = partFault('product', value, false);
  if (fault !== undefined) throw invalid(fault);
  return value;
}

const firstMs = Date.parse('0001-01-02T00:00:00Z');
const lastMs = Date.parse('9999-12-30T23:59:59Z');

/** A day or a moment, in ms since the epoch; one without a zone, as 1C:Enterprise writes its dates, is UTC. */
export function momentAt(value: unknown, name: string): number {
  const at =
    typeof value === 'string' && moment.test(value)
      ? Date.parse(withoutZone.test(value) ? `${value}Z` : value)
      : Number.NaN;
  // the database's calendar has no year 0, and years of five digits are no RFC 3339
  if (Number.isNaN(at) || at < firstMs || at > lastMs)
    throw invalid(`${name}: must be YYYY-MM-DD or RFC 3339, for example 2026-01-31T12:00:00Z`);
  return at;
}

const withSession = (h: Partial<Holder>): Holder => ({
  base: h.base ?? '',
  user: h.user ?? '',
  host: h.host ?? '',
  session: h.session ?? '',
});

/** @throws ProblemError 400 naming the field and the rule. */
export function readCheckOut(body: unknown): CheckOutRequest {
  const b = objectOf(body, 'body');
  const product = productOf(b.product);
  const fault = holderFault(b.holder);
  if (fault !== undefined) throw invalid(fault);
  // null counts as absent, as everywhere
  const mode = b.mode ?? 'leased';
  const nonce = b.nonce ?? undefined;
  const wait = b.wait ?? 0;
  const programReleasedOn = b.programReleasedOn ?? undefined;
  if (mode !== 'leased' && mode !== 'sticky') throw invalid('mode: must be "leased" or "sticky"');
  if (nonce !== undefined && (typeof nonce !== 'string' || nonce.length < 1 || nonce.length > longestNonce)) {
    throw invalid(`nonce: must be a text of 1 to ${longestNonce} characters`);
  }
  if (typeof wait !== 'number' || !Number.isInteger(wait) || wait < 0 || wait > longestWaitSeconds) {
    throw invalid(`wait: must be a whole number of seconds from 0 to ${longestWaitSeconds}`);
  }
  return {
    product,
    holder: holderKey(withSession(b.holder as Partial<Holder>)),
    mode,
    releasedAtMs: programReleasedOn === undefined ? undefined : momentAt(programReleasedOn, 'programReleasedOn'),
    nonce,
    waitSeconds: wait,
  };
}

export function readLeaseId(value: unknown): string {
  if (!isLeaseId(value)) throw invalid('leaseId: must be the id that the check-out answered');
  return value;
}

export const mostHeartbeats = 2_000;

/** `{leaseIds: […]}`, without repetitions. */
export function readLeaseIds(body: unknown): string[] {
  const { leaseIds } = objectOf(body, 'body');
  if (!Array.isArray(leaseIds) || leaseIds.length === 0 || leaseIds.length > mostHeartbeats) {
    throw invalid(`leaseIds: must be a list of 1 to ${mostHeartbeats} lease ids`);
  }
  for (const id of leaseIds) readLeaseId(id);
  return leaseIds as string[];
}

export const mostSessions = 5_000;

export interface ReportedSession {
  readonly product: string;
  readonly holder: HolderKey;
  readonly releasedAtMs: number | undefined;
}

/** The sessions now in a base; the same session twice counts once. */
export function readSessions(base: unknown, body: unknown): { base: string; sessions: ReportedSession[] } {
  const baseFault = partFault('base', base, false);
  if (baseFault !== undefined) throw invalid(baseFault);
  const name = base as string;
  const { sessions, base: told } = objectOf(body, 'body');
  if (told !== undefined && told !== null && told !== name) {
    throw invalid(
      `base: the body says ${JSON.stringify(told)}, the path ${JSON.stringify(name)}; name the same base in both`,
    );
  }
  if (!Array.isArray(sessions) || sessions.length > mostSessions) {
    throw invalid(`sessions: must be a list of at most ${mostSessions} sessions`);
  }
  const read = sessions.map((value, i) => {
    const s = objectOf(value, `sessions.${i}`);
    const fault = holderFault({ ...s, base: name });
    if (fault !== undefined) throw invalid(`sessions.${i}.${fault.replace('holder.', '')}`);
    const { programReleasedOn = null } = s;
    return {
      product: productOf(s.product),
      holder: holderKey(withSession({ ...(s as Partial<Holder>), base: name })),
      releasedAtMs:
        programReleasedOn === null ? undefined : momentAt(programReleasedOn, `sessions.${i}.programReleasedOn`),
    };
  });
  const seen = new Set<string>();
  const distinct = read.filter((s) => {
    const key = `${s.product}\u001f${s.holder}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
  return { base: name, sessions: distinct };
}
