import { z } from 'zod';

/** Quotes a value for a spreadsheet; one that a spreadsheet would take for a formula is made a text. */
const cell = (value: string | number | boolean | undefined): string => {
  const text = String(value ?? '');
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** A table as RFC 4180 text: the names, then a line a row. */
export const csvTable = (
  names: readonly string[],
  rows: readonly (readonly (string | number | boolean | undefined)[])[],
): string => [names.join(','), ...rows.map((row) => row.map(cell).join(','))].join('\r\n');

/** Such a table for the document. */
export const tableResponse = {
  description: 'a table by RFC 4180; of leases and refusals 50 000 rows at most',
  content: { 'text/csv': { schema: z.string() } },
};

/** The parts of fastify's reply that a table needs. */
interface Reply {
  type(type: string): this;
  header(name: string, value: string): this;
  serializer(write: (text: unknown) => string): this;
}

/** The text of a table as an answer that a browser saves under `filename`. */
export function csvAnswer(reply: Reply, filename: string, text: string): string {
  reply
    .type('text/csv; charset=utf-8')
    .header('content-disposition', `attachment; filename="${filename}"`)
    .serializer(String);
  return text;
}
