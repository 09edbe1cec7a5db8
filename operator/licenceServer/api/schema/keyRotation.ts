import { z } from 'zod';
import { durationText } from './parts.ts';

/** How a changed key is put to work: `spec.keyRotation`. */

export const keyRotation = z.object({
  verifyTimeout: durationText('30s', '1h')
    .default('5m')
    .describe(
      'How long a new key may take to become active after the pod is ready, before the previous one is put back. An authority that cannot be reached only delays. Default: 5m. Bounds: 30s to 1h.',
    ),
  when: z
    .enum(['Always', 'Window'])
    .default('Always')
    .describe('When the pod may roll for a new key. Window: inside one of staleSeats.windows. Default: Always.'),
});
