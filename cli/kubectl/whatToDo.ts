import type { KeyFaultReason } from '../../licence/keyFaults.ts';

/** Which server and key a piece of advice is for. */
export interface Named {
  readonly namespace: string;
  readonly name: string;
  /** Name of a key in spec.keys. */
  readonly key?: string | undefined;
}

const at = ({ namespace, name }: Named) => `${name} -n ${namespace}`;
const rotate = (n: Named) => `kubectl licence rotate ${n.name} ${n.key ?? 'KEY'} -n ${n.namespace} --from-file FILE`;
const regenerate = (n: Named) => `kubectl licence regenerate ${n.name} ${n.key ?? 'KEY'} -n ${n.namespace}`;
const reactivate = (n: Named) => `kubectl licence reactivate ${at(n)}`;

/** What a person does about a key or an activation that does not work, by its reason. */
export const aboutKey: Readonly<Record<KeyFaultReason, (named: Named) => string>> = {
  KeyMalformed: (n) => `compare it with what the vendor gave, then: ${rotate(n)}`,
  KeyUnknown: (n) => `ask the vendor for the right key, then: ${rotate(n)}`,
  KeySuperseded: (n) => `install the licence's newest key: ${rotate(n)}`,
  KeyBoundElsewhere: (n) => `make a new key for this computer: ${regenerate(n)}`,
  KeyRevoked: (n) => `ask the vendor why; a new key goes in with: ${rotate(n)}`,
  KeyWrongProduct: (n) => `put the key of the right product in: ${rotate(n)}`,
  IdentityCopied: () => 'stop the other server that runs with a copy of this identity, then ask the vendor',
  ActivationDamaged: (n) => reactivate(n),
  ActivationUnreadable: (n) => `look at the rights of the volume: kubectl licence doctor ${at(n)}`,
  ActivationUnwritable: (n) => `look at the volume, its room and its rights: kubectl licence doctor ${at(n)}`,
  ActivationOutdated: () => 'a newer activation is installed already; bring the newest answer of the vendor',
  ActivationForeign: (n) => `the activation is of another computer: ${reactivate(n)}`,
  ActivationFromFuture: () => "set the node's clock right",
  ActivationUntrusted: () => "put the vendor's present key set into spec.activation.authority.trustedKeys",
  ActivationExpired: (n) => `the licence has ended; a renewed key goes in with: ${rotate(n)}`,
  ActivationMissing: () => 'put the signed activation beside the key: kubectl licence request, then respond',
  AuthorityUnreachable: () =>
    'check spec.activation.authority.url and the way to it (proxy, NetworkPolicy, DNS); it is tried again by itself',
  AuthorityRefused: () => "ask the vendor, with the request id of the server's log",
  AuthorityUntrusted: () => 'check spec.activation.authority: its url and trustedKeys have to be of one vendor',
  ProofInvalid: () => "set the node's clock right; else ask the vendor",
};

/** What a person does about a condition of the resource, by its reason. */
const conditions: Readonly<Record<string, (named: Named) => string>> = {
  SecretMissing: () => 'create the Secret; nothing else is needed',
  SecretKeyMissing: () => 'add that entry to the Secret; nothing else is needed',
  ConfigMapMissing: () => 'create the ConfigMap; nothing else is needed',
  ConfigMapKeyMissing: () => 'add that entry to the ConfigMap; nothing else is needed',
  NameTaken: (n) => `rename or remove the other object, or give this server another name than ${n.name}`,
  ClaimMissing: () => 'create the claim, or correct spec.storage.existingClaim',
  ClaimInUse: () => 'give each LicenceServer a claim of its own',
  ClaimTerminating: () =>
    'do not restart the pod: copy the data first (licence-server export); the volume goes with the pod',
  IdentityLost: (n) =>
    `restore Secret ${n.name}-identity from a backup; else annotate licensing.softonit.ru/new-identity=accept and regenerate the keys`,
  WindowInvalid: () => 'correct spec.staleSeats.windows',
  CertificateMissing: () => 'create the Secret of type kubernetes.io/tls; nothing else is needed',
  CertificatesMissing: () => 'put the certificates (PEM) where caRef says; nothing else is needed',
  ProxyMissing: () => 'put the URL of the proxy where activation.authority.proxy says; nothing else is needed',
  TrustedKeysMissing: () =>
    "put the vendor's key set (GET /.well-known/jwks.json of the authority) into that ConfigMap",
  RolloutHeld: (n) =>
    `kubectl licence status of the server it waits for; or roll this one now: kubectl licence roll ${at(n)}`,
  Paused: (n) => `kubectl licence unpause ${at(n)}`,
};

/** Of whatever is missing: the reason says what it is for, and ends with what it is. */
const kinds = ['SecretMissing', 'SecretKeyMissing', 'ConfigMapMissing', 'ConfigMapKeyMissing'] as const;

/** What a person does about a condition with this reason; undefined: its message says all there is. Pure. */
export function aboutCondition(reason: string, named: Named): string | undefined {
  const known = conditions[reason] ?? conditions[kinds.find((kind) => reason.endsWith(kind)) ?? ''];
  if (known !== undefined) return known(named);
  return reason in aboutKey ? aboutKey[reason as KeyFaultReason](named) : undefined;
}
