import { z } from 'zod';
import { listSet, objectName, quantityText, withRules } from './parts.ts';

/** The volume: `spec.storage`. */

const accessModes = ['ReadWriteOnce', 'ReadWriteOncePod', 'ReadWriteMany'] as const;

export const storage = withRules(
  z.object({
    size: quantityText('256Mi')
      .optional()
      .describe(
        "Size of the volume. It can grow, never shrink. Default: 1Gi, room for 100,000 leases. Minimum: 256Mi, for small servers: under heavy load the database's log alone takes as much.",
      ),
    storageClassName: z
      .string()
      .max(253)
      .optional()
      .describe("Storage class of the volume. Cannot be changed. Default: the cluster's default class."),
    accessModes: listSet(z.array(z.enum(accessModes)).min(1).max(3))
      .optional()
      .describe(
        'Access modes of the volume. Cannot be changed. ReadWriteMany is needed for more than one replica. Default: ReadWriteOnce.',
      ),
    existingClaim: objectName()
      .optional()
      .describe(
        'Name of a PersistentVolumeClaim to use instead of making one; it is never removed. Only one LicenceServer can use a claim. Default: none.',
      ),
    reclaimPolicy: z
      .enum(['Retain', 'Delete'])
      .default('Retain')
      .describe(
        'What happens to the volume, the identity and the tokens when the LicenceServer is deleted. Retain: they stay, and a LicenceServer of the same name takes them over as the same computer. Delete: they go after the server has stopped. What stands here at the moment of the deletion counts. Default: Retain.',
      ),
  }),
  {
    rule: 'has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)',
    message: 'storageClassName cannot be changed',
    reason: 'FieldValueForbidden',
  },
  {
    rule: 'has(self.existingClaim) || has(oldSelf.existingClaim) || (has(self.accessModes) == has(oldSelf.accessModes) && (!has(self.accessModes) || (self.accessModes.all(m, m in oldSelf.accessModes) && oldSelf.accessModes.all(m, m in self.accessModes))))',
    message: 'accessModes cannot be changed',
    reason: 'FieldValueForbidden',
  },
  {
    rule: '!has(self.size) || !has(oldSelf.size) || !isQuantity(self.size) || !isQuantity(oldSelf.size) || quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0',
    message: 'size cannot shrink',
    reason: 'FieldValueForbidden',
  },
  {
    rule: '!has(self.existingClaim) || (!has(self.size) && !has(self.storageClassName))',
    message: 'existingClaim excludes size and storageClassName',
    reason: 'FieldValueForbidden',
  },
);
