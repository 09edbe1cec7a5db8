import { z } from 'zod';
import { bounds } from '../../../../licence/words.ts';
import { dataKey, durationText, label, listAtomic, listMap, listSet, objectName, withRules } from './parts.ts';

/** How seats are held, and who may have them: `spec.seats`. */

const namePattern = () => z.string().min(1).max(bounds.holderPart);
const patterns = (what: string) =>
  listSet(z.array(namePattern()).min(1).max(64))
    .optional()
    .describe(`The ${what} that may use these seats; "*" stands for any characters. Default: all. At most 64.`);

const reservation = withRules(
  z.object({
    name: label().optional().describe('Name of the reservation, in metrics. Default: made from its place in the list.'),
    product: z.string().min(1).max(bounds.product).describe('The product whose seats are kept.'),
    seats: z.int().min(1).max(100_000).describe('How many seats are kept. Bounds: 1 to 100000.'),
    users: patterns('users'),
    bases: patterns('bases'),
    hosts: patterns('hosts'),
  }),
  {
    rule: 'has(self.users) || has(self.bases) || has(self.hosts)',
    message: 'a reservation needs users, bases or hosts',
    reason: 'FieldValueRequired',
  },
);

const names = (what: string) =>
  listSet(z.array(namePattern()).min(1).max(64)).optional().describe(`${what}. Default: all. At most 64.`);
const seatCount = () => z.int().min(1).max(100_000);

const effects = ['allow', 'onlyThese', 'max', 'maxEach', 'reserve', 'priority', 'idleAfter', 'minimumHold'];
const rule = withRules(
  z.object({
    name: label().describe('Name of the rule, in refusals and metrics.'),
    product: z.string().min(1).max(bounds.product).describe('The product whose seats it is about.'),
    match: z
      .object({
        users: names('Users that it is about; "*" stands for any characters, "?" for one'),
        groups: listSet(z.array(dataKey()).min(1).max(64))
          .optional()
          .describe(
            'Groups of users or computers that it is about, beside the users: entries of groups.configMapRef. At most 64.',
          ),
        bases: names('Only in these bases'),
        hosts: names('Only on these computers'),
      })
      .optional()
      .describe('Whom it is about. Default: everybody.'),
    allow: withRules(z.boolean(), { rule: 'self == false', message: 'allow may only be false' })
      .optional()
      .describe('false: whoever matches gets no seat.'),
    onlyThese: withRules(z.boolean(), { rule: 'self == true', message: 'onlyThese may only be true' })
      .optional()
      .describe('true: of a product that has such rules only those who match one get a seat.'),
    max: seatCount().optional().describe('Seats of those who match, together. Bounds: 1 to 100000.'),
    maxEach: seatCount().optional().describe('Seats of each user who matches. Bounds: 1 to 100000.'),
    reserve: seatCount().optional().describe('Seats that are kept for those who match. Bounds: 1 to 100000.'),
    priority: z
      .int()
      .min(-1_000)
      .max(1_000)
      .optional()
      .describe(
        'Place in the queue: whoever has a higher one comes first. Everybody else has 0. Bounds: -1000 to 1000.',
      ),
    idleAfter: durationText('1m', '24h')
      .optional()
      .describe(
        'A program that says that it has been idle for so long loses its seat to whoever waits for one, and only then. Bounds: 1m to 24h.',
      ),
    minimumHold: durationText('1s', '24h')
      .optional()
      .describe(
        'A seat that is given back sooner after it was taken stays taken for others until then. Bounds: 1s to 24h.',
      ),
  }),
  {
    rule: `[${effects.map((effect) => `has(self.${effect})`).join(', ')}].filter(has, has).size() == 1`,
    message: `a rule has one of ${effects.join(', ')}`,
    reason: 'FieldValueInvalid',
  },
);

export const seats = z.object({
  leaseSeconds: z
    .int()
    .min(bounds.leaseSeconds.min)
    .max(bounds.leaseSeconds.max)
    .default(bounds.leaseSeconds.default)
    .describe(
      `How long a holder keeps its seat after its last heartbeat, in seconds. Default: ${bounds.leaseSeconds.default}. Bounds: ${bounds.leaseSeconds.min} to ${bounds.leaseSeconds.max}.`,
    ),
  reservations: listAtomic(z.array(reservation).max(64))
    .optional()
    .describe(
      'Seats kept for certain users, bases or hosts; rules with reserve do the same. Default: none. At most 64.',
    ),
  rules: listMap(z.array(rule).max(64), 'name')
    .optional()
    .describe(
      'Who may have seats, and how many, and for how long; of reserve, priority, idleAfter and minimumHold the first that match count. Default: none. At most 64.',
    ),
  groups: z
    .object({
      configMapRef: z
        .object({ name: objectName().describe('Name of the ConfigMap, in the namespace of this resource.') })
        .describe(
          'A ConfigMap with an entry a group: a name or a pattern a line. A change of it is taken up without a restart.',
        ),
    })
    .optional()
    .describe('Groups of users or computers that rules name. Default: none.'),
});
