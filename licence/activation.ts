import { type KeyObject, sign, verify } from 'node:crypto';
import type { ActivationPayload } from './authorityWire.ts';
import type { Entitlements } from './entitlements.ts';
import { decodeBase64url, isFingerprint } from './fingerprint.ts';
import type { TrustedKeys } from './jwks.ts';
import { isKeyId } from './key.ts';
import type { KeyFault } from './keyFaults.ts';
import { isSignatureAlgorithm, type SignatureAlgorithm, signatureAlgorithm } from './signatureAlgorithm.ts';
import { bounds, countings, supportPolicies } from './words.ts';

/**
 * An activation binds a key to one computer: a compact JWS, signed by the authority, kept in `Licence/<keyId>.lic`.
 * It has exactly one spelling under each name of its signature: members in the order below, no spaces, no unknown members, canonical base64url. What is not
 * byte for byte what `createActivation` writes, or wrote when the signature had its other name, is damaged, so no two files say the same thing and nothing rides along.
 */
export const activationType = 'licence-activation+jwt';

/** How far a clock may be behind the authority's before an activation counts as from the future. */
export const clockToleranceMs = 5 * 60_000;

export type VerifiedActivation =
  | { readonly ok: true; readonly activation: ActivationPayload }
  | ({ readonly ok: false } & KeyFault);

/** For whom and when an activation is verified. */
export interface VerifyContext {
  readonly trusted: TrustedKeys;
  /** Of this server; another one makes the activation foreign. */
  readonly fingerprint: string;
  /** Of this server, raw, base64url. */
  readonly publicKey: string;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

const longest = 16_384;

/**
 * @param privateKey Ed25519, whose public half the servers trust under `kid`
 * @param alg the name of the signature; servers of before that name know `Ed25519` only
 */
export function createActivation(
  payload: ActivationPayload,
  kid: string,
  privateKey: KeyObject,
  alg: SignatureAlgorithm = signatureAlgorithm,
): string {
  const signed = `${encode(headerText(alg, kid))}.${encode(payloadText(payload))}`;
  return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`;
}

/** Form, then signature, then for whom, then when. An expired licence is still a sound activation: see `isExpired`. */
export function verifyActivation(text: string, context: VerifyContext): VerifiedActivation {
  const parts = text.length > longest ? [] : text.split('.');
  const [header = '', payload = '', signature = ''] = parts;
  if (parts.length !== 3) return damaged('it is not a compact JWS');
  const kid = kidOf(header);
  if (kid === undefined) return damaged('its header is not that of an activation');
  const key = context.trusted.get(kid);
  if (key === undefined) {
    return fault(
      'ActivationUntrusted',
      `it is signed by key ${shown(kid)}, which is not among the trusted keys; add the vendor's present keys`,
    );
  }
  const signatureBytes = decodeBase64url(signature);
  if (signatureBytes?.length !== 64 || !verify(null, Buffer.from(`${header}.${payload}`), key, signatureBytes)) {
    return damaged('its signature does not fit its content');
  }
  const activation = payloadFrom(payload);
  if (activation === undefined) return damaged('its content is not that of an activation');
  if (activation.fingerprint !== context.fingerprint || activation.serverPublicKey !== context.publicKey) {
    return fault(
      'ActivationForeign',
      `it is for the computer ${activation.fingerprint}; activate the key on this one, ${context.fingerprint}`,
    );
  }
  if (Date.parse(activation.issuedAt) > context.nowMs + clockToleranceMs) {
    return fault('ActivationFromFuture', `it was issued at ${activation.issuedAt}; set this computer's clock`);
  }
  return { ok: true, activation };
}

/** Reads an activation's content without believing it: for messages and for choosing between two files. */
export function readActivation(text: string): ActivationPayload | undefined {
  return text.length > longest ? undefined : payloadFrom(text.split('.')[1] ?? '');
}

/** The kid of the key that an activation says to be signed by, unverified; undefined if it is no activation. */
export function signerOf(text: string): string | undefined {
  return text.length > longest ? undefined : kidOf(text.split('.')[0] ?? '');
}

/** Whether its licence has ended: such a key grants no seat. */
export const isExpired = (activation: ActivationPayload, nowMs: number): boolean =>
  activation.entitlements.expiresAt !== undefined && Date.parse(activation.entitlements.expiresAt) <= nowMs;

const encode = (text: string): string => Buffer.from(text).toString('base64url');
const decode = (text: string): string | undefined => decodeBase64url(text)?.toString('utf8');
const fault = (reason: KeyFault['reason'], message: string): VerifiedActivation => ({
  ok: false,
  reason,
  message: `the activation does not count: ${message}`,
});
const damaged = (what: string): VerifiedActivation => fault('ActivationDamaged', `${what}; activate the key again`);
/** A kid comes from the file: only what is harmless in a message. */
const shown = (kid: string): string => (/^[\w.-]{1,64}$/.test(kid) ? kid : '(unreadable)');

const headerText = (alg: SignatureAlgorithm, kid: string): string => JSON.stringify({ alg, typ: activationType, kid });

function kidOf(header: string): string | undefined {
  const value = parsed(decode(header));
  if (!isRecord(value) || typeof value.kid !== 'string' || !isSignatureAlgorithm(value.alg)) return undefined;
  return encode(headerText(value.alg, value.kid)) === header ? value.kid : undefined;
}

/** The canonical text: every member in its place. */
function payloadText(p: ActivationPayload): string {
  const e = p.entitlements;
  return JSON.stringify({
    keyId: p.keyId,
    generation: p.generation,
    fingerprint: p.fingerprint,
    serverPublicKey: p.serverPublicKey,
    issuedAt: p.issuedAt,
    sequence: p.sequence,
    entitlements: {
      licenceId: e.licenceId,
      organisation: e.organisation,
      product: e.product,
      seatLimit: e.seatLimit,
      ...(e.supportUntil === undefined ? {} : { supportUntil: e.supportUntil }),
      ...(e.expiresAt === undefined ? {} : { expiresAt: e.expiresAt }),
      supportPolicy: e.supportPolicy,
      features: [...e.features],
      // of what came later, an activation without it keeps its spelling
      ...(e.trial ? { trial: true } : {}),
      ...(e.countBy === undefined ? {} : { countBy: e.countBy }),
      ...(e.overdraftSeats === undefined ? {} : { overdraftSeats: e.overdraftSeats }),
      ...(e.weights === undefined ? {} : { weights: Object.fromEntries(Object.entries(e.weights).sort(byName)) }),
      ...(e.borrow === undefined ? {} : { borrow: { maxHours: e.borrow.maxHours, keepFree: e.borrow.keepFree } }),
      ...(e.assignment === undefined ? {} : { assignment: e.assignment, reassignAfterDays: e.reassignAfterDays }),
    },
  });
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

function payloadFrom(payload: string): ActivationPayload | undefined {
  const value = parsed(decode(payload));
  if (!isPayload(value)) return undefined;
  return encode(payloadText(value)) === payload ? value : undefined;
}

function isPayload(v: unknown): v is ActivationPayload {
  return (
    isRecord(v) &&
    isText(v.keyId, 12) &&
    isKeyId(v.keyId) &&
    isWhole(v.generation, 1) &&
    isText(v.fingerprint, 80) &&
    isFingerprint(v.fingerprint) &&
    isText(v.serverPublicKey, 43) &&
    isMoment(v.issuedAt) &&
    isWhole(v.sequence, 1) &&
    isEntitlements(v.entitlements)
  );
}

function isEntitlements(v: unknown): v is Entitlements {
  return (
    isRecord(v) &&
    isText(v.licenceId, 64) &&
    isText(v.organisation, 500) &&
    isText(v.product, bounds.product) &&
    isWhole(v.seatLimit, 0) &&
    (v.supportUntil === undefined || isMoment(v.supportUntil)) &&
    (v.expiresAt === undefined || isMoment(v.expiresAt)) &&
    supportPolicies.some((p) => p === v.supportPolicy) &&
    Array.isArray(v.features) &&
    v.features.length <= 100 &&
    v.features.every((f) => isText(f, 100)) &&
    (v.trial === undefined || v.trial === true) &&
    (v.countBy === undefined || countings.some((c) => c !== 'session' && c === v.countBy)) &&
    (v.overdraftSeats === undefined || isWhole(v.overdraftSeats, 1)) &&
    (v.weights === undefined || isWeights(v.weights)) &&
    (v.borrow === undefined ||
      (isRecord(v.borrow) && isWhole(v.borrow.maxHours, 1) && isWhole(v.borrow.keepFree, 0))) &&
    (v.assignment === undefined
      ? v.reassignAfterDays === undefined
      : v.assignment === 'named' && v.countBy === 'user' && isWhole(v.reassignAfterDays, 0))
  );
}

function isWeights(v: unknown): boolean {
  if (!isRecord(v)) return false;
  const all = Object.entries(v);
  // a number as a name would change its place
  return (
    all.length > 0 &&
    all.length <= 100 &&
    all.every(([f, weight]) => isText(f, 100) && !/^\d+$/.test(f) && isWhole(weight, 2) && weight <= 10_000)
  );
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
const isRecord = (v: unknown): v is Readonly<Record<string, unknown>> =>
  typeof v === 'object' && v !== null && !Array.isArray(v);
const isText = (v: unknown, max: number): v is string => typeof v === 'string' && v.length > 0 && v.length <= max;
const isWhole = (v: unknown, min: number): v is number =>
  typeof v === 'number' && Number.isSafeInteger(v) && v >= min && v <= 2_147_483_647;
/** RFC 3339 UTC with whole seconds, and a moment that exists. */
const isMoment = (v: unknown): v is string => {
  if (typeof v !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(v)) return false;
  const ms = Date.parse(v);
  return !Number.isNaN(ms) && new Date(ms).toISOString() === v.replace('Z', '.000Z');
};
