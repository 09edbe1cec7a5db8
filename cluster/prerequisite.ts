/** Something this machine lacks. Not a bug: whoever asked may go on without what needed it. */
export class PrerequisiteMissing extends Error {
  /** What is missing, for example `Go`. */
  readonly missing: string;
  constructor(missing: string, purpose: string, remedy: string) {
    super(`${missing} is missing; it is needed ${purpose}: ${remedy}`);
    this.name = 'PrerequisiteMissing';
    this.missing = missing;
  }
}

/** One line of progress on standard error; long work is never silent. */
export function progress(text: string): void {
  if (process.env.LICENCE_QUIET !== '1') process.stderr.write(`» ${text}\n`);
}
