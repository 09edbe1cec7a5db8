import type { Spec, Status } from '../api/types.ts';
import type { Observed } from '../observe/observed.ts';
import type { RestoreReport } from '../observe/restoreReport.ts';

/**
 * How far a start from a backup is. It comes before the first Deployment and never after: what runs, or has run, is newer than
 * any archive. What was restored stands in the status, and is not done again. Pure.
 */
export type Restore =
  | { readonly kind: 'none' }
  /** Its Job fetches the archive; nothing else is made meanwhile that would be another computer. */
  | { readonly kind: 'running'; readonly message: string; readonly isFailing: boolean }
  /** The volume is filled, or has data of its own; identity and tokens are made of what is reported. */
  | { readonly kind: 'over'; readonly report: RestoreReport }
  /** Told in the status: what was made for it goes. */
  | { readonly kind: 'tidy' };

export function restoreOf(
  spec: Spec,
  status: Pick<Status, 'restore'>,
  { deployment, restore }: Pick<Observed, 'deployment' | 'restore'>,
): Restore {
  const done: Restore = restore?.exists ? { kind: 'tidy' } : { kind: 'none' };
  if (spec.restoreFrom === undefined || status.restore !== undefined) return done;
  const report = restore?.report;
  const running = (message: string, isFailing: boolean): Restore => ({ kind: 'running', message, isFailing });
  const isOver = report !== undefined && report.fault === undefined;
  if (isOver && (restore?.twin === undefined || deployment !== undefined)) return { kind: 'over', report };
  if (deployment !== undefined) return done;
  if (report === undefined) return running('the archive is fetched and verified', false);
  if (report.fault !== undefined) return running(`nothing is restored yet: ${report.fault}`, true);
  return running(
    `LicenceServer ${restore?.twin} is the computer of ${report.archive}, and two of one computer must not run: suspend it, or delete it`,
    true,
  );
}
