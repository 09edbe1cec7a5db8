import { z } from 'zod';
import { anyObject, quantity } from './parts.ts';
import { annotations } from './shared.ts';

/** What the pod has beyond what the operator gives it: `spec.resources`, `spec.podTemplate`. */

export const resources = z.object({
  requests: z.record(z.string(), quantity()).optional().describe('What the container is sure to get. Default: none.'),
  limits: z.record(z.string(), quantity()).optional().describe('What the container can get at most. Default: none.'),
});

export const podTemplate = z.object({
  metadata: z
    .object({
      labels: z.record(z.string(), z.string().max(63)).optional().describe('Further labels of the pod. Default: none.'),
      annotations: annotations('pod'),
    })
    .optional()
    .describe('Further labels and annotations. Default: none.'),
  spec: anyObject()
    .optional()
    .describe(
      'A pod spec laid over the one that the operator makes, with the merge rules of "kubectl patch --type strategic": containers, volumes and variables are matched by name. Default: none.',
    ),
});
