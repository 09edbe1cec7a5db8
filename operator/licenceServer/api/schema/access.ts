import { z } from 'zod';
import { listAtomic, listSet, withRules } from './parts.ts';

/** Who may use the server: `spec.access`. */

const labelSelector = z.object({
  matchLabels: z
    .record(z.string(), z.string().max(63))
    .optional()
    .describe('Labels that must be equal. Default: none.'),
  matchExpressions: listAtomic(
    z
      .array(
        z.object({
          key: z.string().min(1).max(317).describe('Label key.'),
          operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']).describe('How the label relates to the values.'),
          values: listAtomic(z.array(z.string().max(63)).max(64))
            .optional()
            .describe('Values for In and NotIn. Default: none.'),
        }),
      )
      .max(16),
  )
    .optional()
    .describe('Further conditions. Default: none.'),
});

const peer = withRules(
  z.object({
    podSelector: labelSelector.optional().describe('Pods, in the same namespace unless namespaceSelector is set.'),
    namespaceSelector: labelSelector.optional().describe('Namespaces; an empty selector stands for all.'),
    ipBlock: z
      .object({
        cidr: withRules(z.string().min(3).max(64), {
          rule: 'isCIDR(self)',
          message: 'must be an IPv4 or IPv6 address range',
          reason: 'FieldValueInvalid',
        }).describe('Address range, such as 10.0.0.0/8.'),
        except: listSet(z.array(z.string().max(64)).max(16))
          .optional()
          .describe('Ranges left out. Default: none.'),
      })
      .optional()
      .describe('An address range; excludes the selectors.'),
  }),
  {
    rule: 'has(self.ipBlock) ? (!has(self.podSelector) && !has(self.namespaceSelector)) : (has(self.podSelector) || has(self.namespaceSelector))',
    message: 'a peer is either an ipBlock or a podSelector, a namespaceSelector, or both selectors',
    reason: 'FieldValueInvalid',
  },
);

export const access = z.object({
  clients: z
    .enum(['Token', 'ServiceAccount', 'Open'])
    .default('Token')
    .describe(
      'Who may take seats. Token: who knows the client token. ServiceAccount: pods with a projected token for the audience NAME.NAMESPACE.svc; a seat ends with its pod. Open: anybody who reaches it. Default: Token.',
    ),
  allowFrom: listAtomic(z.array(peer).max(64))
    .optional()
    .describe(
      'Who may reach the server over the network (NetworkPolicy peers). Default: pods of the same namespace. At most 64.',
    ),
});
