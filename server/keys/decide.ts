import { isExpired, type VerifiedActivation } from '../../licence/activation.ts';
import type { ActivationPayload } from '../../licence/authorityWire.ts';
import {
  type EffectiveLicence,
  effectiveEntitlements,
  newestActivations,
} from '../../licence/effectiveEntitlements.ts';
import { isKeyId, type ParsedKey } from '../../licence/key.ts';
import { type KeyFault, passingFaults } from '../../licence/keyFaults.ts';
import { budgetNow } from '../../licence/regenerationBudget.ts';
import type { KeyStatus } from '../../licence/serverStatus.ts';
import { ended, forAnotherKey, outdated } from './checkOffline.ts';
import type { KeyRecord } from './keyRecords.ts';

/**
 * What the keys part is to do, from what is configured, what lies in the folder and what was tried:
 *
 * - a configured key without a sound file is installed from its activation file or activated at the authority;
 * - a file that came from configuration and is no longer configured serves until all configured keys are active, then goes;
 * - a file that a person installed by web, API or hand is never removed here;
 * - whatever is sound counts; of one licence only the highest generation.
 */

/** A file of the folder, judged. */
export interface JudgedFile {
  /** File name without `.lic`. */
  readonly name: string;
  readonly verified: VerifiedActivation;
}

/** A configured key, with the judgement of its activation file if it has one. */
export interface JudgedKey {
  readonly name: string;
  readonly parsed: ParsedKey;
  readonly offline?: { readonly text: string; readonly verified: VerifiedActivation };
}

/** The last attempt at a key, when it failed. */
export interface Attempt {
  readonly fault: KeyFault;
  readonly nextAtMs: number;
}

export interface Situation {
  readonly clockMs: number;
  /** The latest time ever seen, in ms; at least `clockMs`. */
  readonly latestMs: number;
  readonly configured: readonly JudgedKey[];
  readonly files: readonly JudgedFile[];
  readonly records: Readonly<Record<string, KeyRecord>>;
  /** The last sequence received for a key, also for one that was removed meanwhile. */
  readonly sequenceOf: (keyId: string) => number;
  /** By keyId, or by the name of a file. */
  readonly attempts: ReadonlyMap<string, Attempt>;
  /** Whether there is an authority to ask. */
  readonly canAsk: boolean;
  /** Keys to activate again although their file is sound. */
  readonly toReactivate: readonly string[];
}

export type KeyAction =
  | { readonly do: 'activate'; readonly keyId: string; readonly key: string }
  | { readonly do: 'install'; readonly keyId: string; readonly activation: string }
  | { readonly do: 'adopt'; readonly keyId: string }
  | { readonly do: 'remove'; readonly name: string };

export interface KeyDecision {
  readonly actions: readonly KeyAction[];
  readonly keys: readonly KeyStatus[];
  readonly licences: readonly EffectiveLicence[];
  /** When an attempt is due that is not yet. */
  readonly wakeAtMs?: number;
}

/** One configured key: what to do about it and how it stands. */
interface Judgement {
  readonly action?: KeyAction;
  readonly state: KeyStatus['state'];
  readonly fault?: KeyFault;
}

export function decideKeys(s: Situation): KeyDecision {
  const sound = new Map<string, ActivationPayload>();
  for (const { name, verified } of s.files) {
    if (verified.ok && verified.activation.keyId === name) sound.set(name, verified.activation);
  }
  const judged = s.configured.map((key) => ({ key, judgement: judgeConfigured(s, key, sound) }));
  const configuredIds = new Set(s.configured.map((k) => keyIdOf(k)));
  const rest = s.files.filter((f) => !configuredIds.has(f.name));
  const allActive = judged.length > 0 && judged.every(({ judgement }) => judgement.state === 'Active');
  const removed = allActive ? rest.filter((f) => s.records[f.name]?.source === 'configuration') : [];
  const counting = [...sound.values()].filter((a) => !removed.some((f) => f.name === a.keyId));
  const newest = new Set(newestActivations(counting).map((a) => a.keyId));

  const wanted = [
    ...uniqueActions(judged.flatMap(({ judgement }) => (judgement.action === undefined ? [] : [judgement.action]))),
    ...removed.map((f) => ({ do: 'remove' as const, name: f.name })),
  ];
  const later = wanted.filter((a) => notBefore(s, subjectOf(a)) !== undefined);
  const wakes = later.map((a) => notBefore(s, subjectOf(a)) ?? s.clockMs);
  return {
    actions: wanted.filter((a) => !later.includes(a)),
    keys: [
      ...judged.map(({ key, judgement }) => statusOfConfigured(s, key, judgement, sound)),
      ...rest.filter((f) => !removed.includes(f)).map((f) => statusOfFile(s, f, newest)),
    ],
    licences: effectiveEntitlements(counting, s.clockMs, s.latestMs),
    ...(wakes.length === 0 ? {} : { wakeAtMs: Math.min(...wakes) }),
  };
}

const keyIdOf = (key: JudgedKey): string | undefined => (key.parsed.ok ? key.parsed.keyId : undefined);

/** What an action is about: the keyId, or the name of a file. */
export const subjectOf = (action: KeyAction): string => (action.do === 'remove' ? action.name : action.keyId);

/** When something that has failed is due again; undefined: now. */
function notBefore(s: Situation, subject: string): number | undefined {
  const at = s.attempts.get(subject)?.nextAtMs;
  return at !== undefined && at > s.clockMs ? at : undefined;
}

/** Two names of one key are one activation. */
const uniqueActions = (actions: readonly KeyAction[]): KeyAction[] => [
  ...new Map(actions.map((a) => [`${a.do} ${subjectOf(a)}`, a])).values(),
];

const asFault = (f: KeyFault): KeyFault => ({ reason: f.reason, message: f.message });
const stateOf = (fault: KeyFault | undefined): KeyStatus['state'] =>
  fault === undefined || passingFaults.includes(fault.reason) ? 'Pending' : 'Refused';

function judgeConfigured(s: Situation, key: JudgedKey, sound: ReadonlyMap<string, ActivationPayload>): Judgement {
  if (!key.parsed.ok) return { state: 'Refused', fault: asFault(key.parsed) };
  const { keyId } = key.parsed;
  const present = sound.get(keyId);
  if (key.offline !== undefined) return judgeOffline(s, keyId, key.offline, present);
  const again = s.toReactivate.includes(keyId);
  if (present !== undefined && !again) return { ...judgeSound(s, present), ...adopted(s, keyId) };

  const attempt = s.attempts.get(keyId);
  const action = s.canAsk ? { action: { do: 'activate' as const, keyId, key: key.parsed.key } } : {};
  if (present !== undefined) {
    return {
      ...judgeSound(s, present),
      ...(attempt === undefined ? {} : { fault: attempt.fault }),
      ...action,
    };
  }
  const fault = attempt?.fault ?? fileFault(s, keyId) ?? (s.canAsk ? undefined : noAuthority);
  // A bad file is about to be replaced: that is not final until the authority has spoken.
  const state = s.canAsk && attempt === undefined ? 'Pending' : stateOf(fault);
  return { state, ...(fault === undefined ? {} : { fault }), ...action };
}

const noAuthority: KeyFault = {
  reason: 'ActivationMissing',
  message:
    'the key is not activated and no authority is configured; fetch GET /v1/activation/request, have the vendor answer it, ' +
    'and hand the answer in at POST /v1/activation/response',
};

function judgeOffline(
  s: Situation,
  keyId: string,
  offline: { readonly text: string; readonly verified: VerifiedActivation },
  present: ActivationPayload | undefined,
): Judgement {
  const { verified } = offline;
  const fits = verified.ok && verified.activation.keyId === keyId;
  // An older answer than one that was there is no answer, even when that one is lost.
  const old = fits && verified.activation.sequence < s.sequenceOf(keyId);
  if (fits && !old && (present === undefined || verified.activation.sequence > present.sequence)) {
    const fault = s.attempts.get(keyId)?.fault;
    const action = { action: { do: 'install' as const, keyId, activation: offline.text } };
    if (fault === undefined) return { state: 'Pending', ...action };
    return { ...(present === undefined ? { state: stateOf(fault) } : judgeSound(s, present)), fault, ...action };
  }
  if (present !== undefined) return { ...judgeSound(s, present), ...adopted(s, keyId) };
  return { state: 'Refused', fault: verified.ok ? (fits ? outdated : forAnotherKey) : asFault(verified) };
}

/** A sound file nobody has a record of belongs to the configuration that names its key. */
const adopted = (s: Situation, keyId: string): Pick<Judgement, 'action'> =>
  s.records[keyId] === undefined ? { action: { do: 'adopt', keyId } } : {};

function judgeSound(s: Situation, activation: ActivationPayload): Judgement {
  const fault = endedFault(s, activation);
  return fault === undefined ? { state: 'Active' } : { state: 'Refused', fault };
}

const endedFault = (s: Situation, activation: ActivationPayload): KeyFault | undefined =>
  isExpired(activation, s.latestMs) ? ended(activation.entitlements.expiresAt) : undefined;

/** What is wrong with the file of a key that should have a sound one. */
function fileFault(s: Situation, name: string): KeyFault | undefined {
  const file = s.files.find((f) => f.name === name);
  return file === undefined ? undefined : faultOf(file);
}

function faultOf(file: JudgedFile): KeyFault | undefined {
  if (!file.verified.ok) return asFault(file.verified);
  const { keyId } = file.verified.activation;
  if (keyId === file.name) return undefined;
  return {
    reason: 'ActivationDamaged',
    message: `the file ${file.name}.lic holds the activation of key ${keyId}; rename it to ${keyId}.lic`,
  };
}

function statusOfConfigured(
  s: Situation,
  key: JudgedKey,
  { state, fault }: Judgement,
  sound: ReadonlyMap<string, ActivationPayload>,
): KeyStatus {
  const keyId = keyIdOf(key);
  return {
    name: key.name,
    ...(keyId === undefined ? {} : { keyId }),
    state,
    ...(fault === undefined ? {} : { fault }),
    source: s.records[keyId ?? '']?.source ?? 'configuration',
    ...granted(sound.get(keyId ?? '')),
    ...recorded(s, keyId),
  };
}

function statusOfFile(s: Situation, file: JudgedFile, newest: ReadonlySet<string>): KeyStatus {
  const activation = file.verified.ok ? file.verified.activation : undefined;
  const source = s.records[file.name]?.source ?? 'file';
  const fault = faultOf(file) ?? (activation && endedFault(s, activation));
  const outranked = !newest.has(file.name) || source === 'configuration';
  return {
    ...(isKeyId(file.name) ? { keyId: file.name } : {}),
    state: fault !== undefined ? 'Refused' : outranked ? 'Superseded' : 'Active',
    ...(fault === undefined ? {} : { fault }),
    source,
    ...granted(activation),
    ...recorded(s, file.name),
  };
}

function granted(a: ActivationPayload | undefined): Partial<KeyStatus> {
  if (a === undefined) return {};
  const { product, seatLimit, supportUntil, expiresAt } = a.entitlements;
  return {
    generation: a.generation,
    product,
    seatLimit,
    ...(supportUntil === undefined ? {} : { supportUntil }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    activatedAt: a.issuedAt,
  };
}

function recorded(s: Situation, keyId: string | undefined): Partial<KeyStatus> {
  const { regenerationsLeft: left, regenerationsResetAt: resetAt } = s.records[keyId ?? ''] ?? {};
  if (left === undefined || resetAt === undefined) return {};
  const budget = budgetNow({ left, resetAt }, s.latestMs);
  return { regenerationsLeft: budget.left, regenerationsResetAt: budget.resetAt };
}
