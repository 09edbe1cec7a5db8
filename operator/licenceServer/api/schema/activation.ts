import { z } from 'zod';
import { proxy } from './network.ts';
import { label, listMap, withRules } from './parts.ts';
import { certificatesRef, configMapKeyRef, secretKeyRef, secretKeyRefOr } from './shared.ts';

/** Keys and how they are activated: `spec.keys`, `spec.activation`. */

export const keys = listMap(
  z
    .array(
      z.object({
        name: label().describe('Name of the key within this server; also its file name in the pod. Unique.'),
        secretRef: secretKeyRef('the key as the vendor gave it').describe(
          'Where the key is. With activation mode Offline the same Secret holds the signed activation under this key with ".activation" appended.',
        ),
      }),
    )
    .max(16),
  'name',
)
  .optional()
  .describe(
    'The keys to install. Default: none; keys can also be installed through the web page or the API. At most 16.',
  );

const authority = z.object({
  url: withRules(z.string().min(1).max(2048), {
    rule: "isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != ''",
    message: 'must be an http or https URL',
    reason: 'FieldValueInvalid',
  })
    .optional()
    .describe(
      "Where keys are activated: the base URL of the vendor's authority. Needed in mode Online as soon as there are keys.",
    ),
  trustedKeys: z
    .object({ configMapRef: configMapKeyRef('a JSON Web Key Set', 'jwks.json').describe("The key set's place.") })
    .optional()
    .describe("The public keys whose signature makes an activation genuine. Default: the vendor's keys in the image."),
  tokenSecretRef: secretKeyRefOr('a customer token of the authority', 'token')
    .optional()
    .describe(
      'A customer token, with which the operator has a new key made on request (annotation regenerate-at). Default: none.',
    ),
  proxy: proxy
    .optional()
    .describe(
      "The proxy through which the server, and the operator for it, reach the authority, and backups their bucket; with neither url nor secretRef: none. Default: the operator's (OPERATOR_SERVER_PROXY).",
    ),
  caRef: certificatesRef()
    .optional()
    .describe(
      "PEM certificates of the authority's certification authority, in addition to the system's. Default: none.",
    ),
});

export const activation = withRules(
  z.object({
    mode: z
      .enum(['Online', 'Offline'])
      .default('Online')
      .describe(
        'Online: the server asks the authority by itself. Offline: a signed activation file is given beside the key. Default: Online.',
      ),
    authority: authority.optional().describe("The vendor's side. Default: none."),
  }),
  {
    rule: "self.mode != 'Offline' || !has(self.authority) || !has(self.authority.url)",
    message: 'mode Offline never asks an authority; remove authority.url',
    reason: 'FieldValueForbidden',
  },
);
