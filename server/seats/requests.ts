import { bounds, type Holder, type LeaseMode } from '../../licence/words.ts';
import { ProblemError } from '../../runtime/problem.ts';
import {
  askedTail,
  fold,
  type HolderKey,
  holderFault,
  holderKeyIn,
  partFault,
  placeFault,
  spellingOf,
} from './holderKey.ts';
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
  /** How the holder was spelled, where that is not its key. */
  readonly shown: string | undefined;
  /** The base as it was spelled. */
  readonly base: string;
  /** Which instance of the base asks; undefined: it does not say. */
  readonly instance: string | undefined;
  readonly mode: LeaseMode;
  readonly releasedAtMs: number | undefined;
  readonly nonce: string | undefined;
  /** The feature that the seat is to be used for; undefined: it does not say. */
  readonly feature: string | undefined;
  /** How long the request may wait for a seat, in seconds; 0: not at all. */
  readonly waitSeconds: number;
  /** For how long a borrowed seat is taken along; undefined: it is none. */
  readonly hours: number | undefined;
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

const isDay = (day: string): boolean => new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);

/** A day or a moment, in ms since the epoch; one without a zone, as 1C:Enterprise writes its dates, is UTC. */
export function momentAt(value: unknown, name: string): number {
  const at =
    typeof value === 'string' && moment.test(value)
      ? Date.parse(withoutZone.test(value) ? `${value}Z` : value)
      : Number.NaN;
  // the database's calendar has no year 0, years of five digits are no RFC 3339, and 30 February is no day, whatever Date makes of it
  if (Number.isNaN(at) || at < firstMs || at > lastMs || !isDay(String(value).slice(0, 10)))
    throw invalid(`${name}: must be YYYY-MM-DD or RFC 3339, for example 2026-01-31T12:00:00Z`);
  return at;
}

/** Key and spelling of a holder that was found faultless. */
function keyed(
  base: string,
  h: Partial<Holder>,
  tail: string,
  foldedBase = fold(base),
): { holder: HolderKey; shown: string | undefined } {
  const named = { base, user: h.user ?? '', host: h.host ?? '', session: h.session ?? '' };
  const holder = holderKeyIn(foldedBase, named) + tail;
  const shown = spellingOf(named) + tail;
  // as much as an index entry of the database holds
  if (tail !== '' && Buffer.byteLength(holder) > longestKey)
    throw invalid(`feature: together with the names of the holder at most ${longestKey} bytes`);
  return { holder, shown: shown === holder ? undefined : shown };
}

const longestKey = 2_403;
/** Seats that one check-out may ask for. */
export const mostSeats = 10_000;
export const longestFeature = 100;
/** A year, as long as a seat may be borrowed. */
export const mostHours = 8_784;

/** What a check-out or a session asks for beside one seat; null counts as absent. */
function askedIn(b: Readonly<Record<string, unknown>>, place = ''): { feature: string | undefined; tail: string } {
  const feature = b.feature ?? undefined;
  const seats = b.seats ?? 1;
  if (feature !== undefined) {
    const fault = partFault('feature', feature, false);
    if (fault !== undefined) throw invalid(place + fault);
    if ((feature as string).length > longestFeature)
      throw invalid(`${place}feature: at most ${longestFeature} characters, not ${(feature as string).length}`);
  }
  if (typeof seats !== 'number' || !Number.isInteger(seats) || seats < 1 || seats > mostSeats)
    throw invalid(`${place}seats: must be a whole number from 1 to ${mostSeats}`);
  return { feature: feature as string | undefined, tail: askedTail(feature as string | undefined, seats) };
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** What an unset value is in many languages, 1C:Enterprise among them: every base would be the same instance. */
const emptyUuid = '00000000-0000-0000-0000-000000000000';

/** The UUID of an instance of a base, in lower case; absent and null: undefined. */
export function instanceOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || !uuid.test(value)) {
    throw invalid('instance: must be a UUID, for example 6b1f0c0e-7d0a-4a5c-9f2e-2f0d5a3c1b77');
  }
  if (value === emptyUuid) throw invalid('instance: must not be the empty UUID; make one for this base, and keep it');
  return value.toLowerCase();
}

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
  if (mode !== 'leased' && mode !== 'sticky' && mode !== 'borrowed')
    throw invalid('mode: must be "leased", "sticky" or "borrowed"');
  const hours = b.hours ?? undefined;
  if ((mode === 'borrowed') !== (hours !== undefined))
    throw invalid('hours: belongs to the mode "borrowed", and is needed there');
  if (hours !== undefined && (typeof hours !== 'number' || !Number.isInteger(hours) || hours < 1 || hours > mostHours))
    throw invalid(`hours: must be a whole number from 1 to ${mostHours}`);
  if (nonce !== undefined && (typeof nonce !== 'string' || nonce.length < 1 || nonce.length > longestNonce)) {
    throw invalid(`nonce: must be a text of 1 to ${longestNonce} characters`);
  }
  if (typeof wait !== 'number' || !Number.isInteger(wait) || wait < 0 || wait > longestWaitSeconds) {
    throw invalid(`wait: must be a whole number of seconds from 0 to ${longestWaitSeconds}`);
  }
  const named = b.holder as Partial<Holder> & Pick<Holder, 'base'>;
  const { feature, tail } = askedIn(b);
  return {
    product,
    ...keyed(named.base, named, tail),
    feature,
    base: named.base,
    instance: instanceOf(b.instance),
    mode,
    releasedAtMs: programReleasedOn === undefined ? undefined : momentAt(programReleasedOn, 'programReleasedOn'),
    nonce,
    waitSeconds: mode === 'borrowed' ? 0 : wait,
    hours: hours as number | undefined,
  };
}

export function readLeaseId(value: unknown): string {
  if (!isLeaseId(value)) throw invalid('leaseId: must be the id that the check-out answered');
  return value;
}

export const mostHeartbeats = 2_000;

/** Absent and null: not idle. */
function idleOf(value: unknown, name: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value !== 'boolean') throw invalid(`${name}: must be true or false`);
  return value;
}

/** Whether the body of a heartbeat, which may be absent, says that the program is idle. */
export const readIdle = (body: unknown): boolean =>
  body === undefined || body === null ? false : idleOf(objectOf(body, 'body').idle, 'idle');

/** The leases of `{idleLeaseIds: […]}`, each of which must be among the others. */
export function readIdleLeaseIds(body: unknown, leaseIds: readonly string[]): string[] {
  const idle = objectOf(body, 'body').idleLeaseIds ?? [];
  if (!Array.isArray(idle)) throw invalid('idleLeaseIds: must be a list of lease ids');
  if (idle.length === 0) return idle;
  const all = new Set(leaseIds);
  for (const id of idle)
    if (!all.has(id)) throw invalid(`idleLeaseIds: ${JSON.stringify(id)} is not among the leaseIds`);
  return idle as string[];
}

/** `{leaseIds: […]}`. */
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
  /** How the holder was spelled, where that is not its key. */
  readonly shown: string | undefined;
  readonly releasedAtMs: number | undefined;
  readonly feature: string | undefined;
  /** Its program is idle. */
  readonly idle: boolean;
}

export interface SessionReport {
  /** As it was spelled. */
  readonly base: string;
  readonly instance: string | undefined;
  readonly sessions: readonly ReportedSession[];
}

/** The sessions now in a base; the same session twice counts once. */
export function readSessions(base: unknown, body: unknown): SessionReport {
  const baseFault = partFault('base', base, false);
  if (baseFault !== undefined) throw invalid(baseFault);
  const name = base as string;
  const foldedBase = fold(name);
  const { sessions, base: told, instance } = objectOf(body, 'body');
  if (told !== undefined && told !== null && (typeof told !== 'string' || fold(told) !== foldedBase)) {
    throw invalid(
      `base: the body says ${JSON.stringify(told)}, the path ${JSON.stringify(name)}; name the same base in both`,
    );
  }
  if (!Array.isArray(sessions) || sessions.length > mostSessions) {
    throw invalid(`sessions: must be a list of at most ${mostSessions} sessions`);
  }
  const read = sessions.map((value, i) => {
    const s = objectOf(value, `sessions.${i}`);
    const fault = placeFault('', s);
    if (fault !== undefined) throw invalid(`sessions.${i}.${fault}`);
    const { programReleasedOn = null } = s;
    const { feature, tail } = askedIn(s, `sessions.${i}.`);
    return {
      product: productOf(s.product),
      ...keyed(name, s as Partial<Holder>, tail, foldedBase),
      feature,
      idle: idleOf(s.idle, `sessions.${i}.idle`),
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
  return { base: name, instance: instanceOf(instance), sessions: distinct };
}
