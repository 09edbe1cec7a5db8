import { writeFileSync } from 'node:fs';
import type { Reporter } from 'vitest/node';

/** Names the file for {@link UnhandledErrors}. */
export const unhandledErrorsVariable = 'LICENCE_TEST_UNHANDLED_ERRORS';

/** A reporter of errors outside every test, which vitest's JSON report lacks: writes a JSON array of texts. */
export default class UnhandledErrors implements Reporter {
  onTestRunEnd(_modules: unknown, errors: readonly { readonly message: string; readonly stack?: string }[]): void {
    const file = process.env[unhandledErrorsVariable];
    if (file !== undefined) writeFileSync(file, JSON.stringify(errors.map(({ message, stack }) => stack ?? message)));
  }
}
