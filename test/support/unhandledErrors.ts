import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter } from 'vitest/node';

/** Names the file for {@link UnhandledErrors}. */
export const unhandledErrorsVariable = 'LICENCE_TEST_UNHANDLED_ERRORS';

/** As vitest gives it: what ran in the worker when nobody handled it. */
interface UnhandledError {
  readonly message: string;
  readonly stack?: string;
  readonly VITEST_TEST_PATH?: string;
  readonly VITEST_TEST_NAME?: string;
}

const placeOf = ({ VITEST_TEST_PATH: file, VITEST_TEST_NAME: test }: UnhandledError): string =>
  file === undefined ? '' : `${relative(process.cwd(), file)}${test === undefined ? '' : ` > ${test}`}: `;

/** A reporter of errors outside every test, which vitest's JSON report lacks: writes a JSON array of texts, each with the file that ran. */
export default class UnhandledErrors implements Reporter {
  onTestRunEnd(_modules: unknown, errors: readonly UnhandledError[]): void {
    const file = process.env[unhandledErrorsVariable];
    if (file === undefined) return;
    writeFileSync(file, JSON.stringify(errors.map((error) => `${placeOf(error)}${error.stack ?? error.message}`)));
  }
}
