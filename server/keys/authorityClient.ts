import { fetch } from 'undici';
import { z } from 'zod';
import type { ActivationCheckResponse, ActivationRequest, ActivationResponse } from '../../licence/authorityWire.ts';
import { type KeyFault, keyFaultReasons } from '../../licence/keyFaults.ts';
import { countings, supportPolicies } from '../../licence/words.ts';
import { messageOf } from '../../runtime/database/fault.ts';
import { createOutwardAgent } from '../../runtime/outwardAgent.ts';
import { proxyFileSetting, readProxyFile } from '../../runtime/proxyUrl.ts';
import { causeOfSilence } from '../../runtime/silence.ts';
import { followCertificates } from './caFile.ts';

export type AuthorityAnswer<T> =
  | { readonly ok: true; readonly answer: T }
  | {
      readonly ok: false;
      readonly fault: KeyFault;
      /** How long it asked to be left alone. */
      readonly retryAfterMs?: number;
    };

/** The way to the authority. One call is one attempt: trying again is the caller's. */
export interface AuthorityClient {
  activate(request: ActivationRequest): Promise<AuthorityAnswer<ActivationResponse>>;
  /** What `activate` would answer, without changing anything. */
  check(request: ActivationRequest): Promise<AuthorityAnswer<ActivationCheckResponse>>;
  /** Its present keys, signed by the key `kid` (`openKeySet` verifies it); undefined: it has none to give. */
  keySet(kid: string): Promise<string | undefined>;
  /** What is wrong with its settings, in one sentence; undefined: nothing. */
  trouble(): string | undefined;
  close(): Promise<void>;
}

export interface AuthorityClientOptions {
  /** Base URL, `https://cabinet.example.org`. */
  readonly url: string;
  /** PEM file of the certificate authorities to believe beside all others; taken up when it changes. */
  readonly caFile?: string | undefined;
  /** File with the URL of a proxy, in the place of those of the environment; taken up when it changes. */
  readonly proxyFile?: string | undefined;
  /** For the whole exchange. */
  readonly timeoutMs?: number;
}

const longestAnswer = 65_536;
const budget = { regenerationsLeft: z.int().min(0), regenerationsResetAt: z.iso.datetime() };
const activationResponse = z.object({ activation: z.string(), cloneSuspected: z.boolean().optional(), ...budget });
const checkResponse = z.object({
  keyId: z.string(),
  generation: z.int().min(1),
  entitlements: z.object({
    licenceId: z.string(),
    organisation: z.string(),
    product: z.string(),
    seatLimit: z.int().min(0),
    supportUntil: z.iso.datetime().optional(),
    expiresAt: z.iso.datetime().optional(),
    supportPolicy: z.enum(supportPolicies),
    features: z.array(z.string()),
    trial: z.literal(true).optional(),
    countBy: z.enum(countings).exclude(['session']).optional(),
    overdraftSeats: z.int().min(1).optional(),
    weights: z.record(z.string(), z.int()).optional(),
    borrow: z.object({ maxHours: z.int(), keepFree: z.int() }).optional(),
    assignment: z.literal('named').optional(),
    reassignAfterDays: z.int().optional(),
  }),
  ...budget,
});
const refusal = z.object({ reason: z.string(), detail: z.string().max(1_000) });

export function createAuthorityClient(options: AuthorityClientOptions): AuthorityClient {
  const { url, caFile, proxyFile, timeoutMs = 10_000 } = options;
  const own = caFile === undefined ? undefined : followCertificates(caFile, 'LICENCE_AUTHORITY_CA');
  // calls are rare: an idle connection only goes stale
  const agentFor = (ca: string | undefined, proxy: string | undefined) =>
    createOutwardAgent({ ca, proxy, connectMs: timeoutMs, keepAliveMs: 1_000 });
  const proxyTold = proxyFile === undefined ? undefined : proxyFileSetting;
  let proxy: string | undefined;
  let proxyTrouble: string | undefined;
  /** As it was last sound. Past a proxy that cannot be known nothing goes. */
  const lookForProxy = () => {
    if (proxyFile === undefined) return;
    try {
      proxy = readProxyFile(proxyFile);
      proxyTrouble = undefined;
    } catch (error) {
      proxyTrouble = messageOf(error);
      if (proxy === undefined) throw error;
      proxyTrouble += '; the last sound one counts';
    }
  };
  // a fault of the environment ends the program; one of a file is told, and may end
  let agent = proxyFile === undefined ? agentFor(own?.pem, undefined) : undefined;
  let [believed, used] = [own?.pem, proxy];
  /** The agent that goes by what the files say now. What the one before has under way, it ends. */
  const dispatcherNow = () => {
    own?.look();
    lookForProxy();
    if (agent === undefined || own?.pem !== believed || proxy !== used) {
      const before = agent;
      agent = agentFor(own?.pem, proxy);
      [believed, used] = [own?.pem, proxy];
      before?.close().catch(() => {});
    }
    return agent;
  };
  const base = url.replace(/\/+$/, '');
  const place = new URL(base).origin;
  const unreachable = (what: string): KeyFault => ({
    reason: 'AuthorityUnreachable',
    message: `the authority ${place} ${what}; it is tried again`,
  });
  const untrusted = (what: string): KeyFault => ({
    reason: 'AuthorityUntrusted',
    message: `${place} ${what}; check the authority's URL`,
  });

  async function post<T>(path: string, schema: z.ZodType<T>, request: ActivationRequest): Promise<AuthorityAnswer<T>> {
    let status: number;
    let body: unknown;
    let retryAfterMs: number | undefined;
    try {
      const response = await fetch(base + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, application/problem+json' },
        body: JSON.stringify(request),
        redirect: 'error', // the key must not travel to another place
        signal: AbortSignal.timeout(timeoutMs),
        dispatcher: dispatcherNow(),
      });
      status = response.status;
      retryAfterMs = retryAfterOf(response.headers.get('retry-after'));
      body = jsonOf(await bounded(response.body));
    } catch (error) {
      return { ok: false, fault: unreachable(`cannot be reached (${causeOfSilence(error, proxyTold)})`) };
    }
    if (status === 407) return { ok: false, fault: unreachable('cannot be reached: the proxy asks for credentials') };
    if (status >= 500 || status === 429 || status === 408) {
      const fault = unreachable(`answers with status ${status}`);
      return { ok: false, fault, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    }
    if (status === 200 || status === 201) {
      const parsed = schema.safeParse(body);
      return parsed.success
        ? { ok: true, answer: parsed.data }
        : { ok: false, fault: untrusted('does not answer as an authority does') };
    }
    const parsed = refusal.safeParse(body);
    const reason = keyFaultReasons.find((r) => parsed.success && r === parsed.data.reason);
    if (parsed.success && reason !== undefined) return { ok: false, fault: { reason, message: parsed.data.detail } };
    const said = parsed.success ? `${parsed.data.reason}: ${parsed.data.detail}` : `status ${status}`;
    return { ok: false, fault: { reason: 'AuthorityRefused', message: `the authority ${place} refuses: ${said}` } };
  }

  return {
    activate: (request) => post('/v1/activations', activationResponse as z.ZodType<ActivationResponse>, request),
    check: (request) => post('/v1/activations:check', checkResponse as z.ZodType<ActivationCheckResponse>, request),
    keySet: async (kid) => {
      try {
        const response = await fetch(`${base}/.well-known/jwks.jws?kid=${encodeURIComponent(kid)}`, {
          headers: { accept: 'application/jose' },
          redirect: 'error',
          signal: AbortSignal.timeout(timeoutMs),
          dispatcher: dispatcherNow(),
        });
        const text = (await bounded(response.body)).trim();
        return response.status === 200 ? text : undefined;
      } catch {
        return undefined;
      }
    },
    trouble: () => own?.trouble ?? proxyTrouble,
    close: async () => agent?.destroy(),
  };
}

const longestWaitMs = 3_600_000;
/** Seconds, as an authority says them; a date, as a proxy may, is passed over. No authority sends a server away for long. */
const retryAfterOf = (header: string | null): number | undefined =>
  header !== null && /^\d{1,9}$/.test(header) ? Math.min(Number(header) * 1_000, longestWaitMs) : undefined;

/** Reads a body up to a bound, so that no answer fills the memory. */
async function bounded(body: AsyncIterable<Uint8Array> | null): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > longestAnswer) throw new Error('answer too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
