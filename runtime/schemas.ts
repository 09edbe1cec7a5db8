import { z } from 'zod';

/** Shapes that the documents of all programs share. What `meta` says is for readers of the document; nothing is checked by it. */

/** A schema under a name of its own in the document: generators make one type of it, wherever it stands. */
export const named = <T extends z.ZodType>(component: string, schema: T): T => schema.meta({ component }) as T;

/** A moment in an answer. */
export const moment = z.string().meta({ format: 'date-time', description: 'RFC 3339, UTC' });

/** A moment in a request may be a day, too, or have no zone (UTC): no `format` says that. */
export const dayOrMoment = {
  pattern: '^\\d{4}-\\d\\d-\\d\\d([Tt]\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?([Zz]|[+-]\\d\\d:\\d\\d)?)?$',
};

/**
 * One of some values in an answer, of which a later version may have more. No closed enumeration: it would make the whole answer
 * unreadable to the clients that were generated before.
 */
export const growing = (values: readonly string[]) =>
  z.string().meta({ 'x-extensible-enum': values, description: `${values.join(', ')}, or a later one` });

/** A number that may grow over 2^31. */
export const int64 = z.int().meta({ format: 'int64' });

/** Of all that goes into the database, or is looked for in it: PostgreSQL keeps no text with a NUL. `\x00` is what every engine reads. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is not wanted
export const withoutNul = /^[^\x00]*$/;

/** The body of every refusal (RFC 9457). */
const problemShape = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  reason: z.string().describe('stable, for programs; a later version may have further ones'),
  detail: z.string().describe('one sentence for a person'),
  requestId: z.string().optional().describe('by which the log of the server has it; with 5xx'),
});
export const problem = named('Problem', problemShape);

/** A refusal with more in it. */
export const problemWith = <T extends z.ZodRawShape>(component: string, more: T) =>
  named(component, problemShape.extend(more));
