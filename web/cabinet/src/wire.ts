import type { IssuedKey, RenewalTerms } from '../../../licence/authorityWire.ts';
import type { SupportPolicy } from '../../../licence/words.ts';

export type { IssuedKey, RenewalTerms };

/** `GET /v1/session` */
export interface Session {
  /** Absent: nobody is signed in. */
  readonly person?: SignedInPerson;
  readonly csrfToken?: string;
  readonly singleSignOn?: { readonly name: string };
}
export interface SignedInPerson {
  readonly email: string;
  readonly name: string;
  readonly role: 'customer' | 'vendor';
  readonly organisation?: string;
  readonly hasPassword: boolean;
  readonly secondFactor: boolean;
}

/** `GET /v1/licences` */
export interface LicencePage {
  readonly licences: readonly Licence[];
  readonly after?: string;
}
export interface Licence {
  readonly licenceId: string;
  readonly organisation: string;
  readonly organisationId: string;
  readonly product: string;
  readonly seatLimit: number;
  readonly supportUntil?: string;
  readonly expiresAt?: string;
  readonly supportPolicy: SupportPolicy;
  readonly features: readonly string[];
  readonly revokedAt?: string;
  readonly regenerationsLeft: number;
  readonly regenerationsResetAt: string;
  readonly renewal?: RenewalTerms;
  /** Newest first. */
  readonly keys: readonly Key[];
}
export interface Key {
  readonly keyId: string;
  readonly generation: number;
  readonly madeBy: 'issue' | 'regenerate' | 'renew';
  readonly madeAt?: string;
  readonly fingerprint?: string;
  readonly boundAt?: string;
  readonly activatedAt?: string;
  readonly cloneSuspectedAt?: string;
  readonly revokedAt?: string;
}

/** `GET /v1/audit` */
export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  readonly before?: number;
}
export interface AuditEntry {
  readonly id: number;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly outcome: string;
  readonly licenceId?: string;
  readonly keyId?: string;
  readonly fingerprint?: string;
  readonly detail?: string;
  readonly person?: string;
}

/** `GET /v1/organisations` */
export interface OrganisationPage {
  readonly organisations: readonly Organisation[];
  readonly after?: string;
}
export interface Organisation {
  readonly organisationId: string;
  readonly organisation: string;
  readonly licences: number;
  readonly people: number;
  readonly suspected: boolean;
}

/** `GET /v1/people` */
export interface Person {
  readonly personId: string;
  readonly email: string;
  readonly name: string;
  readonly role: 'customer' | 'vendor';
  readonly organisation?: string;
  readonly secondFactor: boolean;
  readonly seenAt?: string;
  readonly disabledAt?: string;
}

/** `POST /v1/invitations:look` */
export interface Invitation {
  readonly email: string;
  readonly role: 'customer' | 'vendor';
  readonly organisation?: string;
  /** Sets a new password. */
  readonly isKnown: boolean;
  readonly expiresAt: string;
}
export interface OpenInvitation extends Invitation {
  readonly invitationId: string;
  readonly invitedBy: string;
}
export interface NewInvitation {
  readonly token: string;
  readonly email: string;
  readonly expiresAt: string;
}

/** `POST /v1/licences`: what the vendor writes down. */
export interface NewLicence extends Terms {
  readonly organisation: string;
  readonly product: string;
  readonly seatLimit: number;
  readonly supportPolicy: SupportPolicy;
}
/** Ends as moments; null takes one away where that is possible. */
export interface Terms {
  readonly seatLimit?: number;
  readonly supportUntil?: string | null;
  readonly expiresAt?: string | null;
  readonly force?: boolean;
}
