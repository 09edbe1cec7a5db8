import { z } from 'zod';
import { named, withoutNul } from '../../runtime/schemas.ts';

// The shapes of what people ask of the cabinet.

const plain = z.string().regex(withoutNul, 'must have no NUL character');
const line = (max: number) => z.string().trim().min(1).max(max).regex(withoutNul, 'must have no NUL character');
/** As people write it; what it is compared by is made of it. */
export const email = z
  .string()
  .trim()
  .max(254)
  .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address')
  .regex(withoutNul, 'must have no NUL character');
/** Long rather than odd (NIST SP 800-63B). */
export const newPassword = plain.min(12, 'must have 12 characters or more').max(200);
export const password = plain.min(1).max(200);
const code = plain.min(1).max(40);
const token = z.string().regex(/^[\w-]{43}$/, 'must be the token of an invitation’s link');
const organisationId = z
  .string()
  .regex(/^org-[0-9a-f]{16}$/, 'must be the id of an organisation, such as org-0123456789abcdef');

export const signInRequest = named(
  'SignIn',
  z.object({ email, password, code: code.optional().describe('of the second factor, or a recovery code') }),
);
export const passwordChange = named('PasswordChange', z.object({ present: password, next: newPassword }));
export const codeRequest = named('Code', z.object({ code }));
export const passwordRequest = named('Password', z.object({ password }));
export const invitationRequest = named(
  'InvitationRequest',
  z
    .object({
      email,
      role: z.enum(['customer', 'vendor']).default('customer'),
      organisation: line(200).optional().describe('a name of it; a new one makes a new organisation'),
      organisationId: organisationId.optional(),
    })
    .refine(
      (r) => r.role === 'vendor' || r.organisation !== undefined || r.organisationId !== undefined,
      'names the organisation, or the role vendor',
    )
    .refine(
      (r) => r.role === 'customer' || (r.organisation === undefined && r.organisationId === undefined),
      'the vendor’s own people belong to no organisation',
    ),
);
export const invitationToken = named('InvitationToken', z.object({ token }));
export const acceptance = named('Acceptance', z.object({ token, name: line(200), password: newPassword }));
export const ofPerson = { params: z.object({ personId: plain.max(64) }) };
export const ofInvitation = { params: z.object({ invitationId: plain.max(64) }) };
export const organisationQuery = z.object({
  name: plain.max(200).optional().describe('a part of one of its names'),
  after: plain.max(64).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});
export const peopleQuery = z.object({ organisationId: organisationId.optional() });
export const signOnRequest = named('SignOnRequest', z.object({ invitation: token.optional() })).nullish();
