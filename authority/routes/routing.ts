import type { FastifyReply, FastifyRequest } from 'fastify';
import { idempotencyHeader } from '../../licence/authorityWire.ts';
import { type Problem, ProblemError } from '../../runtime/problem.ts';
import type { By, LicencesDeps } from '../changeLicence.ts';
import { idempotencyKeyOf, once } from '../idempotency.ts';
import type { Outcome, Refusal } from '../refusal.ts';

/** The least role that a route asks for; see access.ts. */
export const vendor = { role: 'vendor' };
/** The vendor's programs only: a browser that was left open must not change what everybody trusts. */
export const vendorToken = { role: 'vendor', tokensOnly: true };
export const customer = { role: 'customer' };
export const anyone = { role: 'none' };
/** Somebody who is signed in to the cabinet, whoever it is. */
export const person = { role: 'person' };
/** What the document says of a route; answers are written as they are, and only described here. */
export const operation = (operationId: string, summary: string, tag: string, response: object): RouteTexts => ({
  operationId,
  summary,
  tags: [tag],
  ...{ response },
});
interface RouteTexts {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: string[];
}

/** A parameter that is followed by a colon and a verb. */
const word = '(^[^:/]+)';
export const byLicence = `/v1/licences/:licenceId${word}`;
export const byKey = `/v1/keys/:keyId${word}`;
export const bySigningKey = `/v1/signing-keys/:kid${word}`;

/** Makes a key once for each idempotency key. */
export async function making<T>(
  deps: LicencesDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  work: (deps: LicencesDeps) => Promise<Outcome<T>>,
): Promise<T> {
  const { actor } = byOf(request);
  const asked = JSON.stringify([request.method, request.url, request.body ?? {}]);
  const idempotencyKey = idempotencyKeyOf(request.headers[idempotencyHeader]);
  const outcome = await once(deps, { actor, idempotencyKey, request: asked }, work);
  reply.code(201);
  if (outcome.ok && outcome.replayed) reply.header('idempotent-replayed', 'true');
  return valueFrom(outcome);
}

/** Who asks, for the audit. */
export function byOf({ ip: address, actor: { role, token, session, organisation: own } }: FastifyRequest): By {
  const isVendor = role === 'vendor';
  const who = { address, token, isVendor, person: session?.person.email };
  return own === undefined ? { ...who, actor: role } : { ...who, actor: `${role} ${own}`, organisation: own };
}

export function vendorOnly({ actor }: FastifyRequest, detail: string): void {
  if (actor.role !== 'vendor') throw new ProblemError({ status: 403, reason: 'RoleMissing', detail });
}

/** What came of it. @throws ProblemError for a refusal */
export function valueFrom<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new ProblemError(problemOf(outcome));
}

function problemOf(refusal: Refusal): Problem {
  const { reason, detail } = refusal;
  switch (refusal.reason) {
    case 'RegenerationLimit': {
      const extra = { regenerationsLeft: 0, regenerationsResetAt: refusal.resetAt };
      return { status: 409, reason, detail, extra };
    }
    case 'KeySuperseded': {
      const { newestKeyId, newestGeneration } = refusal;
      return { status: 409, reason, detail, extra: { newestKeyId, newestGeneration } };
    }
    case 'KeyRevoked':
    case 'NothingToRenew':
    case 'OrganisationTaken':
    case 'TermsPast':
    case 'TermsShorter':
      return { status: 409, reason, detail };
    case 'IdempotencyKeyReused':
      return { status: 422, reason, detail };
    default:
      return { status: 404, reason, detail };
  }
}
