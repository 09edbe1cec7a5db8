import { PrerequisiteMissing } from '../../cluster/prerequisite.ts';

/** What this machine or clone may lack; undefined where it does, which is said, and is an error with CI=true. */
export async function orSkipped<T>(wanted: Promise<T>): Promise<T | undefined> {
  try {
    return await wanted;
  } catch (error) {
    if (!(error instanceof PrerequisiteMissing) || process.env.CI === 'true') throw error;
    process.stderr.write(`» skipped: ${error.message}\n`);
    return undefined;
  }
}
