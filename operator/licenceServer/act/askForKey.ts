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
import type { Logger } from '../../../runtime/log.ts';
import { createOutwardAgent, type OutwardOptions } from '../../../runtime/outwardAgent.ts';
import { proxyFault } from '../../../runtime/proxyUrl.ts';
import { causeOfSilence } from '../../../runtime/silence.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject } from '../../kube/object.ts';
import { kinds, type ResourceKind } from '../../kube/resourceKind.ts';
import type { Fault } from '../api/fault.ts';
import type { Owner } from '../api/owner.ts';
import type { RegenerationStatus } from '../api/types.ts';
import type { Child } from '../build/object.ts';
import { regeneratedSecret } from '../build/regeneratedSecret.ts';
import type { RegenerationCall } from '../decide/regeneration.ts';
import type { Valid } from '../decide/validate.ts';
import type { LocalRefusal, RegenerationAnswer } from '../observe/authorityAnswer.ts';
import { readKeySource } from '../observe/keySources.ts';
import { insideNames, type SpecProxy } from '../pod/proxy.ts';
import { Ensure, type EnsureOptions } from './ensure.ts';

/** Makes a call that is due, and keeps the key that comes of it; undefined: it cannot be made as things stand. */
export async function askForKey(
  options: EnsureOptions,
  valid: Valid,
  before: RegenerationStatus | undefined,
  call: RegenerationCall,
  signal: AbortSignal,
  log: Logger,
): Promise<RegenerationAnswer | undefined> {
  const { client } = options;
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
  const proxy = await proxyOf(client, namespace, authority.proxy, signal);
  if (typeof proxy === 'string') return { call, answer: { ok: false, reason: 'SecretMissing', message: proxy } };
  const ask = (what: AuthorityCall) => send(authority.url ?? '', what, { ca, ...proxy }, signal);
  if (call === 'allowance') {
    const reply = await ask(allowanceCall(before.keyId, token));
    return { call, answer: typeof reply === 'string' ? unanswered(reply) : readAllowance(reply) };
  }
  const ensure = new Ensure(options, valid, (written) => log.info({ written: [written] }, 'applied'));
  const { key: name, keyId: replaces } = before;
  // Nothing is spent for what could not be kept.
  const trial = regeneratedSecret(valid.owner, { name, replaces, keyId: 'trial', digest: '' }, 'trial');
  const refusal = await ensure.refusalOf(kinds.Secret, trial);
  if (refusal !== undefined) return { call, answer: unkept(refusal) };
  const reply = await ask(regenerateCall(before.keyId, token, idempotencyKeyOf(uid, before)));
  const answer = typeof reply === 'string' ? unanswered(reply) : readIssuedKey(reply);
  if (!answer.ok) return { call, answer };
  const { key, ...made } = answer.answer;
  // Before anything is said of it: whoever is killed after this is told the same key again, and finds it kept.
  const { fault } = await ensure.ensure(kinds.Secret, secretOf(valid.owner, name, replaces, key), { immutable: true });
  return { call, answer: fault === undefined ? { ok: true, answer: made } : unkept(fault) };
}

/** One for each request, the same whoever asks, and not to be guessed without the resource. */
const idempotencyKeyOf = (uid: string, { request: value, keyId }: RegenerationStatus): string =>
  createHash('sha256').update(`${uid}\n${value}\n${keyId}`).digest('hex');

/** The Secret that keeps a new key; its digest is that of a key that was read from a person's Secret. */
function secretOf(owner: Owner, name: string, replaces: string, key: string): Child {
  const data = { [name]: Buffer.from(key).toString('base64') };
  const source = readKeySource({ name, secretRef: { name: '', key: name } }, 'Online', data);
  if (source.kind !== 'found') throw new Error(`the authority's new key of ${name} cannot be read`);
  const { keyId, digest } = source;
  return regeneratedSecret(owner, { name, replaces, keyId, digest }, key);
}

/** A key that was made already is told again when it is asked for again: the request is the same. */
const unkept = ({ reason, message }: Fault): LocalRefusal => ({
  ok: false,
  reason: reason === 'NameTaken' ? reason : 'SecretRefused',
  message: `a new key could not be kept: ${message}`,
});

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

/** The spec's proxy; without one the operator's own environment counts. A text says what is wrong with it, never what it is. */
async function proxyOf(
  client: KubeClient,
  namespace: string,
  asked: SpecProxy | undefined,
  signal: AbortSignal,
): Promise<Pick<OutwardOptions, 'proxy' | 'noProxy'> | string> {
  const { secretRef, url, noProxy = [] } = asked ?? {};
  const inside = [...insideNames, ...noProxy];
  if (secretRef === undefined) return url === undefined ? {} : { proxy: url, noProxy: inside };
  const text = await textIn(client, kinds.Secret, namespace, secretRef, signal);
  if (text === undefined) return missing(secretRef).message;
  const fault = proxyFault(text);
  if (fault !== undefined) return `what Secret ${secretRef.name} has under "${secretRef.key}" ${fault}`;
  return { proxy: text, noProxy: inside };
}

const timeoutMs = 10_000;
const longestBody = 65_536;

/** One exchange with the authority; a text says why there was no answer. Redirects are not followed. */
async function send(
  base: string,
  { method, path, headers, body }: AuthorityCall,
  way: Pick<OutwardOptions, 'ca' | 'proxy' | 'noProxy'>,
  signal: AbortSignal,
): Promise<AuthorityReply | string> {
  const dispatcher = createOutwardAgent({ ...way, connectMs: 5_000, answerMs: timeoutMs, longestAnswer: longestBody });
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
    return causeOfSilence(error, way.proxy === undefined ? undefined : 'activation.authority.proxy');
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
