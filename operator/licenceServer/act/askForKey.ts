import { createHash } from 'node:crypto';
import { request } from 'undici';
import {
  type AuthorityCall,
  type AuthorityReply,
  allowanceCall,
  readAllowance,
  readIssuedKey,
  regenerateCall,
  unanswered,
} from '../../../licence/authorityCalls.ts';
import { causeOfSilence, createOutwardAgent } from '../../../runtime/outwardAgent.ts';
import { isAlreadyExists } from '../../kube/apiError.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject } from '../../kube/object.ts';
import { kinds, type ResourceKind } from '../../kube/resourceKind.ts';
import type { RegenerationStatus } from '../api/types.ts';
import { regeneratedSecret } from '../build/regeneratedSecret.ts';
import type { RegenerationCall } from '../decide/regeneration.ts';
import type { Valid } from '../decide/validate.ts';
import type { LocalRefusal, RegenerationAnswer } from '../observe/authorityAnswer.ts';
import { readKeySource } from '../observe/keySources.ts';
import type { Stores } from '../observe/stores.ts';

export interface RegenerateOptions {
  readonly client: KubeClient;
  readonly stores: Stores;
}

/** Makes a call that is due, and keeps the key that comes of it; undefined: it cannot be made as things stand. */
export async function askForKey(
  { client, stores }: RegenerateOptions,
  valid: Valid,
  before: RegenerationStatus | undefined,
  call: RegenerationCall,
  signal: AbortSignal,
): Promise<RegenerationAnswer | undefined> {
  const { authority } = valid.spec.activation;
  if (before?.keyId === undefined || authority?.url === undefined || valid.requests.paused) return undefined;
  const { namespace, uid } = valid.owner;
  const ref = authority.tokenSecretRef;
  const token = await textIn(client, kinds.Secret, namespace, ref, signal);
  if (token === undefined) return { call, answer: missing(ref) };
  const { configMap, secret } = authority.caRef ?? {};
  const caPlace = configMap ?? secret;
  const ca =
    caPlace &&
    (await textIn(client, configMap === undefined ? kinds.Secret : kinds.ConfigMap, namespace, caPlace, signal));
  if (caPlace !== undefined && ca === undefined) return { call, answer: missing(caPlace) };
  const ask = (what: AuthorityCall) => send(authority.url ?? '', what, ca, signal);
  if (call === 'allowance') {
    const reply = await ask(allowanceCall(before.keyId, token));
    return { call, answer: typeof reply === 'string' ? unanswered(reply) : readAllowance(reply) };
  }
  const reply = await ask(regenerateCall(before.keyId, token, idempotencyKeyOf(uid, before)));
  const answer = typeof reply === 'string' ? unanswered(reply) : readIssuedKey(reply);
  if (!answer.ok) return { call, answer };
  const { key, ...made } = answer.answer;
  await keep({ client, stores }, valid, before, key);
  return { call, answer: { ok: true, answer: made } };
}

/** One for each request, the same whoever asks, and not to be guessed without the resource. */
const idempotencyKeyOf = (uid: string, { request: value, keyId }: RegenerationStatus): string =>
  createHash('sha256').update(`${uid}\n${value}\n${keyId}`).digest('hex');

/** Before anything is said of it: whoever is killed after this is told the same key again, and finds it kept. */
async function keep(
  { client, stores }: RegenerateOptions,
  { owner }: Valid,
  { key: name, keyId: replaces = '' }: RegenerationStatus,
  text: string,
): Promise<void> {
  const data = { [name]: Buffer.from(text).toString('base64') };
  // Its digest is that of a key that was read from a person's Secret.
  const source = readKeySource({ name, secretRef: { name: '', key: name } }, 'Online', data);
  if (source.kind !== 'found') throw new Error(`the authority's new key of ${name} cannot be read`);
  const { keyId, digest } = source;
  const made = regeneratedSecret(owner, { name, replaces, keyId, digest }, text);
  try {
    stores.secrets.assume(await client.create(kinds.Secret, made));
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

const missing = (ref: { readonly name: string; readonly key: string } | undefined): LocalRefusal => ({
  ok: false,
  reason: 'SecretMissing',
  message: `${ref?.name ?? 'the Secret'} has nothing under "${ref?.key ?? ''}", or does not exist; put it there`,
});

async function textIn(
  client: KubeClient,
  kind: ResourceKind,
  namespace: string,
  ref: { readonly name: string; readonly key: string } | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (ref === undefined) return undefined;
  const object = await client.get<KubeObject & { data?: Record<string, string> }>(kind, namespace, ref.name, signal);
  const value = object?.data?.[ref.key];
  const text = value !== undefined && kind === kinds.Secret ? Buffer.from(value, 'base64').toString('utf8') : value;
  return text?.trim() || undefined;
}

const timeoutMs = 10_000;
const longestBody = 65_536;

/** One exchange with the authority; a text says why there was no answer. Redirects are not followed. */
async function send(
  base: string,
  { method, path, headers, body }: AuthorityCall,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<AuthorityReply | string> {
  const dispatcher = createOutwardAgent({ ca, connectMs: 5_000, answerMs: timeoutMs, longestAnswer: longestBody });
  try {
    const reply = await request(`${base.replace(/\/+$/, '')}${path}`, {
      method,
      headers,
      body: body ?? null,
      dispatcher,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const text = await reply.body.text();
    if (reply.statusCode === 407) return 'the proxy asks for credentials';
    const after = Number(reply.headers['retry-after']);
    return {
      status: reply.statusCode,
      body: jsonOf(text),
      ...(Number.isFinite(after) && after > 0 ? { retryAfterSeconds: after } : {}),
    };
  } catch (error) {
    // The operator is to end: that says nothing of the authority.
    signal.throwIfAborted();
    return causeOfSilence(error);
  } finally {
    await dispatcher.close();
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
