import { z } from 'zod';
import { durationText, listAtomic, withRules } from './parts.ts';
import { cronSchedule, timeZone } from './shared.ts';

/** Seats whose holder has gone silent, and what may restart a server for them: `spec.staleSeats`. */

const window = z.object({
  schedule: cronSchedule('When the window opens'),
  duration: durationText('1m', '24h').describe('How long the window stays open. Bounds: 1m to 24h.'),
  timeZone: timeZone(),
});

export const staleSeats = withRules(
  z.object({
    policy: z
      .enum(['Roll', 'Release', 'Ignore'])
      .default('Roll')
      .describe(
        'What is done about stale seats. Roll: the pod is restarted, which clears them. Release: they are released without a restart. Ignore: they are only counted. Default: Roll.',
      ),
    after: durationText('1m', '720h')
      .default('30m')
      .describe('Silence of a base after which its sticky seats are stale. Default: 30m. Bounds: 1m to 720h.'),
    threshold: z
      .int()
      .min(1)
      .max(100_000)
      .default(1)
      .describe('How many stale seats start a clearing. Default: 1. Bounds: 1 to 100000.'),
    when: z
      .enum(['Idle', 'Window', 'Exhausted', 'Always'])
      .default('Idle')
      .describe(
        'When a clearing may happen. Idle: no seat is in real use. Window: inside one of the windows. Exhausted: somebody was refused for want of a seat. Always: at any time. Default: Idle.',
      ),
    windows: listAtomic(z.array(window).min(1).max(16))
      .optional()
      .describe('Windows for "when: Window", here and in keyRotation. Default: none. At most 16.'),
    minInterval: durationText('1m', '720h')
      .default('1h')
      .describe('Shortest time between two clearings. Default: 1h. Bounds: 1m to 720h.'),
  }),
  {
    rule: "!has(self.when) || self.when != 'Window' || has(self.windows)",
    message: 'when: Window needs windows',
    reason: 'FieldValueRequired',
  },
);
