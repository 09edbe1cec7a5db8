import type { Described } from '../runtime/openapi.ts';

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
    history: 'What was.',
    probes: 'For whatever runs and watches the authority.',
  },
  tokenDescription: 'A line of one of the files of tokens.',
  reasons: {
    '4XX': [
      'InvalidRequest',
      'TokenInvalid',
      'RoleMissing',
      'MethodNotAllowed',
      'BodyTooLarge',
      'UnsupportedMediaType',
      'TooManyRequests',
    ],
    '5XX': ['StoreUnavailable', 'InternalError'],
  },
};
