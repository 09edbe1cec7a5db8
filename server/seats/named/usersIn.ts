import { parse } from 'csv-parse/sync';
import { invalid } from '../requests.ts';
import { names } from './schemas.ts';

/**
 * The users of a table: the column `user` if there is a line of names, else the first column. Commas, semicolons and tabs part columns.
 * @throws ProblemError 400 with the line
 */
export function usersIn(table: string): string[] {
  let rows: string[][];
  try {
    rows = parse(table, {
      bom: true,
      delimiter: [',', ';', '\t'],
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
    });
  } catch (error) {
    throw invalid(`the body is no table: ${error instanceof Error ? error.message : String(error)}`);
  }
  const [first = []] = rows;
  const column = first.findIndex((name) => name.toLowerCase() === 'user');
  const lines = column < 0 ? rows : rows.slice(1);
  const users = lines.map((row) => (row[Math.max(column, 0)] ?? '').replace(/^'(?=[=+\-@])/, ''));
  const read = names.safeParse(users);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const line = Number(issue?.path[0] ?? 0) + (column < 0 ? 1 : 2);
  throw invalid(`line ${line} of the table: ${issue?.message}`);
}
