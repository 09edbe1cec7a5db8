import { type IssuedKey, idempotencyHeader, type KeyAllowance, type RenewalTerms } from './authorityWire.ts';
import { isKeyId, parseKey } from './key.ts';

/**
 * What a customer's token may ask of the authority about its own keys: the calls as data, and how their answers are read.
 * Sending is the caller's. None of the refusals has spent anything.
 */
export interface AuthorityCall {
  readonly method: 'GET' | 'POST';
  /** To append to the authority's base URL. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON, for a POST. */
  readonly body?: string;
}
export interface AuthorityReply {
  readonly status: number;
  /** Parsed JSON; undefined if it is none. */
  readonly body: unknown;
  /** From `Retry-After`. */
  readonly retryAfterSeconds?: number;
}

export const customerRefusals = [
  /** The month's new keys are made; `resetAt` says when the next one frees up. */
  'RegenerationLimit',
  /** It is not the newest key of its licence any more; `newestKeyId` is. */
  'KeySuperseded',
  'KeyRevoked',
  /** No such key, or another organisation's. */
  'KeyUnknown',
  /** Nothing is paid for that has not been taken. */
  'NothingToRenew',
  /** The token is missing, unknown, or of a role that may not. */
  'TokenRefused',
  /** One idempotency key was used for two different requests. */
  'IdempotencyKeyReused',
  /** Does not answer, answers 5xx or 429: try again, with the same idempotency key. */
  'AuthorityUnreachable',
  'AuthorityRefused',
  /** Its answer is none that an authority gives. */
  'AuthorityUntrusted',
] as const;
export interface CustomerRefusal {
  readonly ok: false;
  readonly reason: (typeof customerRefusals)[number];
  /** One sentence for a person. */
  readonly message: string;
  readonly resetAt?: string;
  readonly newestKeyId?: string;
  readonly retryAfterSeconds?: number;
}
export type CustomerAnswer<T> = { readonly ok: true; readonly answer: T } | CustomerRefusal;

/** How much may be regenerated and what may be renewed; changes nothing. Read it with `readAllowance`. */
export const allowanceCall = (keyId: string, token: string): AuthorityCall => ({
  method: 'GET',
  path: `/v1/keys/${encodeURIComponent(keyId)}`,
  headers: { accept: accepted, authorization: `Bearer ${token}` },
});

/**
 * Makes a new key of the licence of `keyId`, which must be its newest. Read it with `readIssuedKey`.
 * @param idempotencyKey one for each intention, the same at each retry: an answer that was lost is given again
 */
export const regenerateCall = (keyId: string, token: string, idempotencyKey: string): AuthorityCall =>
  making(`/v1/keys/${encodeURIComponent(keyId)}:regenerate`, token, idempotencyKey);

/** Makes the key that a paid extension entitles to; on the same computer, and not counted. As `regenerateCall`. */
export const renewCall = (keyId: string, token: string, idempotencyKey: string): AuthorityCall =>
  making(`/v1/keys/${encodeURIComponent(keyId)}:renew`, token, idempotencyKey);

const accepted = 'application/json, application/problem+json';
const making = (path: string, token: string, idempotencyKey: string): AuthorityCall => ({
  method: 'POST',
  path,
  headers: {
    accept: accepted,
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    [idempotencyHeader]: idempotencyKey,
  },
  body: '{}',
});

export const readAllowance = (reply: AuthorityReply): CustomerAnswer<KeyAllowance> =>
  read(reply, 200, isAllowance, 'an allowance');

export const readIssuedKey = (reply: AuthorityReply): CustomerAnswer<IssuedKey> =>
  read(reply, 201, isIssuedKey, 'a key');

/** For a call that got no answer at all. `why` in a few words. */
export const unanswered = (why: string): CustomerRefusal => ({
  ok: false,
  reason: 'AuthorityUnreachable',
  message: `the authority cannot be reached (${why}); it is tried again`,
});

function read<T>(
  reply: AuthorityReply,
  success: number,
  fits: (body: unknown) => body is T,
  what: string,
): CustomerAnswer<T> {
  const { status, body } = reply;
  if (status === success) {
    return fits(body)
      ? { ok: true, answer: body }
      : { ok: false, reason: 'AuthorityUntrusted', message: `the authority's answer is not ${what}; check its URL` };
  }
  const said = isRecord(body) && typeof body.reason === 'string' ? body : { reason: '', detail: '' };
  const detail = typeof said.detail === 'string' ? said.detail.slice(0, 1_000) : '';
  const message = detail === '' ? `the authority answers with status ${status}` : detail;
  if (status >= 500 || status === 429 || status === 408) {
    const { retryAfterSeconds } = reply;
    const later = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
    return { ok: false, reason: 'AuthorityUnreachable', message, ...later };
  }
  if (status === 401 || status === 403) return { ok: false, reason: 'TokenRefused', message };
  const reason = customerRefusals.find((r) => r === said.reason) ?? 'AuthorityRefused';
  return {
    ok: false,
    reason,
    message,
    ...(isMoment(said.regenerationsResetAt) ? { resetAt: said.regenerationsResetAt } : {}),
    ...(isText(said.newestKeyId) && isKeyId(said.newestKeyId) ? { newestKeyId: said.newestKeyId } : {}),
  };
}

function isIssuedKey(v: unknown): v is IssuedKey {
  if (!isRecord(v) || !isText(v.key) || !hasBudget(v)) return false;
  const parsed = parseKey(v.key);
  return parsed.ok && parsed.key === v.key && parsed.keyId === v.keyId && isText(v.licenceId) && isWhole(v.generation);
}

const isAllowance = (v: unknown): v is KeyAllowance =>
  isRecord(v) &&
  hasBudget(v) &&
  [v.licenceId, v.organisation, v.product].every(isText) &&
  [v.keyId, v.newestKeyId].every((id) => isText(id) && isKeyId(id)) &&
  [v.generation, v.newestGeneration].every(isWhole) &&
  (v.renewal === undefined || isTerms(v.renewal));

const isTerms = (v: unknown): v is RenewalTerms =>
  isRecord(v) &&
  (v.seatLimit === undefined || isWhole(v.seatLimit)) &&
  [v.supportUntil, v.expiresAt].every((at) => at === undefined || isMoment(at));

const hasBudget = (v: Readonly<Record<string, unknown>>): boolean =>
  isWhole(v.regenerationsLeft) && isMoment(v.regenerationsResetAt);
const isRecord = (v: unknown): v is Readonly<Record<string, unknown>> =>
  typeof v === 'object' && v !== null && !Array.isArray(v);
const isText = (v: unknown): v is string => typeof v === 'string' && v.length > 0 && v.length <= 500;
const isWhole = (v: unknown): v is number => typeof v === 'number' && Number.isSafeInteger(v) && v >= 0;
const isMoment = (v: unknown): v is string =>
  typeof v === 'string' && /^\d{4}-\d\d-\d\dT/.test(v) && !Number.isNaN(Date.parse(v));
