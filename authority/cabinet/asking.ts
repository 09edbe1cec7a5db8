import type { Who } from '../audit.ts';
import type { Session } from './sessions.ts';

/** A person who is signed in, and from where. */
export interface Asking extends Pick<Session, 'person' | 'tokenHash'> {
  readonly address: string | undefined;
}

/** Who it is, for the audit, and whose history it belongs to. */
export const whoOf = ({
  person,
  address,
}: Pick<Asking, 'person' | 'address'>): { by: Who; organisationId?: string } => {
  const { email, organisation } = person;
  const by = { actor: actorOf(organisation), person: email, address };
  return organisation === undefined ? { by } : { by, organisationId: organisation };
};

export const actorOf = (organisation: string | undefined): string =>
  organisation === undefined ? 'vendor' : `customer ${organisation}`;
