import type { Described } from '../runtime/openapi.ts';
import { sessionCookie } from './cabinet/cookies.ts';

/** A route as people write it, without what its parameters have to look like. */
export const shownRoute = (url: string): string => url.replaceAll('(^[^:/]+)', '').replaceAll('::', ':');

/** What the authority's OpenAPI document says beside the routes. */
export const about: Described = {
  title: 'Licence authority',
  version: '1',
  description: "The vendor's side: issues and activates keys.",
  tags: {
    licences: 'What was sold.',
    keys: 'The keys of licences.',
    activations: 'For licence servers, and for request files of those without a network.',
    signing: 'The keys that activations are signed with.',
    account: 'What people do with their own account in the cabinet: in, out, password, second factor.',
    people: 'Customers, the people of customers and of the vendor, invitations.',
    history: 'What was.',
    probes: 'For whatever runs and watches the authority.',
  },
  tokenDescription: 'A line of one of the files of tokens.',
  session: {
    cookie: sessionCookie,
    role: 'person',
    description:
      'Who is signed in to the cabinet. What changes something needs `x-csrf-token`, too; `GET /v1/session` says it.',
  },
  reasons: {
    '4XX': [
      'InvalidRequest',
      'TokenInvalid',
      'RoleMissing',
      'SessionEnded',
      'CsrfTokenWrong',
      'MethodNotAllowed',
      'BodyTooLarge',
      'UnsupportedMediaType',
      'TooManyRequests',
    ],
    '5XX': ['StoreUnavailable', 'InternalError'],
  },
};
