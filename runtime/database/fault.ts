// Faults of a database are of two kinds. Those of the command: the same command fails everywhere and always, and nothing is wrong
// with the session. All others are of the database, of the way to it or of the node that was reached: the session is given up, and
// whoever asked may come again.

/** The SQLSTATE of a fault that PostgreSQL told; empty for any other. */
const stateOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && /^[0-9A-Z]{5}$/.test(String(error.code)) ? String(error.code) : '';

/**
 * Class 22 (a value that cannot be), 23 (a rule of a table is broken), P0 (raised by a function of ours): appendix A of
 * PostgreSQL's manual. Not 42 nor 0A: what is no table or no right here is there on the right database.
 */
export const isCommandFault = (error: unknown): boolean => /^(22|23|P0)/.test(stateOf(error));

/** Outcomes that a repetition settles: serialization and deadlock (class 40). */
export const isPassing = (error: unknown): boolean => stateOf(error).startsWith('40');

/** No fault of the command: the database did not do its work, and whether the command took effect is unknown. */
export class StoreUnavailable extends Error {
  /** Whether the log has it already: a batch fails once for all of its commands. */
  told = false;
  constructor(cause: unknown) {
    super('the database did not do its work; whether the command took effect is unknown: repeat it', { cause });
    this.name = 'StoreUnavailable';
  }
}

/** A fault of the command as it came; any other as `StoreUnavailable`. */
export const sorted = (error: unknown): unknown =>
  isCommandFault(error) || error instanceof StoreUnavailable ? error : new StoreUnavailable(error);

/**
 * An error's own words, never empty: of an attempt at several addresses those of the first, of an error without a message its code
 * or its name.
 */
export function messageOf(error: unknown): string {
  if (error instanceof StoreUnavailable && error.cause !== undefined) return messageOf(error.cause);
  if (!(error instanceof Error)) return String(error) || 'an error without words';
  if (error.message !== '') return error.message;
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return 'code' in error && error.code ? String(error.code) : error.name;
}
