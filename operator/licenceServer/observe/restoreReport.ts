import { z } from 'zod';
import type { KubeObject } from '../../kube/object.ts';
import { group } from '../api/coordinates.ts';

/** Annotation of the Secret that a restore reports in; keep equal to the server's. */
export const restoreAnnotation = `${group}/restore`;

const report = z.object({
  archive: z.string().max(253).optional(),
  fingerprint: z.string().max(128).optional(),
  restoredAt: z.string().max(64).optional(),
  /** There was data already: nothing was restored. */
  kept: z.boolean().optional(),
  /** Why nothing is restored yet. */
  fault: z.string().max(2048).optional(),
});
export type RestoreReport = z.infer<typeof report>;

/** What a restore has told so far; undefined: nothing, or nothing that makes sense. */
export function restoreReportOf(secret: KubeObject | undefined): RestoreReport | undefined {
  const text = secret?.metadata.annotations?.[restoreAnnotation];
  if (text === undefined) return undefined;
  try {
    return report.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
