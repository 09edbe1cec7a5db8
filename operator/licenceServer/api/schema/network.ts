import { z } from 'zod';
import { label, listAtomic, listSet, objectName, withRules } from './parts.ts';
import { annotations, secretKeyRefOr, wordList } from './shared.ts';

/** The network around a server: `spec.activation.authority.proxy`, `spec.http`, `spec.httpRoute`. */

export const proxy = withRules(
  z.object({
    url: withRules(z.string().min(1).max(2048), {
      rule: "isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != '' && !self.contains('@')",
      message:
        'must be an http or https URL without an account, such as http://proxy.example.org:3128; one with a password belongs in a Secret (secretRef)',
      reason: 'FieldValueInvalid',
    })
      .optional()
      .describe('URL of the proxy, without an account.'),
    secretRef: secretKeyRefOr('the URL of the proxy with its account, a password percent-encoded', 'url')
      .optional()
      .describe('Where the URL of a proxy with a password is. A change of it needs no restart.'),
    noProxy: wordList(64)
      .optional()
      .describe(
        "Hosts, domains and networks that are reached without it, besides the cluster's own names: example.org, .example.org, 10.0.0.0/8. Default: none. At most 64.",
      ),
  }),
  {
    rule: '!has(self.url) || !has(self.secretRef)',
    message: 'at most one of url and secretRef may be set',
    reason: 'FieldValueInvalid',
  },
);

export const http = z.object({
  trustedProxies: listSet(
    z
      .array(
        withRules(z.string().min(2).max(64), {
          rule: 'isIP(self) || isCIDR(self)',
          message: 'must be an address or a network, such as 10.0.0.0/8',
          reason: 'FieldValueInvalid',
        }),
      )
      .max(32),
  )
    .optional()
    .describe(
      'Addresses and networks of what stands in front of the server, such as the ingress controller: its X-Forwarded-For names the client, for limits and audit. Default: none. At most 32.',
    ),
  keepAliveSeconds: z
    .int()
    .min(1)
    .max(3_600)
    .optional()
    .describe(
      'How long an idle connection is kept; longer than the load balancer in front keeps one. Default: 72. Bounds: 1 to 3600.',
    ),
  pathPrefix: withRules(
    z
      .string()
      .min(2)
      .max(128)
      .regex(/^(\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/),
    {
      rule: "!self.matches('^/(v1|assets|healthz|metrics|openapi)(/|$)')",
      message: 'must be none of the paths of the server itself',
      reason: 'FieldValueInvalid',
    },
  )
    .optional()
    .describe(
      "What the server's addresses begin with outside, such as /licences; it answers with and without it. The paths of ingress and httpRoute. Default: none.",
    ),
});

const parent = z.object({
  name: objectName().describe('Name of the Gateway.'),
  namespace: label().optional().describe('Namespace of the Gateway. Default: that of this resource.'),
  sectionName: objectName().optional().describe('Name of one of its listeners. Default: all that fit.'),
  port: z.int().min(1).max(65_535).optional().describe('Port of its listeners. Default: all. Bounds: 1 to 65535.'),
});

export const httpRoute = z.object({
  parentRefs: listAtomic(z.array(parent).min(1).max(32)).describe('The Gateways that it is attached to. At most 32.'),
  hostnames: listAtomic(
    z
      .array(
        z
          .string()
          .min(1)
          .max(253)
          .regex(/^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/),
      )
      .min(1)
      .max(16),
  )
    .optional()
    .describe("Host names under which the server is reached. Default: those of the Gateway's listeners. At most 16."),
  annotations: annotations('HTTPRoute'),
});
