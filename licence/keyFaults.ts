/**
 * Why a key or an activation does not work: one list for the server, the operator and the authority, so that a person
 * reads the same word in a condition, an Event, a problem document and the page.
 */
export const keyFaultReasons = [
  // the key's text
  'KeyMalformed',
  'KeyUnknown',
  'KeySuperseded',
  'KeyBoundElsewhere',
  'KeyRevoked',
  'KeyWrongProduct',
  'IdentityCopied',
  // the activation file
  'ActivationDamaged',
  'ActivationForeign',
  'ActivationFromFuture',
  'ActivationUntrusted',
  'ActivationExpired',
  'ActivationMissing',
  'ActivationOutdated',
  'ActivationUnreadable',
  'ActivationUnwritable',
  // the way to the authority
  'AuthorityUnreachable',
  'AuthorityRefused',
  'AuthorityUntrusted',
  'ProofInvalid',
] as const;
export type KeyFaultReason = (typeof keyFaultReasons)[number];

export interface KeyFault {
  readonly reason: KeyFaultReason;
  /** One sentence: what is wrong and what to do. Never contains the key. */
  readonly message: string;
}

/** Faults that may pass by themselves: worth trying again, never worth rolling back for. */
export const passingFaults: readonly KeyFaultReason[] = [
  'AuthorityUnreachable',
  'ActivationUnreadable',
  'ActivationUnwritable',
];
