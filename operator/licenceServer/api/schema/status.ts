import { z } from 'zod';
import { growing, listMap, moment } from './parts.ts';

/**
 * What the operator has seen and done: `status` of LicenceServer v1beta1. It is also the operator's memory: the phases of
 * a rotation and of a clearing are written here before they are acted on, so that any successor can go on from them.
 * Nothing in here is secret: names, counts, times, fingerprints.
 */

const condition = z.object({
  type: z.string().max(316).describe('What the condition is about.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
  reason: z.string().max(1024).describe('One word for programs.'),
  message: z.string().max(32_768).describe('One sentence for a person.'),
  observedGeneration: z.int().min(0).optional().describe('The metadata.generation that this was said of.'),
  lastTransitionTime: moment().describe('When the status last changed.'),
});

const product = z.object({
  product: z.string().describe('Name of the product.'),
  seatLimit: z.int().describe('Seats that the active keys grant together.'),
  seatsInUse: z.int().describe('Seats held now, stale ones included.'),
  seatsStale: z.int().describe('Seats held whose base has gone silent.'),
  supportUntil: moment().optional().describe('End of the support term.'),
  expiresAt: moment().optional().describe('When the licence ends; absent: never.'),
});

const key = z.object({
  name: z.string().describe('Name in spec.keys, or the keyId of a key that was installed otherwise.'),
  keyId: z.string().optional().describe("Safe name of the key's content."),
  state: growing(['Active', 'Pending', 'Refused', 'Superseded', 'Unknown'], 'What the server says of the key.'),
  source: z.string().optional().describe('How the key was installed: configuration, web, api, file.'),
  reason: z.string().optional().describe('Why it is not active, in one word.'),
  message: z.string().optional().describe('Why it is not active and what to do.'),
  product: z.string().optional().describe('Product that it grants.'),
  generation: z.int().optional().describe('How often the key was regenerated, counted from 1.'),
  activatedAt: moment().optional().describe('When it was last activated.'),
  supportUntil: moment().optional().describe('End of its support term.'),
  regenerationsLeft: z.int().optional().describe('Regenerations left this month.'),
  regenerationsResetAt: moment().optional().describe('When the next regeneration frees up.'),
});

export const rotationPhases = ['Staged', 'Checked', 'Rolling', 'Proving', 'Active', 'RolledBack'] as const;

const rotation = z.object({
  copy: z.string().describe('Name of the immutable Secret with the keys that are being put to work.'),
  key: z.string().describe('Names of the keys that differ, separated by commas.'),
  phase: growing(rotationPhases, 'How far it has come.'),
  startedAt: moment().describe('When the new content was first seen.'),
  phaseAt: moment().describe('When the phase began.'),
  attempts: z.int().describe('Attempts so far.'),
  nextAttemptAt: moment().optional().describe('When it is tried again.'),
  reason: z.string().optional().describe('Why it does not go on, in one word.'),
  message: z.string().optional().describe('Why it does not go on and what to do.'),
  retriedAt: z.string().optional().describe('The last value of the rotate-retry-at annotation that was honoured.'),
});

export const regenerationPhases = ['Asked', 'Allowed', 'Made', 'Refused'] as const;

const regeneration = z.object({
  request: z.string().describe('The last value of the regenerate-at annotation that was honoured.'),
  key: z.string().describe('Name of the key in spec.keys.'),
  keyId: z.string().optional().describe('The key that a new one is asked for.'),
  phase: growing(regenerationPhases, 'How far it has come.'),
  phaseAt: moment().describe('When the phase began.'),
  attempts: z.int().describe('Attempts in this phase so far.'),
  nextAttemptAt: moment().optional().describe('When it is tried again.'),
  newKeyId: z
    .string()
    .optional()
    .describe('The new key; its text is in the Secret <name>-regenerated-<newKeyId>, under the name of the key.'),
  regenerationsLeft: z.int().optional().describe('Regenerations left this month: before it is made, and after.'),
  regenerationsResetAt: moment().optional().describe('When the next regeneration frees up.'),
  reason: z.string().optional().describe('Why it waits or was refused, in one word.'),
  message: z.string().optional().describe('Why it waits or was refused and what to do.'),
});

const reactivation = z.object({
  request: z.string().describe('The last value of the reactivate-at annotation that was honoured.'),
  startedAt: moment().describe('When it was first seen.'),
  pending: z
    .array(z.string())
    .describe(
      'Keys that are still to be activated again, each with the time of the activation that serves until then.',
    ),
  provenAt: moment().optional().describe('When the last of them was seen to be activated again.'),
  message: z.string().optional().describe('What it waits for.'),
});

const staleSeats = z.object({
  since: moment().optional().describe('Since when there is at least one stale seat.'),
  clearing: z
    .object({
      id: z.string().describe('Id of the clearing in flight.'),
      by: growing(['Roll', 'Release'], 'How it is done.'),
      startedAt: moment().describe('When it began.'),
      before: z.int().describe('Stale seats at that time.'),
    })
    .optional()
    .describe('The clearing in flight.'),
  lastClearing: z
    .object({
      at: moment().describe('When it was proven.'),
      by: growing(['Roll', 'Release'], 'How it was done.'),
      before: z.int().describe('Stale seats before.'),
      after: z.int().describe('Stale seats after.'),
    })
    .optional()
    .describe('The last clearing.'),
  failures: z.int().optional().describe('Clearings in a row that left stale seats behind.'),
});

const restore = z.object({
  archive: z.string().optional().describe('Name of the archive; absent: there was data already.'),
  fingerprint: z.string().optional().describe('The computer of the archive.'),
  restoredAt: moment().optional().describe('When it was restored.'),
  kept: z.boolean().optional().describe('There was data already, which stayed as it was.'),
});

const backup = z.object({
  lastSuccessAt: moment().optional().describe('When the newest archive of this computer at the destination was made.'),
  archive: z.string().optional().describe('Its name.'),
  sizeBytes: z.int().optional().describe('Its size, in bytes.'),
  nextAt: moment().optional().describe('When the next one is due; in the past while they fail.'),
  fault: z.string().optional().describe('Why the last attempt failed; absent: it did not.'),
});

export const licenceServerStatus = z
  .object({
    observedGeneration: z.int().optional().describe('The metadata.generation that was last acted on.'),
    conditions: listMap(z.array(condition).max(32), 'type')
      .optional()
      .describe(
        'Ready, Reconciling and Stalled as kstatus has them; Available, KeysActive, SeatsAvailable, SeatsFresh, StorageBound, Suspended; BackedUp where backups are wanted; RulesSound where there are seat rules; Monitored and Watched while they do not hold.',
      ),
    replicas: z.int().optional().describe('Pods that exist.'),
    selector: z.string().optional().describe('Label selector of the pods, for the scale subresource.'),
    fingerprint: z.string().optional().describe('The computer that keys are bound to.'),
    address: z.string().optional().describe('Where the server is reached within the cluster.'),
    version: z.string().optional().describe('Version of the running server.'),
    image: z.string().optional().describe('Image of the running server.'),
    missing: z
      .object({ what: z.string().describe('What it is.'), since: moment().describe('Since when it is missed.') })
      .optional()
      .describe(
        'What spec refers to and is not there. For five minutes that is a wait (Reconciling), then a matter for a person (Stalled).',
      ),
    trouble: z.string().optional().describe('What the server last said is wrong; absent: nothing.'),
    seats: z.string().optional().describe('Seats in use and in all.'),
    seatsStale: z.int().optional().describe('Stale seats of all products.'),
    supportUntil: moment().optional().describe('The earliest end of a support term.'),
    seatsObservedAt: moment().optional().describe('When these counts were written.'),
    products: listMap(z.array(product).max(256), 'product').optional().describe('Counts, a product each.'),
    keys: listMap(z.array(key).max(256), 'name').optional().describe('Keys as the server sees them.'),
    keysCopy: z
      .string()
      .optional()
      .describe('Name of the immutable Secret with the keys that were last proven; a failed rotation goes back to it.'),
    rotation: rotation.optional().describe('The last or present change of keys.'),
    regeneration: regeneration.optional().describe('The last request for a new key of a licence.'),
    reactivation: reactivation.optional().describe('The last request to activate the keys again.'),
    staleSeats: staleSeats.optional().describe('What was done about stale seats.'),
    restore: restore.optional().describe('What it was started from.'),
    backup: backup.optional().describe('The last backup, and the next one.'),
    nextDisruption: z
      .object({
        at: moment().optional().describe('Earliest time; absent: as soon as the gate opens.'),
        reasons: z.array(z.string()).describe('Why the pod will roll.'),
        message: z.string().optional().describe('What it waits for.'),
      })
      .optional()
      .describe('The next roll of the pod that is already known of.'),
    lastRoll: z
      .object({ at: moment().describe('When.'), reasons: z.array(z.string()).describe('Why.') })
      .optional()
      .describe('The last roll of the pod.'),
  })
  .describe('What the operator has seen and done.');
