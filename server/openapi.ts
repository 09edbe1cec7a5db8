import type { Described } from '../runtime/openapi.ts';

/** What the server's OpenAPI document says beside the routes. */
export const about = (version: string): Described => ({
  title: 'Licence server',
  version,
  description: 'Floating seats: check-out, heartbeats, session reports; administration of seats and keys.',
  tags: {
    seats: 'For the programs that take seats.',
    administration: 'Who holds what, and taking seats back.',
    keys: 'Licence keys and their activation.',
    history: 'What was.',
    probes: 'For whatever runs and watches the server.',
  },
  tokenDescription:
    'One of the tokens of the server, or, where access is by service account, of a pod; as X-Licence-Token where a proxy takes Authorization away.',
  reasons: {
    '4XX': [
      'InvalidRequest',
      'TokenInvalid',
      'RoleInsufficient',
      'MethodNotAllowed',
      'BodyTooLarge',
      'UnsupportedMediaType',
      'TooManyFailures',
    ],
    '5XX': ['StoreUnavailable', 'AccessUnknown', 'InternalError'],
  },
});
