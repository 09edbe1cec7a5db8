import { z } from 'zod';
import { growing, moment, named } from '../../runtime/schemas.ts';

/** The shapes of the cabinet's answers, for the OpenAPI document. */
const role = growing(['customer', 'vendor']);
const person = named(
  'SignedInPerson',
  z.object({
    personId: z.string(),
    email: z.string(),
    name: z.string(),
    role,
    organisationId: z.string().optional(),
    organisation: z.string().optional(),
    hasPassword: z.boolean(),
    secondFactor: z.boolean(),
  }),
);
export const session = named(
  'Session',
  z.object({
    person: person.optional(),
    csrfToken: z.string().optional().describe('goes into x-csrf-token with whatever changes something'),
    endsAt: moment.optional(),
    singleSignOn: named('SingleSignOn', z.object({ name: z.string() })).optional(),
  }),
);
export const nothing = named('Done', z.object({}));
export const signOn = named('SignOn', z.object({ url: z.string().describe('where the browser goes') }));
export const secondFactorOffer = named(
  'SecondFactorOffer',
  z.object({ secret: z.string(), uri: z.string().describe('otpauth:, for the app') }),
);
export const recoveryCodes = named(
  'RecoveryCodes',
  z.object({ recoveryCodes: z.array(z.string()).describe('each good once; shown this once') }),
);
const invited = {
  email: z.string(),
  role,
  organisationId: z.string().optional(),
  organisation: z.string().optional(),
  isKnown: z.boolean().describe('sets a new password'),
  expiresAt: moment,
};
export const invitation = named('Invitation', z.object(invited));
export const newInvitation = named(
  'NewInvitation',
  z.object({
    invitationId: z.string(),
    token: z.string().describe('the link is the cabinet’s address and #/invitation/TOKEN; shown once'),
    email: z.string(),
    expiresAt: moment,
  }),
);
export const invitationList = named(
  'InvitationList',
  z.object({
    invitations: z.array(
      named('OpenInvitation', z.object({ ...invited, invitationId: z.string(), invitedBy: z.string() })),
    ),
  }),
);
export const personList = named(
  'PersonList',
  z.object({
    people: z.array(
      named(
        'Person',
        z.object({
          personId: z.string(),
          email: z.string(),
          name: z.string(),
          role,
          organisationId: z.string().optional(),
          organisation: z.string().optional(),
          secondFactor: z.boolean(),
          createdAt: moment,
          seenAt: moment.optional(),
          disabledAt: moment.optional(),
        }),
      ),
    ),
  }),
);
export const organisationPage = named(
  'OrganisationPage',
  z.object({
    organisations: z.array(
      named(
        'Organisation',
        z.object({
          organisationId: z.string(),
          organisation: z.string(),
          licences: z.int(),
          people: z.int(),
          suspected: z.boolean().describe('one of its keys was used by a copied computer'),
        }),
      ),
    ),
    after: z.string().optional().describe('where the next page begins'),
  }),
);
